public import RecordFormat

/// Told what a consumer in a group gains and loses (Kafka's `ConsumerRebalanceListener`).
///
/// The methods run within `poll`, on the task that polls, and are awaited before anything goes on: a partition is taken
/// away only when `partitionsRevoked` has returned, so that it may commit. What they throw, `poll` throws.
public protocol RebalanceListener: Sendable {
  /// These are about to be taken away; what was read of them can still be committed.
  func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws
  /// These were added; positions can be set with `seek`.
  func partitionsAssigned(_ partitions: [TopicPartition], to consumer: Consumer) async throws
  /// These are gone already, because the group went on without this member; commits are refused.
  func partitionsLost(_ partitions: [TopicPartition], from consumer: Consumer) async throws
}

extension RebalanceListener {
  public func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws {}
  public func partitionsAssigned(_ partitions: [TopicPartition], to consumer: Consumer) async throws {}
  /// As in Kafka, lost partitions count as revoked where nothing else is said.
  public func partitionsLost(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
    try await partitionsRevoked(partitions, from: consumer)
  }
}
