public import RecordFormat

/// A `transactional.id` in a list (Kafka's `TransactionListing`).
public struct TransactionListing: Sendable, Hashable {
  public var transactionalID: String
  public var producerID: Int64
  public var state: TransactionState
}

/// A `transactional.id` and its transaction (Kafka's `TransactionDescription`).
public struct TransactionDescription: Sendable, Hashable {
  public var transactionalID: String
  public var producerID: Int64
  public var producerEpoch: Int16
  public var state: TransactionState
  /// `transaction.timeout.ms`
  public var timeout: Duration
  /// When the transaction that is open wrote its first record, in milliseconds since 1970; nil where none is open.
  public var startTime: Int64?
  /// The partitions that the transaction has written to, or where its markers are still missing.
  public var partitions: Set<TopicPartition>
}

/// A transaction that a partition has open and that nobody will end: readers with `read_committed` get no further than its
/// beginning. A log that was imported may have some.
public struct HangingTransaction: Sendable, Hashable {
  public var topicPartition: TopicPartition
  public var producerID: Int64
  public var producerEpoch: Int16
  /// Of the last marker that its producer got; -1 where it got none.
  public var coordinatorEpoch: Int32
  /// Where it begins.
  public var startOffset: Int64
  /// The timestamp of its producer's last batch, in milliseconds since 1970.
  public var lastTimestamp: Int64
}
