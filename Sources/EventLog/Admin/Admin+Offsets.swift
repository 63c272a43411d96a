internal import MetadataStore
public import RecordFormat
internal import SegmentStore

// MARK: Finding offsets

extension Admin {
  /// An offset of a partition, by its end, its beginning, or a timestamp; nil where no record is that young, or there is
  /// none at all.
  ///
  /// Works on brokers that were opened read-only too; there `maxTimestamp`, timestamps and `readCommitted` read the
  /// whole log.
  ///
  /// - Parameter isolation: with `readCommitted`, nothing from the last stable offset on is told of.
  /// - Throws: `unknownTopicOrPartition`; `illegalArgument` for a negative timestamp; `invalidRequest` for the specs of
  ///   tiered storage, of which there is none.
  public func listOffset(
    _ partition: TopicPartition, _ spec: OffsetSpec, isolation: Isolation = .readUncommitted
  ) throws -> OffsetAndTimestamp? {
    try broker.requireOpen()
    return try find(partition, spec, isolation)
  }

  /// Offsets of partitions, as `listOffset`. The first error ends it.
  public func listOffsets(
    _ specs: [TopicPartition: OffsetSpec], isolation: Isolation = .readUncommitted
  ) throws -> [TopicPartition: OffsetAndTimestamp?] {
    try broker.requireOpen()
    var result: [TopicPartition: OffsetAndTimestamp?] = [:]
    for (partition, spec) in specs { result.updateValue(try find(partition, spec, isolation), forKey: partition) }
    return result
  }

  /// Offsets of partitions; each succeeds or fails by itself (Kafka's `listOffsets`).
  public func listOffsets(
    each specs: [TopicPartition: OffsetSpec], isolation: Isolation = .readUncommitted
  ) throws -> [TopicPartition: Result<OffsetAndTimestamp?, EventLogError>] {
    try broker.requireOpen()
    return results(of: specs.keys) { partition throws(EventLogError) in
      try find(partition, specs[partition] ?? .latest, isolation)
    }
  }

  func find(
    _ topicPartition: TopicPartition, _ spec: OffsetSpec, _ isolation: Isolation
  ) throws(EventLogError) -> OffsetAndTimestamp? {
    let partition = try broker.partition(topicPartition)
    var found: OffsetAndTimestamp
    switch spec {
    case .earliest: found = OffsetAndTimestamp(offset: try partition.logStartOffset())
    case .latest: found = OffsetAndTimestamp(offset: try partition.endOffset(isolation))
    case .timestamp(let timestamp):
      guard timestamp >= 0 else {
        throw EventLogError(.illegalArgument, "a timestamp to look for can't be negative").at(topicPartition)
      }
      guard let record = try partition.offset(forTimestamp: timestamp) else { return nil }
      found = OffsetAndTimestamp(offset: record.offset, timestamp: record.timestamp)
    case .maxTimestamp:
      guard let record = try partition.offsetOfMaxTimestamp() else { return nil }
      found = OffsetAndTimestamp(offset: record.offset, timestamp: record.timestamp)
    case .earliestLocal, .latestTiered, .earliestPendingUpload:
      throw EventLogError(
        .invalidRequest,
        "there is no tiered storage, and so no offset where it begins or ends; ask for earliest or latest"
      ).at(topicPartition)
    }
    if found.timestamp != nil, isolation == .readCommitted,
      found.offset >= (try partition.endOffset(isolation))
    {
      return nil
    }
    let epochs = try partition.leaderEpochs()
    found.leaderEpoch = epochs.entries.last { $0.startOffset <= found.offset }?.epoch
    return found
  }
}

// MARK: Deleting records

extension Admin {
  /// A log start that was found to be allowed.
  private struct LogStart {
    var topic: Topic
    var log: PartitionLog
    var offset: Int64
  }

