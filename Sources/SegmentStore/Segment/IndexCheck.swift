internal import RecordFormat

/// Holds a segment's index files against its batches, as somebody goes over them: each entry has to name one of them. That there
/// could be more entries is no fault.
struct IndexCheck {
  private var offsets: ArraySlice<OffsetIndexEntry> = []
  private var times: ArraySlice<TimeIndexEntry> = []
  private var isWrong = false
  private let baseOffset: Int64

  init(_ segment: Segment, _ fileSystem: any FileSystem) {
    baseOffset = segment.baseOffset
    do throws(EventLogError) {
      let offsetBytes = try fileSystem.contentsIfPresent(of: segment.files.offsetIndex) ?? []
      let timeBytes = try fileSystem.contentsIfPresent(of: segment.files.timeIndex) ?? []
      guard let offsets = IndexFile.offsets(offsetBytes, logSize: segment.size), let times = IndexFile.times(timeBytes)
      else {
        isWrong = true
        return
      }
      self.offsets = offsets[...]
      self.times = times[...]
    } catch {
      // What can't be read is made anew, as what is wrong.
      isWrong = true
    }
  }

  /// A batch that lies at `position`; those before it came earlier.
  mutating func see(_ header: RecordBatchHeader, at position: Int64) {
    let relative = header.lastOffset - baseOffset
    if let entry = offsets.first, Int64(entry.position) <= position {
      isWrong = isWrong || entry.position != position || Int64(entry.relativeOffset) != relative
      offsets.removeFirst()
    }
    if let entry = times.first, Int64(entry.relativeOffset) <= relative {
      let isOfThisBatch = Int64(entry.relativeOffset) == relative
      isWrong = isWrong || !isOfThisBatch || entry.timestamp != header.maxTimestamp
      times.removeFirst()
    }
  }

  /// Whether every entry has named a batch that came.
  var isPassed: Bool { !isWrong && offsets.isEmpty && times.isEmpty }
}
