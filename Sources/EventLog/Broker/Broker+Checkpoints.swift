internal import MetadataStore
internal import RecordFormat
internal import SegmentStore
internal import Synchronization

// What is written down, and synced, every so often, so that a crash costs less.

extension Broker {
  /// Writes the recovery points down, so that a crash costs less.
  func checkpoint() throws(EventLogError) {
    try checkpointing.withLock { _ throws(EventLogError) in
      var checkpoints: [PartitionID: StoredCheckpoint] = [:]
      var saved: [(log: PartitionLog, checkpoint: PartitionCheckpoint)] = []
      for topic in topicTable.all() {
        for (number, log) in topic.logsInUse {
          guard let checkpoint = log.unsavedCheckpoint else { continue }
          checkpoints[PartitionID(topic.id, number)] = StoredCheckpoint(checkpoint)
          saved.append((log, checkpoint))
        }
      }
      try metadata.save(checkpoints)
      for (log, checkpoint) in saved { log.saved(checkpoint) }
    }
  }

  /// The same, of logs that were synced up to where they ended the last time. What the kernel wrote out by itself meanwhile
  /// costs no more than a look; without it a recovery would go over all that was ever written to the active segment.
  private func checkpointRegularly() {
    flush { log in log.isFlushDueAtCheckpoint() }
    do throws(EventLogError) { try checkpoint() } catch { context.warn(error) }
  }

  /// Writes the recovery point of one log down, durably.
  ///
  /// - Throws: `unknownTopicOrPartition` where it is no longer the broker's: its topic was deleted, or its partition imported.
  @Sendable func saveCheckpoint(of log: PartitionLog) throws(EventLogError) {
    try checkpointing.withLock { _ throws(EventLogError) in
      let (name, number) = (log.topicPartition.topic, log.topicPartition.partition)
      guard let topic = topicTable.find(name), topic.logIfUsed(number) === log else {
        throw EventLogError(.unknownTopicOrPartition, "the topic was deleted meanwhile").at(log.topicPartition)
      }
      guard let checkpoint = log.unsavedCheckpoint else { return }
      try metadata.save([PartitionID(topic.id, number): StoredCheckpoint(checkpoint)])
      log.saved(checkpoint)
    }
  }

  private func flush(where isDue: (PartitionLog) -> Bool) {
    var logs: [PartitionLog] = []
    for topic in topicTable.all() {
      for (_, log) in topic.logsInUse where isDue(log) { logs.append(log) }
    }
    PartitionLog.flushInTurn(logs)
  }

  func scheduleCheckpoint() {
    let interval = max(configuration.checkpointInterval.milliseconds, 1)
    let tick = min(interval, 1000)
    Self.scheduleTick(WeakBroker(self), context, Ticking(), every: tick, checkpointEvery: interval, since: 0)
  }

  /// Once a second at most: `flush.ms`; every so often: the checkpoint. Off the timer thread, since both wait for disks.
  private static func scheduleTick(
    _ broker: WeakBroker, _ context: StoreContext, _ ticking: Ticking, every tick: Int64,
    checkpointEvery interval: Int64, since: Int64
  ) {
    context.timekeeper.schedule(at: context.time.deadline(in: tick), for: .housekeeping) { [weak context] in
      guard let context, broker.value != nil else { return }
      // One at a time: on a slow disk they would pile up, until all threads waited for syncs that none was left to run.
      guard ticking.begin() else {
        return scheduleTick(
          broker, context, ticking, every: tick, checkpointEvery: interval, since: min(since + tick, interval))
      }
      let isDue = since + tick >= interval
      context.syncThreads.submit {
        defer { ticking.end() }
        guard let broker = broker.value else { return }
        broker.flush(where: \.isFlushDue)
        broker.transactions.tidy()
        if isDue { broker.checkpointRegularly() }
      }
      scheduleTick(broker, context, ticking, every: tick, checkpointEvery: interval, since: isDue ? 0 : since + tick)
    }
  }
}

/// Whether the broker's regular work is under way.
private final class Ticking: Sendable {
  private let isRunning = Atomic(false)

  func begin() -> Bool { !isRunning.exchange(true, ordering: .acquiringAndReleasing) }
  func end() { isRunning.store(false, ordering: .releasing) }
}

extension StoredCheckpoint {
  init(_ checkpoint: PartitionCheckpoint) {
    self.init(
      logStartOffset: checkpoint.logStartOffset, recoveryPoint: checkpoint.recoveryPoint,
      logEndOffset: checkpoint.logEndOffset, uncleanStops: checkpoint.uncleanStops)
  }
}
