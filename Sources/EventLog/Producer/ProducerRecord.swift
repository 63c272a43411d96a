public import RecordFormat

/// A record and where it goes.
public struct ProducerRecord: Hashable, Sendable {
  public var topic: String
  /// The partition; nil has the partitioner choose one.
  public var partition: Int?
  public var record: Record

  public init(topic: String, partition: Int? = nil, record: Record) {
    self.topic = topic
    self.partition = partition
    self.record = record
  }

  public init(
    topic: String, partition: Int? = nil, key: [UInt8]? = nil, value: [UInt8]?, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) {
    self.init(
      topic: topic, partition: partition,
      record: Record(key: key, value: value, headers: headers, timestamp: timestamp))
  }

  public init(
    topic: String, partition: Int? = nil, key: String? = nil, value: String, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) {
    self.init(
      topic: topic, partition: partition,
      record: Record(key: key, value: value, headers: headers, timestamp: timestamp))
  }
}

/// Where a record ended up (Kafka's `RecordMetadata`).
public struct RecordMetadata: Hashable, Sendable {
  public var topicPartition: TopicPartition
  /// The record's offset; -1 with `acks=0`, which does not tell.
  public var offset: Int64
  /// The record's timestamp in milliseconds since 1970: its own, or the append time where the topic says so.
  public var timestamp: Int64
  /// Bytes of the key; -1 where it is null.
  public var serializedKeySize: Int
  /// Bytes of the value; -1 where it is null.
  public var serializedValueSize: Int
}

/// Where a batch ended up.
public struct BatchMetadata: Hashable, Sendable {
  public var topicPartition: TopicPartition
  /// The first record's offset; the others follow without a gap. -1 with `acks=0`.
  public var baseOffset: Int64
  public var recordCount: Int
  /// The append time where the topic says so, else nil: each record has its own timestamp.
  public var logAppendTime: Int64?
}
