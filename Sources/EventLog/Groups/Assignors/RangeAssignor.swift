internal import RecordFormat

/// Kafka's `RangeAssignor`, that of the classic protocol and that of KIP-848 alike: each topic by itself, in runs of
/// neighbours, the first members getting one more where it does not come out even.
struct RangeAssignor: PartitionAssignor {
  var name: String { "range" }

  func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
    let input = AssignorInput(partitionCounts, members, orderedBy: AssignorMember.precedesByInstance)
    var owners = [Int](repeating: -1, count: input.partitionCount)
    var next = input.bases
    var extra = zip(input.counts, input.subscriberCounts).map { $0 % $1 }
    for member in input.members.indices {
      for topic in input.subscriptions[member] {
        var share = input.counts[topic] / input.subscriberCounts[topic]
        if extra[topic] > 0 {
          share += 1
          extra[topic] -= 1
        }
        for partition in next[topic]..<(next[topic] + share) { owners[partition] = member }
        next[topic] += share
      }
    }
    return input.assignment(owners: owners)
  }
}
