public import RecordFormat

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
