internal import RecordFormat

/// Refuses what an assignor may not answer, before it reaches a member: two readers of a partition, or a reader of a
/// partition that is not there, would be noticed much later and far from the cause.
struct AssignmentValidator {
  let partitionCounts: [String: Int]
  let members: [AssignorMember]

  func validate(
    _ assignment: [String: [TopicPartition]], of name: String, isCooperative: Bool
  ) throws(EventLogError) {
    let topics = Dictionary(members.map { ($0.id, $0.topics) }) { first, _ in first }
    var takers: [TopicPartition: String] = [:]
    // In order, so that the same mistake gives the same message.
    for (id, partitions) in assignment.sorted(by: { $0.key < $1.key }) {
      guard let subscribed = topics[id] else {
        throw refusal(name, "gave partitions to \(id), which is no member of the group", partitions.first)
      }
      for partition in partitions {
        guard partition.partition >= 0, partition.partition < partitionCounts[partition.topic] ?? 0 else {
          throw refusal(name, "gave \(id) a partition that does not exist", partition)
        }
        guard subscribed.contains(partition.topic) else {
          throw refusal(name, "gave \(id) a partition of a topic that it did not subscribe to", partition)
        }
        if let other = takers.updateValue(id, forKey: partition) {
          let whom = other == id ? "\(id) twice" : "both \(other) and \(id)"
          throw refusal(name, "gave the same partition to \(whom)", partition)
        }
      }
    }
    if isCooperative { try validateHandover(takers, of: name) }
  }

  /// In the cooperative protocol nobody gets what its owner has not let go of yet (`validateCooperativeAssignment`).
  private func validateHandover(_ takers: [TopicPartition: String], of name: String) throws(EventLogError) {
    var owners: [TopicPartition: [String]] = [:]
    for member in members { for partition in member.owned { owners[partition, default: []].append(member.id) } }
    let early = takers.filter { partition, id in
      owners[partition].map { !$0.contains(id) } ?? false
    }
    guard let partition = early.keys.min(), let id = early[partition] else { return }
    throw refusal(name, "is cooperative, but gave \(id) a partition that another member has not let go of", partition)
  }

  private func refusal(_ name: String, _ what: String, _ partition: TopicPartition?) -> EventLogError {
    EventLogError(
      .illegalState, "the assignor \(name) \(what); nothing was assigned, the assignor has to be corrected",
      topic: partition?.topic, partition: partition?.partition)
  }
}
