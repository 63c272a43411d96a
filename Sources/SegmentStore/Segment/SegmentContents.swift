internal import RecordFormat
internal import Synchronization

/// A segment's bytes and indexes in memory: the mapping of its log, and the entries of its two indexes.
final class SegmentContents: Sendable {
  let region: MemoryRegion
  let offsetIndex: AppendOnlyArray<OffsetIndexEntry>
  let timeIndex: AppendOnlyArray<TimeIndexEntry>

  init(
    region: MemoryRegion, offsetIndex: AppendOnlyArray<OffsetIndexEntry>, timeIndex: AppendOnlyArray<TimeIndexEntry>
  ) {
    self.region = region
    self.offsetIndex = offsetIndex
    self.timeIndex = timeIndex
  }

  /// Where to begin to look for `relativeOffset`: the place of the last indexed batch that does not lie after it.
  func position(ofRelativeOffset relativeOffset: Int64) -> Int {
    let index = offsetIndex.partitionPoint { Int64($0.relativeOffset) <= relativeOffset }
    return index == 0 ? 0 : Int(offsetIndex[index - 1].position)
  }

  /// The same, where the index is believed only if the batch is there that it names: else the search begins at the
  /// segment's beginning.
  func checkedPosition(ofRelativeOffset relativeOffset: Int64, baseOffset: Int64, size: Int) -> Int {
    let index = offsetIndex.partitionPoint { Int64($0.relativeOffset) <= relativeOffset }
    guard index > 0 else { return 0 }
    let entry = offsetIndex[index - 1]
    guard let header = header(at: Int(entry.position), size: size),
      header.lastOffset &- baseOffset == Int64(entry.relativeOffset)
    else { return 0 }
    return Int(entry.position)
  }

  /// The first indexed batch behind `position` that is where the index says.
  func indexedBatch(
    behind position: Int, baseOffset: Int64, size: Int
  ) -> (position: Int, header: RecordBatchHeader)? {
    var index = offsetIndex.partitionPoint { Int($0.position) <= position }
    while index < offsetIndex.count {
      let entry = offsetIndex[index]
      if let header = header(at: Int(entry.position), size: size),
        header.lastOffset &- baseOffset == Int64(entry.relativeOffset)
      {
        return (Int(entry.position), header)
      }
      index += 1
    }
    return nil
  }

  /// The header at `position` of a log of `size` bytes, if one can be there.
  @inline(always)
  func header(at position: Int, size: Int) -> RecordBatchHeader? {
    guard position >= 0, position <= size - RecordBatchHeader.size, size <= region.count,
      let base = region.bytes(position..<(position + RecordBatchHeader.size)).baseAddress
    else { return nil }
    let header = RecordBatchHeader(loadingFrom: base)
    return RecordBatchCheck.isBatch(header, available: size - position) ? header : nil
  }

  /// The relative offset from which on a batch with a timestamp of at least `timestamp` is to be looked for.
  func relativeOffset(beforeTimestamp timestamp: Int64) -> Int64 {
    let index = timeIndex.partitionPoint { $0.timestamp < timestamp }
    return index == 0 ? 0 : Int64(timeIndex[index - 1].relativeOffset)
  }
}

/// Keeps the contents of the closed segments that were read last; what falls out is unmapped when the last reader lets
/// go of it. So many partitions and segments live within the limits on mappings.
final class SegmentContentsCache: Sendable {
  private let limit: Int
  private let entries = Mutex<[Segment]>([])

  init(limit: Int) {
    self.limit = max(limit, 1)
  }

  /// Says that `segment` was loaded; the one that was loaded first goes, where there are too many.
  func insert(_ segment: Segment) {
    let evicted = entries.withLock { entries -> Segment? in
      entries.append(segment)
      return entries.count > limit ? entries.removeFirst() : nil
    }
    evicted?.forgetContents()
  }

  /// Forgets segments that are gone.
  func remove(_ segments: [Segment]) {
    entries.withLock { entries in entries.removeAll { entry in segments.contains { $0 === entry } } }
  }
}
