internal import RecordFormat

/// The active segment of a log that was closed in order: its indexes, as they lie there, held against the batches at its end.
/// Where a single read holds all batches, and none is damaged, those say as much at less cost: the index files are not looked at.
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
  ///
  /// - Parameter maxTimestamp: the largest timestamp of the segment. Where it is not known, all batches behind the one that the
  ///   time index says has it are looked at.
  func load(to end: Int64, maxTimestamp: Int64? = nil) throws(EventLogError) -> Contents? {
    if segment.size <= Self.chunk, let contents = try scan(emptyIndex, .whole, to: end) { return contents }
    let loader = SegmentLoader(context: context, files: segment.files, size: segment.size)
    // What can't be read is made anew, as what is wrong.
    guard let indexes = try? loader.loadIndexes() else { return nil }
    // One file may be of this stop, and the other of an earlier one.
    if let last = indexes.times.last, Int64(last.relativeOffset) >= end - segment.baseOffset { return nil }
    let index = IndexBuilder(
      baseOffset: segment.baseOffset, interval: configuration.indexIntervalBytes, offsets: indexes.offsets,
      times: indexes.times)
    let begin =
      maxTimestamp == nil ? position(before: indexes.times.last, indexes.offsets) : indexes.offsets.last?.position
    guard let contents = try scan(index, .closed, from: Int64(begin ?? 0), to: end) else { return nil }
    // Records without a timestamp (-1) are in no index.
    guard maxTimestamp.map({ max($0, -1) == max(contents.index.maxTimestamp, -1) }) ?? true else { return nil }
    return contents
  }

  /// The same from the batches alone, where the indexes can't be believed.
  func rebuild(to end: Int64) throws(EventLogError) -> Contents? {
    guard var contents = try scan(emptyIndex, .tolerant, to: end) else { return nil }
    contents.isIndexDirty = true
    return contents
  }

  private static let chunk = 16 << 10
  private var emptyIndex: IndexBuilder {
    IndexBuilder(baseOffset: segment.baseOffset, interval: configuration.indexIntervalBytes)
  }

  /// Where a batch begins that lies before the one which an entry of the time index names; nil for the beginning.
  private func position(before time: TimeIndexEntry?, _ offsets: AppendOnlyArray<OffsetIndexEntry>) -> Int32? {
    guard let time else { return nil }
    var index = offsets.count
    while index > 0, offsets[index - 1].relativeOffset >= time.relativeOffset { index -= 1 }
    return index > 0 ? offsets[index - 1].position : nil
  }

  /// What a scan expects.
  private enum Expectation {
    /// No damaged batch.
    case whole
    /// That the indexes were closed with the log.
    case closed
    /// That headers can be read.
    case tolerant
  }

  /// Goes on from a batch that is indexed, to see that the log ends where it ended. Those behind the last entry are added.
  private func scan(
    _ loaded: IndexBuilder, _ expectation: Expectation, from begin: Int64 = 0, to end: Int64
  ) throws(EventLogError) -> Contents? {
    let base = segment.baseOffset
    var contents = Contents(index: loaded)
    var next = base
    let lastEntry = loaded.offsets.last
    let lastTime = loaded.times.last
    var scanner = LogScanner(
      context.fileSystem, file, path: segment.files.log, from: begin, limit: Int64(segment.size), chunk: Self.chunk)
    while true {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        // A damaged batch gives its error when it is read; it is no reason to doubt where the log ends.
        guard header.baseOffset >= next, isValid || header.nextOffset <= end else { return nil }
        switch expectation {
        case .whole:
          guard isValid else { return nil }
        case .closed:
          // An entry that is not of this log, or a timestamp that is not yet in them, says that they are not the ones.
          if let lastEntry, position == Int64(lastEntry.position),
            header.lastOffset - base != Int64(lastEntry.relativeOffset)
          {
            return nil
          }
          guard header.maxTimestamp <= lastTime?.timestamp ?? -1 else { return nil }
        case .tolerant: break
        }
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
