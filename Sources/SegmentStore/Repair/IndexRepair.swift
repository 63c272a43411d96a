internal import RecordFormat

/// Makes the files beside a log anew from what its batches say.
struct IndexRepair {
  let fileSystem: any FileSystem
  let directory: String
  /// `index.interval.bytes`
  let interval: Int

  /// `.index` and `.timeindex` of a segment.
  func rebuild(_ files: SegmentFiles) throws(EventLogError) {
    var builder = IndexBuilder(baseOffset: files.baseOffset, interval: interval)
    try forEachBatch(files) { header, position, _ in builder.add(header, position: Int(position)) }
    builder.close()
    // Durably, so that a power cut leaves none that is empty, and so says less than there is.
    try IndexFile.write(builder.offsets, builder.times, files, fileSystem, durably: true)
  }

  /// The `.txnindex` of some of a log's segments, for which the markers of all are gone over.
  ///
  /// - Parameter bases: the base offsets of all segments, in order.
  func rebuildTransactionIndexes(_ wanted: Set<Int64>, of bases: [Int64]) throws(EventLogError) {
    var producers = ProducerStateManager()
    if let first = bases.first, let snapshot = snapshot(at: first) { producers = ProducerStateManager(snapshot) }
    for base in bases {
      let files = SegmentFiles(directory: directory, baseOffset: base)
      var entries: [UInt8] = []
      try forEachBatch(files) { header, _, batch throws(EventLogError) in
        guard header.hasProducerID, let aborted = producers.replay(try batch()) else { return }
        aborted.append(to: &entries)
      }
      guard wanted.contains(base) else { continue }
      if !entries.isEmpty {
        try fileSystem.replace(files.transactionIndex, with: entries, durably: true)
      } else if try fileSystem.status(files.transactionIndex) != nil {
        try fileSystem.unlink(files.transactionIndex)
      }
    }
  }

  /// What was known of the producers before an offset, where that can be read.
  func snapshot(at offset: Int64) -> ProducerSnapshot? {
    let path = SegmentFiles(directory: directory, baseOffset: offset).producerSnapshot
    guard let bytes = try? fileSystem.contents(of: path) else { return nil }
    return try? ProducerSnapshot(bytes: bytes)
  }

  private func forEachBatch(
    _ files: SegmentFiles,
    _ body: (RecordBatchHeader, Int64, () throws(EventLogError) -> RecordBatchView) throws(EventLogError) -> Void
  ) throws(EventLogError) {
    let file = try fileSystem.open(files.log, .read)
    defer { fileSystem.close(file) }
    var scanner = LogScanner(
      fileSystem, file, path: files.log, limit: try fileSystem.size(of: file, path: files.log))
    while case .batch(let header, let position, true) = try scanner.next() {
      try body(header, position) { () throws(EventLogError) in try scanner.copy(header, at: position) }
    }
  }
}
