internal import RecordFormat

/// Maps a closed segment and loads its indexes.
struct SegmentLoader {
  let context: StoreContext
  let files: SegmentFiles
  let size: Int

  func load() throws(EventLogError) -> SegmentContents {
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
    if let indexes = try? loadIndexes() {
      return SegmentContents(region: region, offsetIndex: indexes.offsets, timeIndex: indexes.times)
    }
    return try rebuild(region)
  }

  /// Both indexes as they are on disk, or nil where one of them can't be right.
  func loadIndexes() throws(EventLogError) -> (
    offsets: AppendOnlyArray<OffsetIndexEntry>, times: AppendOnlyArray<TimeIndexEntry>
  )? {
    let fileSystem = context.fileSystem
    guard try fileSystem.status(files.offsetIndex) != nil, try fileSystem.status(files.timeIndex) != nil else {
      return nil
    }
    let offsetBytes = try fileSystem.contents(of: files.offsetIndex)
    let timeBytes = try fileSystem.contents(of: files.timeIndex)
    guard let offsets = IndexFile.offsets(offsetBytes, logSize: size), let times = IndexFile.times(timeBytes),
      size == 0 || !times.isEmpty
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
    try? IndexFile.write(builder.offsets, builder.times, files, context.fileSystem)
    return SegmentContents(region: region, offsetIndex: builder.offsets, timeIndex: builder.times)
  }
}
