package import RecordFormat
internal import Synchronization

/// Told when a partition has more to read.
package protocol AppendWaiter: AnyObject, Sendable {
  /// Called on the thread that appended or synced, while no waiter can be added or removed: to be short.
  ///
  /// - Returns: whether it sleeps, and `wakeUp` is to be called.
  func highWatermarkMoved() -> Bool
  /// Called on the same thread, with no lock held.
  func wakeUp()
}

/// One partition on disk: an ordered list of segments, the last of which is appended to.
///
/// Appends hold `state`. Reads don't: they go by `highWatermark`, by a copy of the segment list, and by each segment's
/// published size, so that no reader waits for a writer.
package final class PartitionLog: Sendable {
  package let topicPartition: TopicPartition
  package let directory: String
  let context: StoreContext
  let state: Mutex<State>
  private let segmentList: Mutex<[Segment]>
  private let endOffset: Atomic<Int64>
  private let startOffset: Atomic<Int64>
  private let visibleOffset: Atomic<Int64>
  private let syncedOffset: Atomic<Int64>
  private let waiterCount = Atomic<Int>(0)
  private let waiters = Mutex<[any AppendWaiter]>([])
  /// How many wait for a sync, for who gathers them without the lock.
  let syncWaiterCount = Atomic<Int>(0)
  /// Tells tasks that wait for a sync apart.
  let syncWaiterNumber = Atomic<Int>(0)
  /// The first offset that `read_committed` may not pass; `Int64.max` where there is none.
  let firstUnstable: Atomic<Int64>
  /// How many transactions the log holds that were aborted: what readers look at before they look for any.
  let abortedCount: Atomic<Int>
  /// `flush.messages`, and whether the topic says how it is compressed: looked at by every append, without the lock.
  let flushInterval: Atomic<Int64>
  let overridesCompression: Atomic<Bool>
  /// Counts the beginnings and the ends of changes by which segments go, so that who failed in the middle of one knows to
  /// look again.
  let segmentChanges = Atomic<Int>(0)
  /// Where the log ended when it was opened.
  let foundEnd: Int64
  /// Where the log ended that a recovery found, as long as not all of it is on the disk; else `Int64.min`.
  let recoveredEnd: Atomic<Int64>
  /// Held by who changes the names of segments' files: retention, and the swap of what was cleaned.
  let fileChanges = Mutex<Void>(())
  /// Whether the files were given up: a deleted topic's.
  let isAbandoned = Atomic<Bool>(false)
  /// Whether the last stop was unclean and something had to be cut.
  package let wasTruncated: Bool

  /// What only the holder of the lock may see.
  struct State {
    var configuration: LogConfiguration
    var active: ActiveSegment
    var nextOffset: Int64
    var leaderEpoch: Int32
    /// Where the next append has to begin a leader epoch: those that the batches were seen to have.
    var epochToBegin: LeaderEpochCheckpoint?
    /// Whether the active segment was cut, and the disk may still have what lay behind.
    var hasUnsyncedCut: Bool
    /// Everything below it is on the disk.
    var durableOffset: Int64
    /// The first `acks=all` batch that is not: nothing from it on is shown.
    var firstUndurable: Int64?
    /// The same, counting only what the running sync does not cover.
    var firstUndurableAfterSync: Int64?
    /// The producers that have ids, and their transactions.
    var producers: ProducerStateManager
    /// Where the last snapshot of them was made.
    var snapshotOffset: Int64?
    var rolled: [RolledSegment] = []
    /// Whether `partition.metadata` was written and not synced.
    var hasUnsyncedMetadata = false
    /// Why a sync of it failed.
    var metadataFailure: EventLogError?
    /// Whether a file or directory was made whose name is not on the disk yet.
    var hasNewNames: Bool
    /// A sync thread will come to see whether a sync is needed.
    var syncIsScheduled = false
    /// A thread syncs, or is about to: no other does.
    var syncIsRunning = false
    /// Who is to be told, and which threads block.
    var syncWaiters: [SyncWaiter] = []
    var blocked: [BlockedThread] = []
    /// A thread is telling those who waited, or is about to: no other does.
    var isCallingBack = false
    /// Why there will be no more syncs: one failed, or the log was given up.
    var syncFailure: EventLogError?
    var gathering = SyncGathering()
    /// When something was last made durable, for `flush.ms`.
    var lastFlush: Int64
    /// Where the log ended at the last checkpoint.
    var endAtCheckpoint: Int64 = 0
    /// The last checkpoint that was written down.
    var saved: PartitionCheckpoint?
    /// Why this log takes no more appends.
    var failure: EventLogError? {
      didSet { hasFailed = failure != nil }
    }
    /// `failure != nil`, which each append asks, and which the optional of a large value answers slowly.
    private(set) var hasFailed = false
    var isClosed = false
    /// What a pass of the cleaner failed on.
    var cleaningFailure: EventLogError?
  }

  /// Opens the log in `directory`, which is made if it is missing.
  ///
  /// - Parameters:
  ///   - checkpoint: what the metadata store knows of it.
  ///   - wasClean: whether the store was closed in order.
  package convenience init(
    _ topicPartition: TopicPartition, directory: String, topicID: String, configuration: LogConfiguration,
    checkpoint: PartitionCheckpoint, wasClean: Bool, context: StoreContext
  ) throws(EventLogError) {
    do throws(EventLogError) {
      let fileSystem = context.fileSystem
      let known = max(checkpoint.recoveryPoint, checkpoint.logEndOffset ?? 0)
      let prepared = try PartitionDirectory.prepare(
        directory, topicID: topicID, wasOnDisk: known > checkpoint.logStartOffset, fileSystem)
      if prepared.replacedFile {
        context.warn(
          EventLogError(
            .storageError, "an empty file lay where the partition's directory should be, which was made in its place",
            file: directory))
      }
      let loader = LogLoader(
        context: context, directory: directory, checkpoint: checkpoint, configuration: configuration,
        wasClean: wasClean && !prepared.madeDirectory)
      let loaded = try loader.load()
      let beginsEpoch = !wasClean || checkpoint.owesEpoch(in: context)
      let leaderEpoch = try Self.latestEpoch(
        directory, at: loaded.nextOffset, seen: loaded.epochs, mayWait: beginsEpoch, fileSystem)
      try self.init(
        topicPartition, directory: directory, configuration: configuration, loaded, leaderEpoch: leaderEpoch,
        epochToBegin: beginsEpoch ? loaded.epochs : nil, hasNewNames: prepared.madeDirectory, context: context)
      // After an unclean stop nobody knows whether the one that wrote it came to sync it.
      if prepared.wroteMetadata || !wasClean { state.withLock { $0.hasUnsyncedMetadata = true } }
      context.diskBudget.add(sizeInBytes)
    } catch {
      throw error.at(topicPartition)
    }
  }

  /// - Parameters:
  ///   - epochToBegin: where the first append has to begin a leader epoch: those that the batches were seen to have.
  ///   - saved: the checkpoint as it was written down, if that need not be done again.
  ///   - hasNewNames: whether the directory was made, and its name is not on the disk yet.
  init(
    _ topicPartition: TopicPartition, directory: String, configuration: LogConfiguration, _ loaded: LogLoader.Result,
    leaderEpoch: Int32, epochToBegin: LeaderEpochCheckpoint?, saved: PartitionCheckpoint? = nil,
    hasNewNames: Bool = false, context: StoreContext
  ) throws(EventLogError) {
    guard let last = loaded.segments.last else {
      throw EventLogError(.storageError, "the log has no segment", file: directory)
    }
    self.topicPartition = topicPartition
    self.directory = directory
    self.context = context
    wasTruncated = loaded.wasTruncated
    let durableOffset = loaded.durableOffset.map { min(max($0, loaded.logStartOffset), loaded.nextOffset) }
    segmentList = Mutex(loaded.segments)
    endOffset = Atomic(loaded.nextOffset)
    foundEnd = loaded.nextOffset
    visibleOffset = Atomic(durableOffset ?? loaded.nextOffset)
    syncedOffset = Atomic(durableOffset ?? loaded.nextOffset)
    startOffset = Atomic(loaded.logStartOffset)
    recoveredEnd = Atomic(durableOffset == nil ? .min : loaded.nextOffset)
    firstUnstable = Atomic(loaded.producers.firstUnstable)
    abortedCount = Atomic(loaded.segments.reduce(0) { $0 + $1.abortedCount })
    flushInterval = Atomic(configuration.flushMessages)
    overridesCompression = Atomic(configuration.compression != nil)
    let active = ActiveSegment(
      segment: last, index: loaded.activeIndex, firstBatchTimestamp: loaded.firstBatchTimestamp,
      rollJitter: Self.jitter(configuration, topicPartition, context.random), position: last.size,
      reserved: last.size, synced: durableOffset == nil ? last.size : 0,
      isIndexDirty: loaded.isIndexDirty, isIndexLoaded: loaded.isIndexLoaded)
    // Everything that is there was synced before, by the clean stop or by the recovery; or is shown once it is.
    state = Mutex(
      State(
        configuration: configuration, active: active, nextOffset: loaded.nextOffset, leaderEpoch: leaderEpoch,
        epochToBegin: epochToBegin, hasUnsyncedCut: loaded.hasUnsyncedCut,
        durableOffset: durableOffset ?? loaded.nextOffset, firstUndurable: durableOffset,
        producers: loaded.producers, snapshotOffset: loaded.snapshotOffset,
        hasNewNames: hasNewNames || loaded.hasNewNames || loaded.nextOffset == last.baseOffset,
        lastFlush: context.time.monotonicMilliseconds(), saved: saved))
  }

  deinit {
    // A log that was never closed, because its broker was just dropped: give the descriptors back.
    state.withLock { state in
      state.active.closeFile(context)
      for rolled in state.rolled { rolled.closeFile(context) }
    }
  }

  // MARK: Where things are

  /// The first offset that can be read.
  package var logStartOffset: Int64 { startOffset.load(ordering: .acquiring) }
  /// The offset that the next record gets.
  package var logEndOffset: Int64 { endOffset.load(ordering: .acquiring) }
  /// Consumers read below this: the log end, or the first `acks=all` batch that is not yet on the disk.
  package var highWatermark: Int64 { visibleOffset.load(ordering: .acquiring) }
  /// Everything below this is on the disk.
  package var durableOffset: Int64 { syncedOffset.load(ordering: .acquiring) }
  package var segments: [Segment] { segmentList.withLock { $0 } }
  /// Bytes of all batches.
  package var sizeInBytes: Int64 { segments.reduce(0) { $0 + Int64($1.size) } }
  package var configuration: LogConfiguration { state.withLock { $0.configuration } }

  package func update(_ configuration: LogConfiguration) {
    state.withLock { state in
      state.configuration = configuration
      state.active.index.interval = configuration.indexIntervalBytes
      flushInterval.store(configuration.flushMessages, ordering: .relaxed)
      overridesCompression.store(configuration.compression != nil, ordering: .relaxed)
    }
  }

  /// Moves the log start up (Kafka's `deleteRecords`); a lower one than today's changes nothing.
  package func advanceLogStart(to offset: Int64) throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      guard offset <= highWatermark, offset >= 0 else {
        throw EventLogError(
          .offsetOutOfRange, "the log start can't go beyond the high watermark, \(highWatermark)", offset: offset
        ).at(topicPartition)
      }
      if offset > logStartOffset { startOffset.store(offset, ordering: .releasing) }
    }
  }

  // MARK: Publishing

  /// Shows what was appended. Called under the lock.
  @inline(always)
  func publish(_ state: inout State) {
    endOffset.store(state.nextOffset, ordering: .releasing)
    visibleOffset.store(state.firstUndurable ?? state.nextOffset, ordering: .releasing)
    syncedOffset.store(state.durableOffset, ordering: .releasing)
    if state.producers.hasHidden { showEndedTransactions(&state) }
  }

  func replaceSegments(_ segments: [Segment]) {
    segmentList.withLock { $0 = segments }
  }

  /// Has `waiter` told of the next records. It looks at `highWatermark` once more after this.
  package func addWaiter(_ waiter: any AppendWaiter) {
    waiters.withLock { $0.append(waiter) }
    // Under the appenders' lock: who appends after this sees the waiter, and what was appended before the waiter sees.
    state.withLock { _ in _ = waiterCount.add(1, ordering: .relaxed) }
  }

  package func removeWaiter(_ waiter: any AppendWaiter) {
    let removed = waiters.withLock { waiters -> Int in
      let before = waiters.count
      waiters.removeAll { $0 === waiter }
      return before - waiters.count
    }
    waiterCount.subtract(removed, ordering: .relaxed)
  }

  /// Called without the lock, after something became visible.
  @inline(always)
  func wakeWaiters() {
    if waiterCount.load(ordering: .relaxed) > 0 { wakeThem() }
  }

  private func wakeThem() {
    // Under the lock, since to copy the list takes longer, and mostly nobody sleeps.
    let sleepers = waiters.withLock { waiters in
      var sleepers: [any AppendWaiter] = []
      for index in waiters.indices where waiters[index].highWatermarkMoved() { sleepers.append(waiters[index]) }
      return sleepers
    }
    for sleeper in sleepers { sleeper.wakeUp() }
  }

  static func jitter(
    _ configuration: LogConfiguration, _ topicPartition: TopicPartition, _ random: RandomSource
  ) -> Int64 {
    let most = min(configuration.segmentJitterMilliseconds, configuration.segmentMilliseconds)
    guard most > 0 else { return 0 }
    var generator = random.generator(for: "segment jitter of \(topicPartition)")
    return Int64.random(in: 0..<most, using: &generator)
  }
}
