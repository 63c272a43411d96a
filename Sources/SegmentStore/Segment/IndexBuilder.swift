package import RecordFormat

/// Decides which batches get an index entry, by Kafka's rule: one when more than `index.interval.bytes` were appended
/// since the last, and none for the first batch.
struct IndexBuilder {
  let baseOffset: Int64
  var interval: Int
  let offsets: AppendOnlyArray<OffsetIndexEntry>
  let times: AppendOnlyArray<TimeIndexEntry>
  private var bytesSinceLastEntry = 0
  /// The largest timestamp so far, and the last offset of the batch that brought it.
  private(set) var maxTimestamp = Int64.min
  private(set) var offsetOfMaxTimestamp: Int64 = 0

  init(
    baseOffset: Int64, interval: Int, offsets: AppendOnlyArray<OffsetIndexEntry> = .init(),
    times: AppendOnlyArray<TimeIndexEntry> = .init()
  ) {
    self.baseOffset = baseOffset
    self.interval = interval
    self.offsets = offsets
    self.times = times
    if let last = times.last {
      maxTimestamp = last.timestamp
      // Files that somebody put there may have any name, and say anything.
      offsetOfMaxTimestamp = baseOffset &+ Int64(last.relativeOffset)
    }
  }

  /// One that knows the largest timestamp, and whose entries are not loaded.
  init(baseOffset: Int64, interval: Int, maxTimestamp: Int64, offsetOfMaxTimestamp: Int64) {
    self.init(baseOffset: baseOffset, interval: interval)
    self.maxTimestamp = maxTimestamp
    self.offsetOfMaxTimestamp = offsetOfMaxTimestamp
  }

  /// Takes in a batch that lies at `position`.
  @inline(always)
  mutating func add(_ header: RecordBatchHeader, position: Int) {
    if header.maxTimestamp > maxTimestamp {
      maxTimestamp = header.maxTimestamp
      offsetOfMaxTimestamp = header.lastOffset
    }
    if bytesSinceLastEntry > interval { addEntry(header, position: position) }
    bytesSinceLastEntry += header.sizeInBytes
  }

  private mutating func addEntry(_ header: RecordBatchHeader, position: Int) {
    guard let relative = Int32(exactly: header.lastOffset - baseOffset), let place = Int32(exactly: position) else {
      return
    }
    offsets.append(OffsetIndexEntry(relativeOffset: relative, position: place))
    addTime()
    bytesSinceLastEntry = 0
  }

  /// The closing entry of the time index: the segment's largest timestamp, whatever the interval says.
  mutating func close() {
    addTime()
  }

  private func addTime() {
    // Records without a timestamp (-1) get no entry: Kafka's tools take one for an index that is out of order.
    guard maxTimestamp > times.last?.timestamp ?? -1,
      let relative = Int32(exactly: offsetOfMaxTimestamp &- baseOffset)
    else { return }
    times.append(TimeIndexEntry(timestamp: maxTimestamp, relativeOffset: relative))
  }
}

/// Index files as bytes.
package enum IndexFile {
  /// The entries of an `.index` file, or nil where they can't belong to a log of `logSize` bytes.
  package static func offsets(_ bytes: [UInt8], logSize: Int) -> [OffsetIndexEntry]? {
    guard bytes.count % OffsetIndexEntry.size == 0 else { return nil }
    var entries: [OffsetIndexEntry] = []
    entries.reserveCapacity(bytes.count / OffsetIndexEntry.size)
    let isSound = bytes.withUnsafeBytes { buffer -> Bool in
      guard let base = buffer.baseAddress else { return true }
      for start in stride(from: 0, to: buffer.count, by: OffsetIndexEntry.size) {
        let entry = OffsetIndexEntry(loadingFrom: base + start)
        guard entry.relativeOffset >= 0, entry.position >= 0, Int(entry.position) < logSize else { return false }
        if let last = entries.last, entry.relativeOffset <= last.relativeOffset || entry.position <= last.position {
          return false
        }
        entries.append(entry)
      }
      return true
    }
    return isSound ? entries : nil
  }

  /// The entries of a `.timeindex` file, or nil where they are out of order.
  package static func times(_ bytes: [UInt8]) -> [TimeIndexEntry]? {
    guard bytes.count % TimeIndexEntry.size == 0 else { return nil }
    var entries: [TimeIndexEntry] = []
    entries.reserveCapacity(bytes.count / TimeIndexEntry.size)
    let isSound = bytes.withUnsafeBytes { buffer -> Bool in
      guard let base = buffer.baseAddress else { return true }
      for start in stride(from: 0, to: buffer.count, by: TimeIndexEntry.size) {
        let entry = TimeIndexEntry(loadingFrom: base + start)
        guard entry.relativeOffset >= 0 else { return false }
        if let last = entries.last, entry.timestamp <= last.timestamp || entry.relativeOffset < last.relativeOffset {
          return false
        }
        entries.append(entry)
      }
      return true
    }
    return isSound ? entries : nil
  }

  /// Has other files with these entries take the place of both.
  static func write(
    _ offsets: AppendOnlyArray<OffsetIndexEntry>, _ times: AppendOnlyArray<TimeIndexEntry>, _ files: SegmentFiles,
    _ fileSystem: any FileSystem, suffix: String = "", durably: Bool = false
  ) throws(EventLogError) {
    try fileSystem.replace(files.offsetIndex + suffix, with: bytes(of: offsets), durably: durably)
    try fileSystem.replace(files.timeIndex + suffix, with: bytes(of: times), durably: durably)
  }

  /// Has the files of the active segment hold its entries, where they lie: for thousands of logs that takes a fraction of the time
  /// in which others take their place.
  ///
  /// A stop in the middle of it, or a power cut after it, may leave a part of them: each entry is then still one that was written,
  /// or it is out of order, and who loads them finds that, or the last one missing. Then the log tells what they are.
  static func overwrite(
    _ files: SegmentFiles, _ index: IndexBuilder, _ fileSystem: any FileSystem
  ) throws(EventLogError) {
    try fileSystem.overwrite(files.offsetIndex, with: bytes(of: index.offsets))
    try fileSystem.overwrite(files.timeIndex, with: bytes(of: index.times))
  }

  private static func bytes(of offsets: AppendOnlyArray<OffsetIndexEntry>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(offsets.count * OffsetIndexEntry.size)
    for index in 0..<offsets.count { offsets[index].append(to: &bytes) }
    return bytes
  }

  private static func bytes(of times: AppendOnlyArray<TimeIndexEntry>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(times.count * TimeIndexEntry.size)
    for index in 0..<times.count { times[index].append(to: &bytes) }
    return bytes
  }
}
