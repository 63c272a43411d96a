package import RecordFormat
internal import Synchronization

/// Reads a partition that another process may be writing, rolling and deleting at this moment.
///
/// It never maps a file: the owner cuts files when it rolls or closes, and a mapping past the end of one is a signal, not
/// an error. It believes a batch only after its checksum, since the owner's stores have no order here.
package final class PartitionReader: Sendable {
  package let topicPartition: TopicPartition
  package let directory: String
  let fileSystem: any FileSystem
  private let startOffset: Int64
  /// Up to here the log was on the disk when the directory was opened: a batch below it that is not right is damaged,
  /// and not one that is being written.
  private let recoveryPoint: Int64
  /// Where the log was last seen to end.
  private let tail: Mutex<Tail?>

  private struct Tail {
    var base: Int64
    var position: Int64
    var nextOffset: Int64
  }

  package init(
    _ topicPartition: TopicPartition, directory: String, logStartOffset: Int64, recoveryPoint: Int64 = 0,
    fileSystem: any FileSystem
  ) {
    self.topicPartition = topicPartition
    self.directory = directory
    self.fileSystem = fileSystem
    startOffset = logStartOffset
    self.recoveryPoint = recoveryPoint
    tail = Mutex(nil)
  }

  /// The base offsets of the segments, in order.
  func bases() throws(EventLogError) -> [Int64] {
    guard let status = try fileSystem.status(directory) else { return [] }
    guard status.kind == .directory else {
      throw EventLogError(
        .inputOutput, "where the partition's directory should be lies something else; links are not followed",
        file: directory)
    }
    return try fileSystem.list(directory).compactMap { name in
      guard let (base, kind) = SegmentFiles.parse(name), kind == .log else { return nil }
      return base
    }.sorted()
  }

  package func logStartOffset() throws(EventLogError) -> Int64 {
    max(startOffset, try bases().first ?? 0)
  }

  package func sizeInBytes() throws(EventLogError) -> Int64 {
    var sum: Int64 = 0
    for base in try bases() {
      sum += try fileSystem.status(SegmentFiles(directory: directory, baseOffset: base).log)?.size ?? 0
    }
    return sum
  }

  /// Bytes of all batches, without the room that the owner has reserved ahead of them.
  package func writtenBytes() throws(EventLogError) -> Int64 {
    _ = try logEndOffset()
    guard let end = tail.withLock({ $0 }) else { return 0 }
    var sum = end.position
    for base in try bases() where base < end.base {
      sum += try fileSystem.status(SegmentFiles(directory: directory, baseOffset: base).log)?.size ?? 0
    }
    return sum
  }

  package func segmentCount() throws(EventLogError) -> Int { try bases().count }

  /// The offset after the last whole batch, as it is now.
  package func logEndOffset() throws(EventLogError) -> Int64 {
    guard let last = try bases().last else { return startOffset }
    let known = tail.withLock { $0 }
    var from: Tail
    if let known, known.base == last { from = known } else { from = try start(in: last, lookingFor: .max) }
    try scan(last, from: from.position) { header, position in
      guard header.baseOffset >= from.nextOffset || from.position == 0 else { return false }
      from.position = position + Int64(header.sizeInBytes)
      from.nextOffset = header.nextOffset
      return true
    }
    let end = from
    tail.withLock { $0 = end }
    return max(end.nextOffset, recoveryPoint)
  }

  /// Reads whole batches from the one on that holds `offset`: as `PartitionLog.read`, up to the log end.
  package func read(
    from offset: Int64, maxBytes: Int, minimumOneBatch: Bool = true
  ) throws(EventLogError) -> FetchedBatches {
    do throws(EventLogError) {
      let end = try logEndOffset()
      let start = try logStartOffset()
      guard offset >= start, offset <= end else {
        throw EventLogError(.offsetOutOfRange, "the log holds the offsets from \(start) to \(end)", offset: offset)
      }
      var result = FetchedBatches(nextOffset: offset, highWatermark: end, logStartOffset: start)
      let bases = try bases()
      var index = max(0, (bases.firstIndex { $0 > offset } ?? bases.count) - 1)
      while result.nextOffset < end, index < bases.count, result.batches.isEmpty {
        try collect(&result, in: bases[index], below: end, maxBytes: maxBytes, minimumOneBatch: minimumOneBatch)
        index += 1
        // What is missing at the end of a segment was compacted away.
        if result.batches.isEmpty, index < bases.count { result.nextOffset = max(result.nextOffset, bases[index]) }
      }
      return result
    } catch {
      throw error.at(topicPartition)
    }
  }

  private func collect(
    _ result: inout FetchedBatches, in base: Int64, below end: Int64, maxBytes: Int, minimumOneBatch: Bool
  ) throws(EventLogError) {
    let path = SegmentFiles(directory: directory, baseOffset: base).log
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    let size = try fileSystem.size(of: file, path: path)
    let from = try start(in: base, lookingFor: result.nextOffset)
    var scanner = LogScanner(fileSystem, file, path: path, from: from.position, limit: size)
    while result.nextOffset < end {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        guard header.nextOffset > result.nextOffset else { continue }
        guard isValid else {
          // What came before the damage is returned first; the next read begins with it, and says so.
          if !result.batches.isEmpty { return }
          throw EventLogError(
            .corruptMessage,
            "the checksum of the batch does not fit its bytes; seek past offset \(header.lastOffset) to go on "
              + "without it", offset: header.baseOffset, file: path, position: position)
        }
        if result.sizeInBytes + header.sizeInBytes > maxBytes, !(result.batches.isEmpty && minimumOneBatch) { return }
        result.nextOffset = header.nextOffset
        if header.attributes.isControl { continue }
        result.batches.append(try scanner.copy(header, at: position))
        result.sizeInBytes += header.sizeInBytes
      case .end(let position, let reason):
        guard reason == .endOfFile || reason == .unwritten || reason == .incomplete || !result.batches.isEmpty else {
          throw EventLogError(.corruptMessage, "what lies here is no batch", file: path, position: position)
        }
        if result.batches.isEmpty, result.nextOffset < recoveryPoint, try bases().last == base {
          throw EventLogError(
            .corruptMessage,
            "the log ends with offset \(result.nextOffset), but was on the disk up to \(recoveryPoint): the rest was "
              + "taken away", offset: result.nextOffset, file: path, position: position)
        }
        return
      }
    }
  }

  /// Where to begin in a segment, by its index if it has a sound one.
  private func start(in base: Int64, lookingFor offset: Int64) throws(EventLogError) -> Tail {
    let files = SegmentFiles(directory: directory, baseOffset: base)
    let size = try fileSystem.status(files.log)?.size ?? 0
    var found = Tail(base: base, position: 0, nextOffset: base)
    guard let bytes = try? fileSystem.contents(of: files.offsetIndex),
      let entries = IndexFile.offsets(bytes, logSize: Int(clamping: size))
    else { return found }
    for entry in entries {
      guard base + Int64(entry.relativeOffset) <= offset else { break }
      // The entry names the batch's last offset; that batch begins somewhere after the one before.
      found.position = Int64(entry.position)
    }
    return found
  }

  private func scan(
    _ base: Int64, from position: Int64, _ visit: (RecordBatchHeader, Int64) -> Bool
  ) throws(EventLogError) {
    let path = SegmentFiles(directory: directory, baseOffset: base).log
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    let size = try fileSystem.size(of: file, path: path)
    var scanner = LogScanner(fileSystem, file, path: path, from: position, limit: size)
    // A batch with a wrong checksum may be one that is being written; it is damaged where others follow it.
    var doubtful: RecordBatchHeader?
    while case .batch(let header, let position, let isValid) = try scanner.next() {
      if let doubtful, header.baseOffset < doubtful.nextOffset { return }
      guard isValid || header.nextOffset <= recoveryPoint else {
        doubtful = header
        continue
      }
      doubtful = nil
      guard visit(header, position) else { return }
    }
  }
}
