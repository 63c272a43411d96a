package import RecordFormat

/// Offsets between two segments that neither has.
///
/// In a log that was never compacted a segment begins where the one before it ends. In one that was, the end of a segment may
/// have been compacted away, or segments have become one; whether a log ever was is not always known. So a gap alone says
/// little. What lies beside the logs may say more: an index that has entries for what is missing.
package struct SegmentGap: Sendable {
  /// The segment before the gap.
  package var files: SegmentFiles
  package var offsets: Range<Int64>
  /// The index that shows that something was there; nil where compaction may have taken it.
  package private(set) var witness: Witness?

  package enum Witness: Sendable {
    /// An index of the segment before, which has entries of batches behind its end.
    case entries(file: String)
    /// An index whose log is gone.
    case orphan(file: String)
  }

  /// - Parameters:
  ///   - files: the segment before the gap.
  ///   - size: of its log.
  ///   - orphans: the indexes in the directory whose logs are gone.
  package init(
    behind files: SegmentFiles, size: Int64, _ offsets: Range<Int64>, orphans: [OrphanIndex],
    _ fileSystem: any FileSystem
  ) throws(EventLogError) {
    self.files = files
    self.offsets = offsets
    if let file = try indexWithEntries(size: size, fileSystem) {
      witness = .entries(file: file)
    } else if let orphan = orphans.first(where: { offsets.contains($0.baseOffset) }) {
      witness = .orphan(file: orphan.path)
    }
  }

  /// Whether a repair has saved damaged bytes of the segment before.
  package func isExplained(_ fileSystem: any FileSystem) throws(EventLogError) -> Bool {
    try QuarantineFile.isThere(of: files, fileSystem)
  }

  private func indexWithEntries(size: Int64, _ fileSystem: any FileSystem) throws(EventLogError) -> String? {
    if let bytes = try fileSystem.contentsIfPresent(of: files.offsetIndex),
      let last = IndexFile.offsets(bytes, logSize: .max)?.last, Int64(last.position) >= size,
      offsets.contains(files.baseOffset &+ Int64(last.relativeOffset))
    {
      return files.offsetIndex
    }
    if let bytes = try fileSystem.contentsIfPresent(of: files.timeIndex), let last = IndexFile.times(bytes)?.last,
      offsets.contains(files.baseOffset &+ Int64(last.relativeOffset))
    {
      return files.timeIndex
    }
    return nil
  }

  /// The file that the fault is told of.
  package var file: String {
    switch witness {
    case .orphan(let file): file
    case .entries, nil: files.log
    }
  }

  package var message: String {
    let range = "offsets \(offsets.lowerBound) to \(offsets.upperBound - 1)"
    switch witness {
    case .entries(let file):
      let name = file.split(separator: ".").last ?? "index"
      return
        "the segment ends before \(offsets.lowerBound), but its .\(name) has entries behind that: \(range) are gone"
    case .orphan: return "the log that this index belongs to is gone, and with it \(range)"
    case nil:
      return "the next segment begins at \(offsets.upperBound): unless the topic was compacted before it came here, or "
        + "formerly, \(range) are gone"
    }
  }
}

/// An index whose log is gone: the deletion of its segment was broken off, or something else took the log.
package struct OrphanIndex: Sendable {
  package var baseOffset: Int64
  package var path: String

  /// Those of a directory, in order; none where a compaction is about to replace segments.
  package static func find(_ names: [String], in directory: String) -> [OrphanIndex] {
    let files = names.compactMap { name in
      SegmentFiles.parse(name).map { (name: name, base: $0.baseOffset, kind: $0.kind) }
    }
    guard !names.contains(where: SegmentFiles.isSwap) else { return [] }
    let logs = Set(files.filter { $0.kind == .log }.map(\.base))
    return files.filter { $0.kind != .log && $0.kind != .snapshot && !logs.contains($0.base) }
      .map { OrphanIndex(baseOffset: $0.base, path: directory + "/" + $0.name) }.sorted { $0.path < $1.path }
  }

  package static let message = "an index without a log"
}
