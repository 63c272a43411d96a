internal import RecordFormat

/// The segment that is appended to, as its writer sees it: lives under the partition's lock.
struct ActiveSegment {
  let segment: Segment
  var index: IndexBuilder
  /// The largest timestamp of the first batch: what time-based rolling counts from.
  var firstBatchTimestamp: Int64?
  /// Record time by which this segment rolls earlier than `segment.ms` says (`segment.jitter.ms`).
  var rollJitter: Int64
  /// Bytes of whole batches; the same as `segment.size`.
  var position: Int
  /// Bytes of the file: reserved, but for what is written.
  var reserved: Int
  /// Bytes that were reserved since this was found, or made.
  var grown = 0
  /// Up to where may be stored: what is reserved, or as much of it as was filled with zeros.
  var ready = 0
  /// How far ahead is filled with zeros: as far as some syncs like the last one, or 0 where that one made much durable.
  var zerosAhead = 0
  /// Bytes that the mapping could hold.
  var capacity = Int.max
  /// Bytes that a sync has made durable.
  var synced: Int
  /// Where to ask for pages ahead again.
  var populateNext = 0
  /// Up to where pages were asked for.
  var populatedTo = 0
  /// Whether what lies ahead is taken in large pieces.
  var usesLargePages = false
  /// Made by the first append.
  var mapping: WritableMapping?
  /// Where `mapping` begins: so that an append need not retain it.
  var base: UnsafeMutableRawPointer?
  /// The file's name where the segment is mapped, put together once: every sync says it.
  var mappedPath: String?
  var path: String { mappedPath ?? files.log }
  /// Open for as long as the segment is active, if the budget of descriptors allows.
  var descriptor: FileDescriptor?
  /// Whether the index files differ from what is in memory.
  var isIndexDirty: Bool
  /// False in a log that was opened by its record (`CleanShutdown`) and not appended to since: `index` has no entries yet.
  var isIndexLoaded = true

  var files: SegmentFiles { segment.files }

  /// The smallest and the largest step by which a file grows. What little is written to takes little, however long it was
  /// before; fast ones rarely wait.
  private static let smallestStep = 16 << 10
  private static let largestStep = 32 << 20

  /// Maps the segment, so that it can be appended to.
  mutating func activate(_ context: StoreContext, segmentBytes: Int) throws(EventLogError) {
    guard mapping == nil else { return }
    let path = files.log
    mappedPath = path
    let file = try openFile(context)
    defer { if descriptor == nil { context.fileSystem.close(file) } }
    let mapping = try WritableMapping(context.fileSystem, file, count: max(segmentBytes, position, 1), path: path)
    segment.pin(SegmentContents(region: mapping.region, offsetIndex: index.offsets, timeIndex: index.times))
    self.mapping = mapping
    base = mapping.pointer(at: 0)
    capacity = mapping.count
    populateNext = position + (1 << 20)
    usesLargePages = false
  }

  /// Maps a segment that is still empty a second time: `segment.bytes` was raised since it was mapped.
  mutating func mapAnew(_ context: StoreContext, segmentBytes: Int) throws(EventLogError) {
    mapping = nil
    base = nil
    try activate(context, segmentBytes: segmentBytes)
  }

  /// The open file. Where `descriptor` is nil afterwards, the caller closes it.
  mutating func openFile(_ context: StoreContext) throws(EventLogError) -> FileDescriptor {
    if let descriptor { return descriptor }
    let mayKeep = context.takeDescriptor()
    do throws(EventLogError) {
      let file = try context.fileSystem.open(path, .readWrite)
      if mayKeep { descriptor = file }
      return file
    } catch {
      if mayKeep { context.returnDescriptor() }
      throw error
    }
  }

  mutating func closeFile(_ context: StoreContext) {
    guard let file = descriptor else { return }
    context.fileSystem.close(file)
    context.returnDescriptor()
    descriptor = nil
  }

  /// Has room for `count` more bytes. What fails here has changed nothing.
  mutating func makeReady(_ count: Int, _ context: StoreContext, limit: Int) throws(EventLogError) {
    try reserve(count, context, limit: limit)
    if position - synced > Self.fastBytes { zerosAhead = 0 }
    guard count <= zerosAhead else {
      ready = reserved
      return
    }
    do throws(EventLogError) {
      ready = try fillWithZeros(from: max(ready, position), to: position + count, context)
    } catch {
      // Without them a sync takes longer.
      ready = reserved
    }
  }

  /// Writes zeros where nobody has stored anything yet, and returns up to where.
  ///
  /// The first sync of a block that was only reserved has to say in the file system's journal that it holds something now,
  /// which takes as long as the rest of the sync. Here that is said of many blocks at once. They are written a page at a time,
  /// because what is written in large pieces lies in the page cache in large pieces, and each sync writes out whole ones.
  private mutating func fillWithZeros(
    from start: Int, to needed: Int, _ context: StoreContext
  ) throws(EventLogError) -> Int {
    let page = 4096
    let end = min(reserved, max(needed, start + zerosAhead) / page * page + page)
    let file = try openFile(context)
    defer { if descriptor == nil { context.fileSystem.close(file) } }
    var next = start
    while next < end {
      let count = min(page - next % page, end - next)
      try context.fileSystem.write(
        file, count == page ? Self.zeros : [UInt8](repeating: 0, count: count), at: Int64(next), path: path)
      next += count
    }
    return end
  }

