public import RecordFormat
internal import SegmentStore

/// How far a reader of a partition is behind: in records, in bytes, and in time.
public struct PartitionLag: Sendable, Hashable {
  /// Offsets between the position and the end (Kafka's `records-lag`), with those of transaction markers and of records that
  /// compaction removed.
  public var records: Int64
  /// Bytes of the batches that are still to be read, as they lie in the log; a batch that is read in part counts whole. nil
  /// for a broker that was opened read-only.
  public var bytes: Int64?
  /// The timestamp of the next record to read, in milliseconds since 1970; nil where there is none.
  public var timestamp: Int64?
  /// How long ago that was, by the broker's clock; zero where there is nothing to read, or the timestamp is in the future.
  public var age: Duration
}

extension Admin {
  /// How far behind a reader is that goes on at `offset`. Looks at one batch, however much there is to read.
  ///
  /// - Parameters:
  ///   - offset: the next offset to read, such as a committed one. Below the log start, it is what a reader finds from there
  ///     on; beyond the end, nothing.
  ///   - isolation: what the reader sees of transactions.
  /// - Throws: `unknownTopicOrPartition`; `illegalArgument` for a negative offset; `corruptMessage` where the next batch is
  ///   damaged.
  public func describeLag(
    _ partition: TopicPartition, from offset: Int64, isolation: Isolation = .readUncommitted
  ) throws -> PartitionLag {
    try broker.requireOpen()
    return try lag(partition, from: offset, isolation)
  }

  /// How far behind readers of partitions are, by their positions; each succeeds or fails by itself.
  public func describeLag(
    each positions: [TopicPartition: Int64], isolation: Isolation = .readUncommitted
  ) throws -> [TopicPartition: Result<PartitionLag, EventLogError>] {
    try broker.requireOpen()
    return results(of: positions.keys) { partition throws(EventLogError) in
      try lag(partition, from: positions[partition] ?? 0, isolation)
    }
  }

  private func lag(
    _ topicPartition: TopicPartition, from offset: Int64, _ isolation: Isolation
  ) throws(EventLogError) -> PartitionLag {
    guard offset >= 0 else {
      throw EventLogError(.illegalArgument, "a position can't be negative", offset: offset).at(topicPartition)
    }
    let partition = try broker.partition(topicPartition)
    let position = max(offset, try partition.logStartOffset())
    let end = try partition.endOffset(isolation)
    guard position < end else {
      return PartitionLag(records: 0, bytes: broker.isReadOnly ? nil : 0, timestamp: nil, age: .zero)
    }
    var lag = PartitionLag(records: end - position, bytes: nil, timestamp: nil, age: .zero)
    switch partition {
    case .log(let log):
      let backlog = try log.backlog(from: position, isolation: isolation.level)
      lag.bytes = backlog.bytes
      lag.timestamp = backlog.firstTimestamp
    case .reader(let reader):
      lag.timestamp = try reader.firstTimestamp(from: position)
    case .offline(_, let error): throw error
    }
    if let timestamp = lag.timestamp {
      let (age, overflow) = broker.context.time.wallMilliseconds().subtractingReportingOverflow(timestamp)
      lag.age = .milliseconds(overflow ? .max : max(0, age))
    }
    return lag
  }
}
