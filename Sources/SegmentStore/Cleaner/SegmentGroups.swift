internal import RecordFormat

/// Which neighbouring segments become one (Kafka's `groupSegmentsBySize`): as many as stay within `segment.bytes`, the
/// sizes of the indexes, and offsets of 31 bits.
enum SegmentGroups {
  struct Candidate {
    var baseOffset: Int64
    var endOffset: Int64
    var sizeInBytes: Int
    var indexEntries: Int
    var timeIndexEntries: Int
  }

  static func ranges(_ segments: [Candidate], _ configuration: LogConfiguration) -> [Range<Int>] {
    var groups: [Range<Int>] = []
    var start = 0
    while start < segments.count {
      var end = start + 1
      var bytes = segments[start].sizeInBytes
      var entries = segments[start].indexEntries
      var times = segments[start].timeIndexEntries
      while end < segments.count {
        let next = segments[end]
        guard bytes + next.sizeInBytes <= configuration.segmentBytes,
          entries + next.indexEntries <= configuration.maxOffsetIndexEntries,
          times + next.timeIndexEntries <= configuration.maxTimeIndexEntries,
          // One that is empty has no offsets to speak of.
          next.sizeInBytes == 0 || next.endOffset - 1 - segments[start].baseOffset <= Int64(Int32.max)
        else { break }
        bytes += next.sizeInBytes
        entries += next.indexEntries
        times += next.timeIndexEntries
        end += 1
      }
      groups.append(start..<end)
      start = end
    }
    return groups
  }
}
