public import RecordFormat

/// What a topic is (`describeTopics`).
public struct TopicDescription: Sendable {
  /// The topic's name.
  public var name: String
  /// The topic's id in Kafka's text form (KIP-516): a topic that is deleted and made again has another one.
  public var id: String
  /// The partitions, by number. Leader and only replica of each is this store.
  public var partitions: [PartitionDescription]
  /// The configurations that differ from the defaults.
  public var configs: [String: String]
  /// Whether the topic is the library's own: its name begins with `__`.
  public var isInternal: Bool { TopicName.isInternal(name) }
}

/// What a partition is.
public struct PartitionDescription: Sendable {
  /// The partition's number, from 0.
  public var partition: Int
  /// The first offset that can be read.
  public var logStartOffset: Int64 = 0
  /// The offset that the next record gets.
  public var logEndOffset: Int64 = 0
  /// Consumers read below this.
  public var highWatermark: Int64 = 0
  /// Bytes of all batches on disk, without the room that is reserved ahead of them.
  public var sizeInBytes: Int64 = 0
  /// How many segments the log has, the active one included.
  public var segmentCount = 0
  /// Why the partition can't be used, if it could not be opened; the numbers are 0 then.
  public var error: EventLogError?

  init(_ partition: Int) {
    self.partition = partition
  }
}
