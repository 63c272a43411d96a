internal import RecordFormat

/// The active segment of a log that was closed in order: its indexes, as they lie there, held against the batches at its
/// end. Of one that a single read holds, the batches say as much at less cost, and the index files are not looked at.
struct CleanSegment {
  let context: StoreContext
  let segment: Segment
  /// The log, open.
  let file: FileDescriptor
  let configuration: LogConfiguration

  struct Contents {
    var index: IndexBuilder
    /// The leader epochs of the batches that were looked at.
    var epochs = LeaderEpochCheckpoint()
    /// Whether the index files are not what is in memory.
    var isIndexDirty = false
  }

  /// Nil where the log or an index does not end at `end`: something happened to it since.
  func load(to end: Int64) throws(EventLogError) -> Contents? {
    if segment.size <= Self.chunk { return try scan(to: end) }
    let loader = SegmentLoader(context: context, files: segment.files, size: segment.size)
    // What can't be read is made anew, as what is wrong.
    guard let indexes = try? loader.loadIndexes() else { return nil }
    let index = IndexBuilder(
      baseOffset: segment.baseOffset, interval: configuration.indexIntervalBytes, offsets: indexes.offsets,
      times: indexes.times)
    return try scan(from: index, areClosed: true, to: end)
  }

  /// The same from the batches alone, where the indexes can't be believed.
  func rebuild(to end: Int64) throws(EventLogError) -> Contents? {
    guard var contents = try scan(to: end) else { return nil }
    contents.isIndexDirty = true
    return contents
  }

  private static let chunk = 16 << 10

  private func scan(to end: Int64) throws(EventLogError) -> Contents? {
    let index = IndexBuilder(baseOffset: segment.baseOffset, interval: configuration.indexIntervalBytes)
    return try scan(from: index, areClosed: false, to: end)
  }

  /// Goes on from the last indexed batch, to see that the log ends where it ended.
  private func scan(from loaded: IndexBuilder, areClosed: Bool, to end: Int64) throws(EventLogError) -> Contents? {
    let base = segment.baseOffset
    var contents = Contents(index: loaded)
    var next = base
    let lastEntry = loaded.offsets.last
    let lastTime = loaded.times.last
    var scanner = LogScanner(
      context.fileSystem, file, path: segment.files.log, from: Int64(lastEntry?.position ?? 0),
      limit: Int64(segment.size), chunk: Self.chunk)
    while true {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        // A damaged batch gives its error when it is read; it is no reason to doubt where the log ends.
        guard header.baseOffset >= next, isValid || header.nextOffset <= end else { return nil }
        // The indexes were closed with the log: an entry that is not of this log, or a timestamp that is not yet in
        // them, says that they are not the ones.
        if let lastEntry, position == Int64(lastEntry.position),
          header.lastOffset - base != Int64(lastEntry.relativeOffset)
        {
          return nil
        }
        guard !areClosed || header.maxTimestamp <= lastTime?.timestamp ?? -1 else { return nil }
        if Int(position) > Int(lastEntry?.position ?? -1) { contents.index.add(header, position: Int(position)) }
        contents.epochs.assign(header.partitionLeaderEpoch, from: header.baseOffset)
        next = header.nextOffset
        continue
      case .end(_, let reason):
        guard reason == .endOfFile, next == end else { return nil }
      }
      break
    }
    return contents
  }

  func firstBatchTimestamp() throws(EventLogError) -> Int64? {
    var scanner = LogScanner(
      context.fileSystem, file, path: segment.files.log, limit: Int64(segment.size), chunk: RecordBatchHeader.size)
    guard case .batch(let header, _, _) = try scanner.next() else { return nil }
    return header.maxTimestamp
  }
}
