internal import RecordFormat

/// Maps a closed segment and loads its indexes.
struct SegmentLoader {
  let context: StoreContext
  let files: SegmentFiles
  let size: Int

  /// - Parameter offsets, times: the indexes, where the files need not be looked at.
  func load(
    offsets: AppendOnlyArray<OffsetIndexEntry>? = nil, times: AppendOnlyArray<TimeIndexEntry>? = nil
  ) throws(EventLogError) -> SegmentContents {
    let fileSystem = context.fileSystem
    let file = try fileSystem.open(files.log, .read)
    defer { fileSystem.close(file) }
    let fileSize = try fileSystem.size(of: file, path: files.log)
    guard fileSize >= Int64(size) else {
      throw EventLogError(
        .corruptMessage, "the segment has \(fileSize) bytes where it had \(size): something outside cut it",
        file: files.log, position: fileSize)
    }
    let region: MemoryRegion
    if size == 0 {
      region = MemoryRegion(capacity: 0) { _ in 0 }
    } else {
      let address = try fileSystem.map(file, count: size, writable: false, path: files.log)
      region = MemoryRegion(owning: UnsafeRawPointer(address), count: size, origin: .mapping)
    }
    if let offsets, let times { return SegmentContents(region: region, offsetIndex: offsets, timeIndex: times) }
    if let indexes = try? loadIndexes() {
      let contents = SegmentContents(region: region, offsetIndex: indexes.offsets, timeIndex: indexes.times)
      if isRight(contents) { return contents }
    }
    return try rebuild(region)
  }

  /// Whether the indexes are this log's, and go up to its end: their last entries are held against the batches.
  ///
  /// An index that leads past what is sought would hide it without an error. What is damaged is the log's fault.
  private func isRight(_ contents: SegmentContents) -> Bool {
    var position = 0
    if let last = contents.offsetIndex.last {
      guard let header = contents.header(at: Int(last.position), size: size) else {
        return contents.indexedBatch(behind: -1, baseOffset: files.baseOffset, size: size) != nil
      }
      guard header.lastOffset &- files.baseOffset == Int64(last.relativeOffset) else { return false }
      position = Int(last.position)
    }
    let indexed = position
    var largest = Int64(-1)
    while position < size {
      guard let header = contents.header(at: position, size: size) else { return true }
      if position - indexed > Self.longestUnindexed { return false }
      largest = max(largest, header.maxTimestamp)
      position += header.sizeInBytes
    }
    guard largest <= contents.timeIndex.last?.timestamp ?? -1 else { return false }
    guard let last = contents.timeIndex.last else { return true }
    // The batch that the closing entry names has to have the timestamp that it states.
    position = contents.position(ofRelativeOffset: Int64(last.relativeOffset))
    while position < size {
      guard let header = contents.header(at: position, size: size) else { return true }
      if header.lastOffset &- files.baseOffset >= Int64(last.relativeOffset) {
        return header.maxTimestamp == last.timestamp
      }
      position += header.sizeInBytes
    }
    return false
  }

  /// Behind the last entry of an index that goes up to the end, no batch begins later than this, unless
  /// `index.interval.bytes` is larger; what is then made anew has entries that are closer.
  private static let longestUnindexed = 1 << 20

  /// Both indexes as they are on disk, or nil where one of them can't be right.
  func loadIndexes() throws(EventLogError) -> (
    offsets: AppendOnlyArray<OffsetIndexEntry>, times: AppendOnlyArray<TimeIndexEntry>
  )? {
    guard let offsetBytes = try context.fileSystem.contentsIfPresent(of: files.offsetIndex),
      let timeBytes = try context.fileSystem.contentsIfPresent(of: files.timeIndex),
      let offsets = IndexFile.offsets(offsetBytes, logSize: size), let times = IndexFile.times(timeBytes)
    else { return nil }
    return (AppendOnlyArray(offsets), AppendOnlyArray(times))
  }

  /// Makes the indexes anew from the batches, in memory and on disk.
  private func rebuild(_ region: MemoryRegion) throws(EventLogError) -> SegmentContents {
    // Both are missing after an unclean stop, which is nothing to be told of.
    let isDamaged = [files.offsetIndex, files.timeIndex].contains { (try? context.fileSystem.status($0)) != nil }
    if isDamaged {
      context.warn(
        EventLogError(
          .corruptMessage, "an index was missing or wrong and was made anew from the log", file: files.offsetIndex))
    }
    var builder = IndexBuilder(baseOffset: files.baseOffset, interval: 4096)
    var position = 0
    while position < size {
      let available = size - position
      let bytes = region.bytes(position..<(position + min(available, RecordBatchHeader.size)))
      guard case .batch(let header) = RecordBatchCheck.header(bytes, available: available) else { break }
      builder.add(header, position: position)
      position += header.sizeInBytes
    }
    builder.close()
    // A directory that can't be written to is no reason not to read from it.
    try? IndexFile.write(builder.offsets, builder.times, files, context.fileSystem, durably: true)
    return SegmentContents(region: region, offsetIndex: builder.offsets, timeIndex: builder.times)
  }
}
