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
    guard all.contains(where: { $0.value.metadata.utf8.count > limit }) else { return }
    var first: TopicPartition?
    for (partition, offset) in all {
      guard let refusal = offset.refusal(for: partition, limit: limit) else { continue }
      offsets[partition] = nil
      if let first, (first.topic, first.partition) < (partition.topic, partition.partition) { continue }
      first = partition
      self.refusal = refusal
    }
  }
}

extension OffsetAndMetadata {
  /// Why a partition's metadata is refused: it has more than `limit` bytes (`offset.metadata.max.bytes`). nil where it fits.
  func refusal(for partition: TopicPartition, limit: Int) -> EventLogError? {
    let count = metadata.utf8.count
    guard count > limit else { return nil }
    return EventLogError(
      .offsetMetadataTooLarge, "the metadata has \(count) bytes; offset.metadata.max.bytes allows \(limit)"
    ).at(partition)
  }
}
