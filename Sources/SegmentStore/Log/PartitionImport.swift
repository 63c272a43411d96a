package import RecordFormat

/// Copies a partition directory that Kafka, or another store, wrote into a directory of ours: every batch is checked on
/// the way, offsets stay as they are, indexes are made anew.
package struct PartitionImport {
  package struct Summary: Sendable {
    package var segments = 0
    package var batches = 0
    package var records = 0
    package var logStartOffset: Int64 = 0
    package var logEndOffset: Int64 = 0
    package var sizeInBytes: Int64 = 0
  }

  let fileSystem: any FileSystem
  let source: String
  let target: String
  private var summary = Summary()
  private var totalBytes: Int64 = 0
  private var progress: (Int64, Int64) -> Void

  /// An import from `source` to `target`, which must not exist yet.
  package init(
    from source: String, to target: String, fileSystem: any FileSystem,
    progress: @escaping (_ done: Int64, _ total: Int64) -> Void
  ) {
    self.fileSystem = fileSystem
    self.source = source
    self.target = target
    self.progress = progress
  }

  /// The topic's id in the source's `partition.metadata`, if it has one.
  package var sourceTopicID: String? {
    guard let bytes = try? fileSystem.contents(of: source + "/" + PartitionMetadataFile.name, limit: 4096) else {
      return nil
    }
    return try? PartitionMetadataFile(text: String(decoding: bytes, as: UTF8.self)).topicID
  }

  /// Makes the target and fills it. What fails leaves no target behind.
  ///
  /// - Throws: `corruptMessage` or `invalidRecord` with the file and the place of the first batch that is not right;
  ///   `invalidRequest` where the source holds no log, or one that a stop left in the middle of a compaction.
  package mutating func run() throws(EventLogError) -> Summary {
    let bases = try findSegments()
    try fileSystem.makeDirectory(target)
    do throws(EventLogError) {
      summary.logStartOffset = bases[0]
      summary.logEndOffset = bases[0]
      for (number, base) in bases.enumerated() { try copySegment(base, isLast: number == bases.count - 1) }
      let epochs = PartitionDirectory.leaderEpochs(source, fileSystem)
      if !epochs.entries.isEmpty { try PartitionDirectory.write(epochs, to: target, fileSystem) }
      try fileSystem.syncDirectory(target)
      return summary
    } catch {
      try? fileSystem.removeTree(target)
      throw error
    }
  }

  private mutating func findSegments() throws(EventLogError) -> [Int64] {
    // A link is followed here alone: whoever named it chose that.
    guard let status = try fileSystem.status(source), status.kind != .file else {
      throw EventLogError(.invalidRequest, "there is no partition directory here", file: source)
    }
    var bases: [Int64] = []
    for name in try fileSystem.list(source) {
      try refuse(unfinishedSwap: name)
      guard let (base, kind) = SegmentFiles.parse(name), kind == .log else { continue }
      bases.append(base)
      totalBytes += try fileSystem.status(source + "/" + name)?.size ?? 0
    }
    guard !bases.isEmpty else {
      throw EventLogError(
        .invalidRequest, "there is no segment (NNNNNNNNNNNNNNNNNNNN.log) in the directory", file: source)
    }
    return bases.sorted()
  }

  /// A segment that was about to take the place of others may be the only one that has their records: Kafka renames those
  /// first.
  private func refuse(unfinishedSwap name: String) throws(EventLogError) {
    guard name.hasSuffix(SegmentFiles.swapSuffix),
      SegmentFiles.parse(String(name.dropLast(SegmentFiles.swapSuffix.count)))?.kind == .log
    else { return }
    throw EventLogError(
      .invalidRequest,
      "a compacted segment was about to take the place of others when whoever wrote the directory was stopped; open it there "
        + "once, which finishes that, and close it in order. Nothing was imported", file: source + "/" + name)
  }

  private mutating func copySegment(_ base: Int64, isLast: Bool) throws(EventLogError) {
    let from = SegmentFiles(directory: source, baseOffset: base)
    let to = SegmentFiles(directory: target, baseOffset: base)
    guard base >= summary.logEndOffset else {
      throw EventLogError(
        .corruptMessage, "the segment begins at \(base), but the one before ends at \(summary.logEndOffset)",
        file: from.log)
    }
    summary.logEndOffset = base
    let input = try fileSystem.open(from.log, .read)
    defer { fileSystem.close(input) }
    let size = try fileSystem.size(of: input, path: from.log)
    let output = try fileSystem.open(to.log, .create)
    defer { fileSystem.close(output) }
    var index = IndexBuilder(baseOffset: base, interval: 4096)
    var scanner = LogScanner(fileSystem, input, path: from.log, limit: size)
    scan: while true {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        do throws(EventLogError) {
          try check(header, isValid: isValid, base: base)
          let batch = try scanner.copy(header, at: position)
          try RecordBatchCheck.contents(of: batch)
          try fileSystem.write(output, batch.bytes, at: position, path: to.log)
        } catch {
          var located = error
          located.file = located.file ?? from.log
          located.position = located.position ?? position
          throw located
        }
        index.add(header, position: Int(position))
        summary.batches += 1
        summary.records += Int(header.recordCount)
        summary.logEndOffset = header.nextOffset
        summary.sizeInBytes += Int64(header.sizeInBytes)
        progress(summary.sizeInBytes, totalBytes)
      case .end(let position, let reason):
        guard reason == .endOfFile || (isLast && reason == .unwritten) else {
          throw EventLogError(
            .corruptMessage, "what lies here is no batch (\(Self.describe(reason))); nothing was imported",
            file: from.log, position: position)
        }
        break scan
      }
    }
    index.close()
    try IndexFile.write(index.offsets, index.times, to, fileSystem, durably: true)
    try fileSystem.syncData(output, path: to.log)
    summary.segments += 1
  }

  private func check(_ header: RecordBatchHeader, isValid: Bool, base: Int64) throws(EventLogError) {
    guard isValid else {
      throw EventLogError(
        .corruptMessage, "the checksum of the batch does not fit its bytes; nothing was imported",
        offset: header.baseOffset)
    }
    guard header.baseOffset >= summary.logEndOffset else {
      throw EventLogError(
        .corruptMessage,
        "the batch begins at \(header.baseOffset), where \(summary.logEndOffset) or later is due; "
          + "nothing was imported", offset: header.baseOffset)
    }
    guard header.lastOffset - base <= Int64(Int32.max) else {
      throw EventLogError(.corruptMessage, "the offset is too far from the segment's base", offset: header.lastOffset)
    }
  }

  static func describe(_ end: LogScanner.End) -> String {
    switch end {
    case .endOfFile: "the end of the file"
    case .unwritten: "zeros"
    case .incomplete: "a batch that is cut off"
    case .invalid(let reason): reason
    }
  }
}