  private static let zeros = [UInt8](repeating: 0, count: 4096)
  /// A sync makes little durable with so many bytes or fewer.
  private static let fewBytes = 64 << 10
  /// Enough syncs that one of them which is slower hardly counts, and little enough that filling it holds nobody up.
  private static let syncsAhead = 32
  private static let zerosAheadRange = 64 << 10...1 << 20

  /// Reserves room for `count` more bytes. What fails here has changed nothing.
  private mutating func reserve(_ count: Int, _ context: StoreContext, limit: Int) throws(EventLogError) {
    let needed = position + count
    guard needed > reserved else { return }
    let step = min(max(grown, Self.smallestStep), Self.largestStep)
    let page = 4096
    let target = min(max(needed, reserved + step), max(limit, needed))
    let rounded = min((target + page - 1) / page * page, max(limit, needed))
    let file = try openFile(context)
    defer { if descriptor == nil { context.fileSystem.close(file) } }
    do throws(EventLogError) {
      try grow(file, to: rounded, context)
    } catch {
      // On a nearly full disk, what this append needs may still be there where a whole step is not.
      guard error.code == .diskFull, rounded > needed else { throw error }
      try grow(file, to: needed, context)
    }
  }

  private mutating func grow(_ file: FileDescriptor, to size: Int, _ context: StoreContext) throws(EventLogError) {
    let bytes = Int64(size - reserved)
    try context.diskBudget.take(bytes, path: path)
    do throws(EventLogError) {
      try context.fileSystem.allocate(file, from: Int64(reserved), count: bytes, path: path)
    } catch {
      context.diskBudget.giveBack(bytes)
      throw error
    }
    reserved = size
    grown += Int(bytes)
  }

  /// A sync has made everything below `position` durable that was not before.
  mutating func wasSynced(to position: Int) {
    // A writer that syncs often would have each of the large pieces written out again and again.
    if usesLargePages, position - synced < Self.fastBytes {
      mapping?.preferLargePages(false, behind: self.position)
      usesLargePages = false
    }
    let bytes = position - synced
    zerosAhead =
      bytes > Self.fewBytes
      ? 0 : min(max(bytes * Self.syncsAhead, Self.zerosAheadRange.lowerBound), Self.zerosAheadRange.upperBound)
    synced = position
  }

  /// So many bytes without a sync make a writer a fast one.
  static let fastBytes = 1 << 20

  /// Whether this segment has no room for a batch, and a new one has to be begun, by Kafka's rules.
  func mustRoll(
    before header: (size: Int, maxTimestamp: Int64, lastOffset: Int64), _ configuration: LogConfiguration, now: Int64
  ) -> Bool {
    guard position > 0 else { return header.lastOffset - segment.baseOffset > Int64(Int32.max) }
    let limit = min(configuration.segmentBytes, capacity)
    if position > limit - header.size { return true }
    if header.lastOffset - segment.baseOffset > Int64(Int32.max) { return true }
    if index.offsets.count >= configuration.maxOffsetIndexEntries { return true }
    if index.times.count >= configuration.maxTimeIndexEntries { return true }
    let age: Int64
    if let first = firstBatchTimestamp, first >= 0, header.maxTimestamp >= 0 {
      // By record time: late records never roll, those from the future do.
      age = header.maxTimestamp.subtractingReportingOverflow(first).partialValue
    } else {
      age = now - segment.createdAt
    }
    return age > configuration.rollMilliseconds - rollJitter
  }
}

/// A segment that was rolled away and whose file is not yet trimmed, indexed and synced.
struct RolledSegment {
  let segment: Segment
  let index: IndexBuilder
  var descriptor: FileDescriptor?
  /// What was known of the producers at its end.
  let producers: ProducerSnapshot
  /// Its end, where the next segment begins.
  let endOffset: Int64
  /// A snapshot in the middle of it, of an earlier stop, which that of its end replaces.
  let oldSnapshot: Int64?

  /// Makes the file what a closed segment is. To be called again after a failure.
  func finish(_ context: StoreContext) throws(EventLogError) {
    let fileSystem = context.fileSystem
    let files = segment.files
    do throws(EventLogError) {
      // Durably, as all of a segment below the recovery point: no opening looks at it again.
      try IndexFile.write(index.offsets, index.times, files, fileSystem, durably: true)
    } catch {
      // A cache: it is made anew from the log when it is missing.
      context.warn(error)
    }
    let file: FileDescriptor
    if let descriptor { file = descriptor } else { file = try fileSystem.open(files.log, .readWrite) }
    defer { if descriptor == nil { fileSystem.close(file) } }
    try fileSystem.truncate(file, to: Int64(segment.size), path: files.log)
    try fileSystem.syncData(file, path: files.log)
    ProducerFiles(context: context, files: files).write(segment, producers, at: endOffset)
    if let oldSnapshot {
      let old = SegmentFiles(directory: files.directory, baseOffset: oldSnapshot).producerSnapshot
      try? fileSystem.unlink(old)
    }
  }

  func closeFile(_ context: StoreContext) {
    guard let descriptor else { return }
    context.fileSystem.close(descriptor)
    context.returnDescriptor()
  }
}
