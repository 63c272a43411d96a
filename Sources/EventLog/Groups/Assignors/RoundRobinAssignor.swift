internal import RecordFormat

/// Kafka's `RoundRobinAssignor`: all partitions in order, members in a circle, passing over who did not subscribe.
struct RoundRobinAssignor: PartitionAssignor {
  var name: String { "roundrobin" }

  func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
    let input = AssignorInput(partitionCounts, members, orderedBy: AssignorMember.precedesByInstance)
    var owners = [Int](repeating: -1, count: input.partitionCount)
    var turn = 0
    for (partition, topic) in input.topicOf.enumerated() {
      // Ends: a topic without subscribers is no part of the input.
      while !input.subscribes(turn, to: topic) { turn = (turn + 1) % input.members.count }
      owners[partition] = turn
      turn = (turn + 1) % input.members.count
    }
    return input.assignment(owners: owners)
  }
}
