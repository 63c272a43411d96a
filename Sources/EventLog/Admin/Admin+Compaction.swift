public import RecordFormat
internal import SegmentStore

/// What a compaction did to a partition.
public struct CompactionResult: Sendable, Hashable {
  /// Up to this offset everything was compacted: the log end, unless a transaction is open or `min.compaction.lag.ms` holds
  /// it back.
  public var compactedTo: Int64
  /// Bytes of all batches of the partition, before and after.
  public var sizeBefore: Int64
  public var sizeAfter: Int64
  public var segmentsBefore: Int
  public var segmentsAfter: Int
  /// Records that were looked at, and those of them that are kept.
  public var recordsRead: Int
  public var recordsKept: Int
}

extension Admin {
  /// Compacts a partition now, whatever `min.cleanable.dirty.ratio` says: of each key the latest record stays. The active
  /// segment is rolled first, so that it takes part.
  ///
  /// Tombstones stay for `delete.retention.ms` from their first pass on, and go in a later one.
  ///
  /// - Throws: `policyViolation` where `cleanup.policy` has no `compact`; `illegalState` where the partition is being
  ///   compacted at this moment; `diskFull`, after which it can be tried again; `corruptMessage` where the log is damaged;
  ///   `unknownTopicOrPartition`, `readOnly`.
  @discardableResult
  public func compact(_ partition: TopicPartition) throws -> CompactionResult {
    try requireWritable()
    return try compactNow(partition)
  }

  /// Compacts partitions; each succeeds or fails by itself.
  public func compact(
    each partitions: [TopicPartition]
  ) throws -> [TopicPartition: Result<CompactionResult, EventLogError>] {
    try requireWritable()
    return results(of: Set(partitions)) { partition throws(EventLogError) in try compactNow(partition) }
  }

  private func compactNow(_ partition: TopicPartition) throws(EventLogError) -> CompactionResult {
    let log = try broker.partition(partition).log()
    guard log.configuration.isCompacted else {
      throw EventLogError(.policyViolation, "a topic is compacted where its cleanup.policy has compact").at(partition)
    }
    let sizeBefore = log.sizeInBytes
    let segmentsBefore = log.segments.count
    try log.rollActiveSegment()
    try log.flush()
    try log.finishRolledSegments()
    let stats = try broker.cleaner.compact(log, saveCheckpoint: broker.saveCheckpoint)
    return CompactionResult(
      compactedTo: stats.cleanedTo, sizeBefore: sizeBefore, sizeAfter: log.sizeInBytes, segmentsBefore: segmentsBefore,
      segmentsAfter: log.segments.count, recordsRead: stats.recordsRead, recordsKept: stats.recordsKept)
  }
}
