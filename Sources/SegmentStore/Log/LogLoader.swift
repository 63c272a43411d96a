internal import RecordFormat

/// Opens the files of one partition: finds the segments, clears away what a crash left, and, after an unclean stop,
/// checks everything that was written since the recovery point and cuts what is torn.
struct LogLoader {
  let context: StoreContext
  let directory: String
  let checkpoint: PartitionCheckpoint
  let configuration: LogConfiguration
  /// Whether the partition was closed in order, so that the checkpoint's log end can be believed once it is seen.
  let wasClean: Bool

  struct Result {
    var segments: [Segment]
    var activeIndex: IndexBuilder
    var firstBatchTimestamp: Int64?
    var nextOffset: Int64
    var logStartOffset: Int64
    /// The leader epochs that the batches show which were looked at.
    var epochs = LeaderEpochCheckpoint()
    /// Whether anything was cut, so that offsets may be given out a second time.
    var wasTruncated = false
    /// Whether the active segment's index files differ from what is in memory.
    var isIndexDirty = false
    /// False where `activeIndex` has to be loaded before the first append.
    var isIndexLoaded = true
    /// Everything below it is on the disk, and nothing from it on may be shown before a sync; nil where that is everything.
    var durableOffset: Int64?
    /// Whether what is to be synced depends on names that are not on the disk yet.
    var hasNewNames = false
    /// Whether the active segment was cut, and the disk does not know of it yet: it may have old batches there.
    var hasUnsyncedCut = false
    /// What the recovery knows of the segments that it went over, by their base offsets.
    var scans: [Int64: ScannedSegment] = [:]
    /// The producers, as the last batch left them.
    var producers = ProducerStateManager()
    /// Where there is a snapshot of them.
    var snapshotOffset: Int64?
  }

  var fileSystem: any FileSystem { context.fileSystem }

  func load() throws(EventLogError) -> Result {
    var result = try loadSegments()
    try ProducerStateLoader(context: context, directory: directory).load(&result)
    return result
  }

  private func loadSegments() throws(EventLogError) -> Result {
    let bases = try segmentsAfterCleaning()
    guard let last = bases.last else { return try begin() }
    if wasClean, let end = checkpoint.logEndOffset, let result = try loadCleanly(bases, last: last, expecting: end) {
      return result
    }
    return try recover(bases)
  }

  // MARK: What is there

  /// A log without a file: a new one, or one whose files something outside took. Its offsets are not given out again:
  /// who has read them would take what comes next for what it knows.
  private func begin() throws(EventLogError) -> Result {
    let known = max(checkpoint.recoveryPoint, checkpoint.logEndOffset ?? 0)
    guard known > checkpoint.logStartOffset else { return try createFirstSegment(checkpoint.logStartOffset) }
    context.warn(
      EventLogError(
        .storageError,
        "the partition's files are gone, which held offsets up to \(known): something outside of EventLog took them. "
          + "The log goes on, empty, at that offset", offset: known, file: directory))
    return try createFirstSegment(known)
  }

  func createFirstSegment(_ base: Int64) throws(EventLogError) -> Result {
    let files = SegmentFiles(directory: directory, baseOffset: base)
    let file = try fileSystem.open(files.log, .create)
    fileSystem.close(file)
    let segment = Segment(files: files, size: 0, createdAt: context.time.wallMilliseconds())
    return Result(
      segments: [segment],
      activeIndex: IndexBuilder(baseOffset: files.baseOffset, interval: configuration.indexIntervalBytes),
      nextOffset: files.baseOffset, logStartOffset: files.baseOffset, isIndexDirty: true)
  }

  /// A segment as it lies there, and whether its file has another name.
  func segment(_ base: Int64) throws(EventLogError) -> (segment: Segment, isShared: Bool) {
    let files = SegmentFiles(directory: directory, baseOffset: base)
    guard let status = try fileSystem.status(files.log), status.kind == .file else {
      throw EventLogError(.inputOutput, "a segment is no regular file; move it away", file: files.log)
    }
    guard status.size <= Int64(Int32.max) else {
      throw EventLogError(
        .corruptMessage, "a segment has \(status.size) bytes; positions in it have 31 bits", file: files.log)
    }
    return (Segment(files: files, size: Int(status.size), createdAt: status.modified), status.linkCount > 1)
  }

  func logStart(_ first: Int64) -> Int64 { max(checkpoint.logStartOffset, first) }

  // MARK: After a clean stop

  /// Nil where the last segment does not end where the checkpoint says: something happened to it since.
  private func loadCleanly(
    _ bases: [Int64], last: Int64, expecting end: Int64
  ) throws(EventLogError) -> Result? {
    var segments: [Segment] = []
    var isShared = false
    for base in bases {
      let found = try segment(base)
      segments.append(found.segment)
      isShared = found.isShared
    }
    guard let active = segments.last else { return nil }
    if isShared { try replaceByCopy(active) }
    if active.size == 0 {
      guard end == last else { return nil }
      return Result(
        segments: segments,
        activeIndex: IndexBuilder(baseOffset: last, interval: configuration.indexIntervalBytes),
        nextOffset: end, logStartOffset: logStart(bases[0]))
    }
    let file = try fileSystem.open(active.files.log, .read)
    defer { fileSystem.close(file) }
    let loader = CleanSegment(context: context, segment: active, file: file, configuration: configuration)
    guard let contents = try loader.load(to: end) else { return nil }
    return Result(
      segments: segments, activeIndex: contents.index, firstBatchTimestamp: try loader.firstBatchTimestamp(),
      nextOffset: end, logStartOffset: logStart(bases[0]), epochs: contents.epochs)
  }
}

/// What the recovery found in a segment, for who has to look for producers in it.
struct ScannedSegment {
  /// Whether any batch has a producer id.
  var hasProducers = false
  /// Whether every header can be read, and every batch that has a producer id is what its checksum says.
  var isSound = true

  mutating func add(_ header: RecordBatchHeader, isValid: Bool) {
    if header.hasProducerID { hasProducers = true }
    if !isValid { isSound = false }
  }
}

/// A file beside the partition's directory that says: a sync of it failed since the machine was started.
///
/// It need not be durable. It matters only for as long as the page cache lives, and so does an unsynced file.
struct SyncFailureMark {
  let directory: String
  var path: String { SiblingName.path(directory, suffix: ".sync-failed") }

  func make(_ fileSystem: any FileSystem) {
    // Where even this fails, nothing can be written here at all, and so nothing wrong be acknowledged.
    if let file = try? fileSystem.open(path, .createIfMissing) { fileSystem.close(file) }
  }

  /// Does `sync`, and leaves the mark where that fails: another try might succeed with nothing on the disk.
  func orMake(
    _ fileSystem: any FileSystem, _ sync: () throws(EventLogError) -> Void
  ) throws(EventLogError) {
    do throws(EventLogError) {
      try sync()
    } catch {
      make(fileSystem)
      throw error
    }
  }
}
