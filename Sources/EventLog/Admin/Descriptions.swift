public import RecordFormat

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
  /// The partition as it is called here.
  public var topicPartition: TopicPartition
  /// How many segments were taken in.
  public var segments: Int
  /// How many batches, those of control records included.
  public var batches: Int
  /// How many records, control records included.
  public var records: Int
  /// The first offset that can be read.
  public var logStartOffset: Int64
  /// The offset that the next record gets.
  public var logEndOffset: Int64
  /// Bytes of all batches.
  public var sizeInBytes: Int64
}
