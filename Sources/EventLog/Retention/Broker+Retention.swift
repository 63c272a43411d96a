internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

// What Kafka's `LogManager` does about old segments: by the clock, on a thread of its own, for all partitions in turn.

extension Broker {
  /// A log, and what the metadata store calls it.
  struct OwnedLog {
    var id: PartitionID
    var log: PartitionLog
  }

  func ownedLogs(of topics: [Topic]? = nil) -> [OwnedLog] {
    (topics ?? topicTable.all()).flatMap { topic in
      topic.allPartitions().enumerated().compactMap { number, partition in
        if case .log(let log) = partition { OwnedLog(id: PartitionID(topic.id, number), log: log) } else { nil }
      }
    }
  }

  func scheduleRetention() {
    Self.scheduleRetention(
      WeakBroker(self), context, after: configuration.initialTaskDelay.milliseconds,
      every: configuration.retentionCheckInterval.milliseconds)
  }

  private static func scheduleRetention(
    _ broker: WeakBroker, _ context: StoreContext, after delay: Int64, every interval: Int64
  ) {
    context.timekeeper.schedule(at: context.time.deadline(in: delay), for: .housekeeping) { [weak context] in
      guard let context, broker.value != nil else { return }
      context.maintenanceThread.submit {
        guard let broker = broker.value else { return }
        for case .failure(let error) in broker.applyRetention().values { context.warn(error) }
      }
      scheduleRetention(broker, context, after: interval, every: interval)
    }
  }

  /// Deletes what the topics' configurations no longer keep.
  func applyRetention(to topics: [Topic]? = nil) -> [TopicPartition: Result<[ExpiredSegment], EventLogError>] {
    var results: [TopicPartition: Result<[ExpiredSegment], EventLogError>] = [:]
    for owned in ownedLogs(of: topics) {
      do throws(EventLogError) {
        try requireOpen()
        results[owned.log.topicPartition] = .success(
          try retention.withLock { _ throws(EventLogError) in try applyRetention(to: owned) })
      } catch {
        results[owned.log.topicPartition] = .failure(error.at(owned.log.topicPartition))
      }
    }
    return results
  }

  /// Called with `retention`.
  private func applyRetention(to owned: OwnedLog) throws(EventLogError) -> [ExpiredSegment] {
    let expired = try owned.log.expiredSegments(now: context.time.wallMilliseconds())
    guard !expired.isEmpty else { return [] }
    let settled = try owned.log.settle(expired)
    guard let last = settled.last else { return [] }
    try moveLogStart(of: owned, to: last.endOffset)
    try owned.log.removeSegmentsBelowLogStart()
    return settled
  }

  /// Writes a log start down, and moves it then. The log is on the disk that far.
  private func moveLogStart(of owned: OwnedLog, to offset: Int64) throws(EventLogError) {
    try checkpointing.withLock { _ throws(EventLogError) in
      guard topicTable.find(owned.log.topicPartition.topic)?.id == owned.id.topic else {
        throw EventLogError(.unknownTopicOrPartition, "the topic was deleted meanwhile").at(owned.log.topicPartition)
      }
      guard offset > owned.log.logStartOffset else { return }
      var checkpoint = StoredCheckpoint(owned.log.checkpoint)
      checkpoint.logStartOffset = offset
      try metadata.save([owned.id: checkpoint])
      try owned.log.advanceLogStart(to: offset)
    }
  }

  // MARK: The cap on all logs

  func watchDiskBudget() {
    let weak = WeakBroker(self)
    let thread = context.maintenanceThread
    context.diskBudget.set(
      DiskBudget.Hooks(
        isNearlyFull: {
          // Not by this thread, which holds a partition's lock: a broker that is being closed makes no room.
          thread.submit(optional: true) {
            guard let broker = weak.value else { return }
            broker.context.diskBudget.acceptSignal()
            _ = broker.makeRoom()
          }
        }, makeRoom: { weak.value?.makeRoom() ?? false }))
  }

  /// Drops the oldest segments of all logs until an eighth of the cap is free. True where any room was made, by this call
  /// or by another while this one waited for it.
  private func makeRoom() -> Bool {
    let before = context.diskBudget.used
    retention.withLock { _ in
      let logs = ownedLogs().filter { $0.log.configuration.isDeleted }
      var oldest = logs.map { $0.log.oldestClosedSegment() }
      while context.diskBudget.excess > 0, (try? requireOpen()) != nil {
        let closed = logs.indices.filter { oldest[$0] != nil }
        if let index = closed.min(by: { Self.comesFirst(oldest[$0], oldest[$1]) }), let segment = oldest[index] {
          let isDropped = drop(segment, of: logs[index])
          oldest[index] = isDropped ? logs[index].log.oldestClosedSegment() : nil
          continue
        }
        // Nothing is closed: the largest of those that are being written is, so that it can be dropped.
        let active = logs.map(\.log.droppableActiveBytes)
        guard let index = active.indices.max(by: { active[$0] < active[$1] }), active[index] > 0,
          logs[index].log.rollAndFinish()
        else { return }
        oldest[index] = logs[index].log.oldestClosedSegment()
        if oldest[index] == nil { return }
      }
    }
    return context.diskBudget.used < before
  }

  private static func comesFirst(_ a: PartitionLog.OldestSegment?, _ b: PartitionLog.OldestSegment?) -> Bool {
    (a?.largestTimestamp ?? .max) < (b?.largestTimestamp ?? .max)
  }

  private func drop(_ segment: PartitionLog.OldestSegment, of owned: OwnedLog) -> Bool {
    do throws(EventLogError) {
      try moveLogStart(of: owned, to: segment.endOffset)
      // At once: who waits for room can't wait for `file.delete.delay.ms`.
      try owned.log.removeSegmentsBelowLogStart(delay: 0)
      context.warn(
        EventLogError(
          .diskFull,
          "dropped the oldest segment, \(segment.sizeInBytes) bytes, so that the logs stay below log.dirs.max.bytes "
            + "(\(context.diskBudget.limit)): the log begins at \(segment.endOffset) now", offset: segment.baseOffset
        ).at(owned.log.topicPartition))
      return true
    } catch {
      context.warn(error.at(owned.log.topicPartition))
      return false
    }
  }
}
