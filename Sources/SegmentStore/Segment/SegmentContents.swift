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