  /// Moves a partition's log start up to `offset`: what lies below can't be read any more. When this returns, the new
  /// log start is on the disk. The files go with the segments that lie wholly below it, when those are next cleaned up.
  ///
  /// - Parameter offset: up to the high watermark, which -1 stands for. One below the log start changes nothing.
  /// - Returns: the log start now (Kafka's low watermark).
  /// - Throws: `offsetOutOfRange` beyond the high watermark and for other negative offsets; `policyViolation` where
  ///   `cleanup.policy` lacks `delete`; `unknownTopicOrPartition`, `readOnly`.
  @discardableResult
  public func deleteRecords(_ partition: TopicPartition, before offset: Int64) throws -> Int64 {
    try deleteRecords([partition: offset])[partition] ?? offset
  }

  /// Moves log starts, as `deleteRecords(_:before:)`. All are checked first: where one is refused, none is moved.
  @discardableResult
  public func deleteRecords(_ before: [TopicPartition: Int64]) throws -> [TopicPartition: Int64] {
    try requireWritable()
    var starts: [TopicPartition: LogStart] = [:]
    for (partition, offset) in before { starts[partition] = try logStart(partition, before: offset) }
    var moved: [TopicPartition: Int64] = [:]
    for (partition, result) in move(starts) { moved[partition] = try result.get() }
    return moved
  }

  /// Moves log starts; each succeeds or fails by itself (Kafka's `deleteRecords`).
  public func deleteRecords(
    each before: [TopicPartition: Int64]
  ) throws -> [TopicPartition: Result<Int64, EventLogError>] {
    try requireWritable()
    var outcome: [TopicPartition: Result<Int64, EventLogError>] = [:]
    var starts: [TopicPartition: LogStart] = [:]
    for (partition, offset) in before {
      do throws(EventLogError) {
        starts[partition] = try logStart(partition, before: offset)
      } catch {
        outcome[partition] = .failure(error)
      }
    }
    outcome.merge(move(starts)) { $1 }
    return outcome
  }

  private func logStart(_ topicPartition: TopicPartition, before offset: Int64) throws(EventLogError) -> LogStart {
    let topic = try broker.topic(topicPartition.topic)
    let log = try topic.partition(topicPartition.partition).log()
    guard log.configuration.isDeleted else {
      throw EventLogError(
        .policyViolation, "records can't be deleted from a topic whose cleanup.policy has no delete"
      ).at(topicPartition)
    }
    try log.waitUntilRecovered()
    let highWatermark = log.highWatermark
    let target = offset == -1 ? highWatermark : offset
    guard target >= 0, target <= highWatermark else {
      throw EventLogError(
        .offsetOutOfRange, "the log start can't go beyond the high watermark, \(highWatermark)", offset: offset
      ).at(topicPartition)
    }
    return LogStart(topic: topic, log: log, offset: target)
  }

  /// First the logs are synced that far, so that no log start can lie beyond a log that a power cut made shorter; then
  /// the log starts are written down; then they are moved.
  private func move(_ starts: [TopicPartition: LogStart]) -> [TopicPartition: Result<Int64, EventLogError>] {
    var outcome = results(of: starts.keys) { partition throws(EventLogError) -> Int64 in
      guard let start = starts[partition] else { return 0 }
      if start.log.durableOffset < start.offset { try start.log.waitUntilDurable(upTo: start.offset) }
      return start.offset
    }
    return broker.checkpointing.withLock { _ in
      var checkpoints: [PartitionID: StoredCheckpoint] = [:]
      for (partition, start) in starts where start.offset > start.log.logStartOffset {
        guard case .success = outcome[partition] else { continue }
        var checkpoint = StoredCheckpoint(start.log.checkpoint)
        checkpoint.logStartOffset = start.offset
        checkpoints[PartitionID(start.topic.id, partition.partition)] = checkpoint
      }
      var failure: EventLogError?
      do throws(EventLogError) { try broker.metadata.save(checkpoints) } catch { failure = error }
      for (partition, start) in starts {
        guard case .success = outcome[partition] else { continue }
        do throws(EventLogError) {
          if let failure { throw failure }
          guard broker.topicTable.find(partition.topic)?.id == start.topic.id else {
            throw EventLogError(.unknownTopicOrPartition, "the topic was deleted meanwhile")
          }
          try start.log.advanceLogStart(to: start.offset)
          outcome[partition] = .success(start.log.logStartOffset)
        } catch {
          outcome[partition] = .failure(error.at(partition))
        }
      }
      return outcome
    }
  }
}
