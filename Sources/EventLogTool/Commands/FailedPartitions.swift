import ArgumentParser
import EventLog

/// The partitions that can't be read, or not further: each is told once and left out, the others go on, and the command
/// ends with a status of 1.
struct FailedPartitions {
  /// What to do about a damaged place, by the options of the command.
  let advice: String
  private(set) var partitions: Set<TopicPartition> = []

  init(advice: String) {
    self.advice = advice
  }

  func contains(_ partition: TopicPartition) -> Bool { partitions.contains(partition) }

  /// - Throws: an error that concerns no single partition.
  /// - Returns: the partition to leave out.
  @discardableResult
  mutating func note(_ error: EventLogError, in partition: TopicPartition? = nil) throws -> TopicPartition {
    let named = error.topic.flatMap { topic in error.partition.map { TopicPartition(topic, $0) } }
    guard let partition = named ?? partition else { throw error }
    var error = error
    error.topic = partition.topic
    error.partition = partition.partition
    if error.code == .corruptMessage { error.message += "; \(advice)" }
    if partitions.insert(partition).inserted { Terminal.error("eventlog: \(error)") }
    return partition
  }

  func throwIfAny() throws {
    if !partitions.isEmpty { throw ExitCode.failure }
  }
}
