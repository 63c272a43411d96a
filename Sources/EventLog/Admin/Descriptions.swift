public import RecordFormat

/// What a topic is (`describeTopics`).
public struct TopicDescription: Sendable {
  public var name: String
  /// The topic's id in Kafka's text form (KIP-516): a topic that is deleted and made again has another one.
  public var id: String
  public var partitions: [PartitionDescription]
  /// The configurations that differ from the defaults.
  public var configs: [String: String]
}

/// What a partition is.
public struct PartitionDescription: Sendable {
  public var partition: Int
  /// The first offset that can be read.
  public var logStartOffset: Int64
  /// The offset that the next record gets.
  public var logEndOffset: Int64
  /// Consumers read below this.
  public var highWatermark: Int64
  /// Bytes of all batches on disk.
  public var sizeInBytes: Int64
  public var segmentCount: Int
  /// Why the partition can't be used, if it could not be opened; the numbers are 0 then.
  public var error: EventLogError?
}

/// One configuration and where its value is from (`describeConfigs`).
public struct ConfigEntry: Sendable, Hashable {
  /// Where a value is from, by Kafka's names.
  public enum Source: String, Sendable, Hashable {
    case dynamicTopicConfig = "DYNAMIC_TOPIC_CONFIG"
    case staticBrokerConfig = "STATIC_BROKER_CONFIG"
    case defaultConfig = "DEFAULT_CONFIG"
  }

  public var name: String
  public var value: String
  public var source: Source
  /// Kafka's type: `LONG`, `LIST`, …
  public var type: String
  public var documentation: String
  public var isDefault: Bool { source == .defaultConfig }
}

/// One change of a topic's configurations (`incrementalAlterConfigs`, KIP-339).
public enum AlterConfigOperation: Sendable, Hashable {
  case set(String, String)
  /// Back to the default.
  case delete(String)
  /// Adds to a list.
  case append(String, String)
  /// Takes from a list.
  case subtract(String, String)
}

/// Which offset is asked for (`listOffsets`).
public enum OffsetSpec: Sendable, Hashable {
  /// The log start.
  case earliest
  /// The high watermark.
  case latest
  /// The first record whose timestamp is at least this, in milliseconds since 1970.
  case timestamp(Int64)
  /// The first record that has the largest timestamp of all (KIP-734).
  case maxTimestamp
}

/// An offset, and the timestamp of the record there; nil where no record was asked for.
public struct OffsetAndTimestamp: Sendable, Hashable {
  public var offset: Int64
  /// Milliseconds since 1970.
  public var timestamp: Int64?

  public init(offset: Int64, timestamp: Int64? = nil) {
    self.offset = offset
    self.timestamp = timestamp
  }
}

/// A group in a list.
public struct GroupListing: Sendable, Hashable {
  public var id: String
  public var state: GroupState
}

/// What a group is (`describeConsumerGroups`).
public struct GroupDescription: Sendable {
  public struct Member: Sendable {
    public var id: String
    public var topics: [String]
    public var assignment: [TopicPartition]
  }

  public var id: String
  public var state: GroupState
  public var generation: Int32
  /// How the group divides partitions; nil while it is empty.
  public var assignor: GroupAssignor?
  public var members: [Member]
}

/// What an import took in.
public struct ImportResult: Sendable {
  public var topicPartition: TopicPartition
  public var segments: Int
  public var batches: Int
  public var records: Int
  public var logStartOffset: Int64
  public var logEndOffset: Int64
  public var sizeInBytes: Int64
}
