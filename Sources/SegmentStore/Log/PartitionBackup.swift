internal import Glibc
package import RecordFormat

/// Copies the directory of a partition that its owner, maybe another process, may be appending to, rolling, compacting and
/// deleting from at this moment.
///
/// Closed segments don't change: a compaction or a deletion replaces or removes whole files. So they get a second name
/// where that is possible, and are else copied. Of the last segment, which grows, all whole batches are copied; where it is
/// damaged below what was on the disk, what lies from there on as well, as it is.
package struct PartitionBackup {
  package struct Summary: Sendable {
    package var segments = 0
    package var linkedBytes: Int64 = 0
    package var copiedBytes: Int64 = 0
    /// The offset behind the last batch.
    package var logEndOffset: Int64 = 0
  }

  private let fileSystem: LocalFileSystem
  private let source: String
  private let target: String
  private let mayLink: Bool
  /// Everything below it is known to have been on the disk.
  private let durableOffset: Int64
  /// Told of the bytes that each file brought.
  private let progress: (Int64) -> Void

  /// - Parameters:
  ///   - mayLink: whether closed segments may be the same files in both directories.
  ///   - durableOffset: below it the log was on the disk: whatever lies there now is copied.
  package init(
    from source: String, to target: String, mayLink: Bool, durableOffset: Int64, fileSystem: LocalFileSystem,
    progress: @escaping (Int64) -> Void
  ) {
    self.source = source
    self.target = target
    self.mayLink = mayLink
    self.durableOffset = durableOffset
    self.fileSystem = fileSystem
    self.progress = progress
  }

  /// How often a partition is begun anew whose segments were replaced or removed meanwhile.
  private static let attempts = 20

  /// Makes the target, fills it, and has all of it on the disk.
  ///
  /// - Throws: `inputOutput` where the source is gone, or changes faster than it can be copied.
  package func run() throws(EventLogError) -> Summary {
    for _ in 1...Self.attempts {
      if let summary = try attempt() { return summary }
      try fileSystem.removeTree(target)
    }
    throw EventLogError(
      .inputOutput,
      "the partition's segments are replaced or removed faster than they can be copied, or the owner died while one was "
        + "replaced: then open the store once", file: source)
  }

  private struct SegmentState: Equatable {
    var size: Int64
    var modified: Int64
  }

  /// Nil where the owner got in between.
  private func attempt() throws(EventLogError) -> Summary? {
    let before = try segments()
    try fileSystem.makeDirectory(target)
    guard try !isBeingSwapped() else { return nil }
    guard let first = before.keys.min(), let last = before.keys.max() else { return Summary() }
    // What is known of producers whose batches were deleted. The others' is made anew from the log.
    let snapshot = SegmentFiles(directory: source, baseOffset: first).producerSnapshot
    _ = try clone(
      snapshot, to: SegmentFiles(directory: target, baseOffset: first).producerSnapshot, mayLink: mayLink)
    var summary = Summary()
    for base in before.keys.sorted() where base != last {
      guard try copyClosed(base, &summary) else { return nil }
    }
    guard try copyGrowing(last, &summary) else { return nil }
    for name in [PartitionMetadataFile.name, LeaderEpochCheckpoint.name] {
      _ = try clone(source + "/" + name, to: target + "/" + name, mayLink: false)
    }
    // What was copied is one log if its closed segments are there still, and are the same.
    let after = try segments()
    for (base, state) in before where base != last && after[base] != state { return nil }
    for base in after.keys where base < last && before[base] == nil { return nil }
    guard try !isBeingSwapped() else { return nil }
    try fileSystem.syncDirectory(target)
    return summary
  }

  /// Whether a compacted segment is about to take its place: for a moment it is there under no name of a segment.
  private func isBeingSwapped() throws(EventLogError) -> Bool {
    try fileSystem.list(source).contains { $0.hasSuffix(SegmentFiles.swapSuffix) }
  }

  private func segments() throws(EventLogError) -> [Int64: SegmentState] {
    var found: [Int64: SegmentState] = [:]
    for name in try fileSystem.list(source) {
      guard let (base, kind) = SegmentFiles.parse(name), kind == .log else { continue }
      // One that goes away meanwhile is missed when the lists are compared.
      guard let status = try fileSystem.status(source + "/" + name) else { continue }
      found[base] = SegmentState(size: status.size, modified: status.modified)
    }
    return found
  }

  private func copyClosed(_ base: Int64, _ summary: inout Summary) throws(EventLogError) -> Bool {
    let from = SegmentFiles(directory: source, baseOffset: base)
    let to = SegmentFiles(directory: target, baseOffset: base)
    guard let how = try clone(from.log, to: to.log, mayLink: mayLink) else { return false }
    let size = try fileSystem.status(to.log)?.size ?? 0
    if how == .link { summary.linkedBytes += size } else { summary.copiedBytes += size }
    summary.segments += 1
    progress(size)
    // Caches, made anew where they are missing.
    for (file, copy) in [
      (from.offsetIndex, to.offsetIndex), (from.timeIndex, to.timeIndex), (from.transactionIndex, to.transactionIndex),
    ] {
      _ = try clone(file, to: copy, mayLink: mayLink)
    }
    return true
  }

  /// Nil where there is no such file, or no longer.
  private func clone(_ path: String, to target: String, mayLink: Bool) throws(EventLogError) -> LocalFileSystem.Clone? {
    do throws(EventLogError) {
      return try fileSystem.clone(path, to: target, mayLink: mayLink)
    } catch {
      // It may have come to be in the meantime: an index that its owner has just written.
      if error.errno == ENOENT { return nil }
      if try fileSystem.status(path) == nil { return nil }
      throw error
    }
  }

  /// The batches of the segment that is being appended to, as far as they are whole.
  private func copyGrowing(_ base: Int64, _ summary: inout Summary) throws(EventLogError) -> Bool {
    let from = SegmentFiles(directory: source, baseOffset: base)
    let to = SegmentFiles(directory: target, baseOffset: base)
    let input: FileDescriptor
    do throws(EventLogError) {
      input = try fileSystem.open(from.log, .read)
    } catch {
      if error.errno == ENOENT { return false }
      if try fileSystem.status(from.log) == nil { return false }
      throw error
    }
    defer { fileSystem.close(input) }
    let output = try fileSystem.open(to.log, .create)
    defer { fileSystem.close(output) }
    summary.logEndOffset = base
    let size = try fileSystem.size(of: input, path: from.log)
    var scanner = LogScanner(fileSystem, input, path: from.log, limit: size)
    var end: Int64 = 0
    while case .batch(let header, let position, let isValid) = try scanner.next() {
      // What is damaged is copied as it is: a backup is no repair.
      if !isValid, try scanner.isUnfinished(header) { break }
      let batch = try scanner.copy(header, at: position)
      try fileSystem.write(output, batch.bytes, at: position, path: to.log)
      end = position + Int64(header.sizeInBytes)
      summary.logEndOffset = header.nextOffset
      summary.copiedBytes += Int64(header.sizeInBytes)
      progress(Int64(header.sizeInBytes))
    }
    if summary.logEndOffset < durableOffset, try !fileSystem.isZero(end..<size, of: input, from.log) {
      // No batch that is being stored at this moment: what lies behind it had been acknowledged.
      let count = try fileSystem.copy(end..<size, of: input, from.log, to: output, to.log, at: end)
      summary.copiedBytes += count
      progress(count)
      // Who opens the copy finds by them where the log goes on.
      for (file, copy) in [(from.offsetIndex, to.offsetIndex), (from.timeIndex, to.timeIndex)] {
        _ = try clone(file, to: copy, mayLink: false)
      }
    }
    try fileSystem.syncData(output, path: to.log)
    summary.segments += 1
    return true
  }
}
