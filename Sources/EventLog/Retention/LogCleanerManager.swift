internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Chooses what to compact next, and has it done: Kafka's `LogCleaner` with its `LogCleanerManager`.
final class LogCleanerManager: Sendable {
  /// Writes down how far a log is on the disk.
  typealias SaveCheckpoint = @Sendable (PartitionLog) throws(EventLogError) -> Void

  let checkpoints: CleanerCheckpoints
  let threads: WorkerPool
  private let context: StoreContext
  private let cleaner: LogCleaner
  private let threadCount: Int
  private let stops: Flag
  private let inProgress = Mutex<Set<TopicPartition>>([])

  private final class Flag: Sendable {
    let isSet = Atomic(false)
  }

  init(directory: String, _ configuration: BrokerConfiguration, _ context: StoreContext) {
    self.context = context
    checkpoints = CleanerCheckpoints(directory: directory, context.fileSystem, warn: context.warn)
    threadCount = configuration.logCleanerThreads
    threads = WorkerPool(threads: threadCount)
    var options = LogCleaner.Options()
    options.dedupeBufferBytes = configuration.logCleanerDedupeBufferSize / threadCount
    options.bytesPerSecond = configuration.logCleanerIOMaxBytesPerSecond
    let stops = Flag()
    self.stops = stops
    cleaner = LogCleaner(options, context: context) { stops.isSet.load(ordering: .relaxed) }
  }

  /// Ends what is under way, without harm, and the threads.
  func shutDown() {
    stops.isSet.store(true, ordering: .relaxed)
    threads.shutDown()
  }

  /// Drops what is known of logs that end before it: they were cut, and what comes next was not cleaned.
  func checkCheckpoints(_ logs: some Sequence<PartitionLog>) {
    for log in logs {
      guard let known = checkpoints[log.topicPartition], known > log.logEndOffset else { continue }
      do throws(EventLogError) { try checkpoints.forget(log.topicPartition) } catch { context.warn(error) }
    }
  }

  // MARK: By the clock

  /// Compacts whatever is due, the dirtiest log first, on the cleaner's threads.
  ///
  /// - Parameter saveCheckpoint: as `Broker.saveCheckpoint`.
  func start(_ logs: @escaping @Sendable () -> [PartitionLog], saveCheckpoint: @escaping SaveCheckpoint) {
    guard threads.isIdle else { return }
    for _ in 0..<threadCount {
      threads.submit { while self.cleanDirtiest(logs(), saveCheckpoint) {} }
    }
  }

  /// False where there is nothing to do, or it could not be done: then there is a pause before the next try.
  private func cleanDirtiest(_ logs: [PartitionLog], _ saveCheckpoint: SaveCheckpoint) -> Bool {
    guard !stops.isSet.load(ordering: .relaxed), let (log, range) = grabDirtiest(logs) else { return false }
    defer { release(log) }
    do throws(EventLogError) {
      return try pass(log, range, saveCheckpoint).cleanedTo > range.firstDirtyOffset
    } catch {
      if !stops.isSet.load(ordering: .relaxed) { context.warn(error) }
      return false
    }
  }

  private func grabDirtiest(_ logs: [PartitionLog]) -> (PartitionLog, CleanableRange)? {
    var best: (log: PartitionLog, range: CleanableRange)?
    for log in logs {
      let configuration = log.configuration
      guard configuration.isCompacted, log.segments.count > 1, isFree(log) else { continue }
      guard let range = try? range(of: log), range.isDue(configuration) else { continue }
      if range.ratio > best?.range.ratio ?? -1 { best = (log, range) }
    }
    guard let best, grab(best.log) else { return nil }
    return best
  }

  private func range(of log: PartitionLog) throws(EventLogError) -> CleanableRange {
    try log.cleanableRange(
      checkpoint: checkpoints[log.topicPartition], now: context.time.wallMilliseconds())
  }

  private func isFree(_ log: PartitionLog) -> Bool {
    log.cleaningFailure == nil && inProgress.withLock { !$0.contains(log.topicPartition) }
  }

  private func grab(_ log: PartitionLog) -> Bool {
    inProgress.withLock { $0.insert(log.topicPartition).inserted }
  }

  private func release(_ log: PartitionLog) {
    _ = inProgress.withLock { $0.remove(log.topicPartition) }
  }

  /// One pass, and its checkpoint. A log on which it fails is left alone from then on, unless only room was missing.
  private func pass(
    _ log: PartitionLog, _ range: CleanableRange, _ saveCheckpoint: SaveCheckpoint
  ) throws(EventLogError) -> CleanerStats {
    // First: a crash must not take the gaps for torn ones, whatever `cleanup.policy` says by then.
    try saveCheckpoint(log)
    do throws(EventLogError) {
      let stats = try cleaner.clean(log, range, now: context.time.wallMilliseconds())
      if stats.cleanedTo > range.firstDirtyOffset || range.resetsCheckpoint {
        try checkpoints.set(stats.cleanedTo, for: log.topicPartition)
      }
      return stats
    } catch {
      guard error.code != .diskFull, error.code != .illegalState else { throw error }
      var told = error
      told.message += "; the partition is not compacted any more before the broker is opened again"
      log.cleaningFailed(told)
      throw told
    }
  }

  // MARK: On demand

  /// Compacts a log now, in as many passes as it takes, however clean it is.
  ///
  /// - Parameter saveCheckpoint: as `Broker.saveCheckpoint`.
  func compact(_ log: PartitionLog, saveCheckpoint: SaveCheckpoint) throws(EventLogError) -> CleanerStats {
    if let error = log.cleaningFailure { throw error }
    guard grab(log) else {
      throw EventLogError(.illegalState, "the partition is being compacted at this moment; try again later")
        .at(log.topicPartition)
    }
    defer { release(log) }
    var total = CleanerStats()
    while true {
      let range = try range(of: log)
      total.cleanedTo = range.firstDirtyOffset
      guard range.cleanableBytes > 0 else { return total }
      let stats = try pass(log, range, saveCheckpoint)
      total.bytesRead += stats.bytesRead
      total.bytesWritten += stats.bytesWritten
      total.recordsRead += stats.recordsRead
      total.recordsKept += stats.recordsKept
      total.segmentsRead += stats.segmentsRead
      total.segmentsWritten += stats.segmentsWritten
      total.cleanedTo = stats.cleanedTo
      guard stats.cleanedTo > range.firstDirtyOffset else { return total }
    }
  }
}

extension Broker {
  func scheduleCleaner() {
    guard configuration.logCleanerEnabled else { return }
    Self.scheduleCleaner(WeakBroker(self), context, every: configuration.logCleanerBackoff.milliseconds)
  }

  private static func scheduleCleaner(_ broker: WeakBroker, _ context: StoreContext, every interval: Int64) {
    context.timekeeper.schedule(at: context.time.deadline(in: max(interval, 1)), for: .housekeeping) {
      guard let strong = broker.value else { return }
      if strong.hasCompactedTopics {
        strong.cleaner.start {
          broker.value?.ownedLogs().map(\.log) ?? []
        } saveCheckpoint: { log throws(EventLogError) in
          guard let strong = broker.value else { throw .brokerClosed }
          try strong.saveCheckpoint(of: log)
        }
      }
      scheduleCleaner(broker, strong.context, every: interval)
    }
  }

  /// Whether there is anything that the cleaner's thread could have to do.
  private var hasCompactedTopics: Bool {
    topicTable.all().contains { topic in topic.logConfiguration?.isCompacted ?? false }
  }
}
