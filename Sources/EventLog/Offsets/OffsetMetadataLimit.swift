internal import RecordFormat

/// Offsets of which each obeys `offset.metadata.max.bytes`, and the reason why others are left out.
///
/// As in Kafka, a partition whose metadata is too large is refused by itself: the others of the same call are committed, and
/// the caller is told of the refusal after that.
struct FittingOffsets {
  private(set) var offsets: [TopicPartition: OffsetAndMetadata]
  /// Of the first partition, by topic and number, that was left out; nil where none was.
  private(set) var refusal: EventLogError?

  /// - Parameter limit: `offset.metadata.max.bytes`.
  init(_ all: [TopicPartition: OffsetAndMetadata], limit: Int) {
    offsets = all
    var first: TopicPartition?
    for (partition, offset) in all {
      guard let refusal = Self.refusal(of: offset, for: partition, limit: limit) else { continue }
      offsets[partition] = nil
      if let first, (first.topic, first.partition) < (partition.topic, partition.partition) { continue }
      first = partition
      self.refusal = refusal
    }
  }

  private static func refusal(
    of offset: OffsetAndMetadata, for partition: TopicPartition, limit: Int
  ) -> EventLogError? {
    let count = offset.metadata.utf8.count
    guard count > limit else { return nil }
    return EventLogError(
      .offsetMetadataTooLarge, "the metadata has \(count) bytes; offset.metadata.max.bytes allows \(limit)"
    ).at(partition)
  }
}
