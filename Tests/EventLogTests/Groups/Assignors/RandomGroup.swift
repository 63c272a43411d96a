import RecordFormat

@testable import EventLog
import SegmentStore

/// A group at random that goes from assignment to assignment, with what can be asked of every one of them.
struct RandomGroup {
  var counts: [String: Int] = [:]
  var members: [AssignorMember] = []
  private let hasEqualTopics: Bool
  private var generation: Int32 = 0
  private var joined = 0

  init(using generator: inout SplitMix, equalTopics: Bool? = nil) {
    hasEqualTopics = equalTopics ?? Bool.random(using: &generator)
    for topic in 0..<Int.random(in: 1...6, using: &generator) {
      counts["topic\(topic)"] = Int.random(in: 1...12, using: &generator)
    }
    for _ in 0..<Int.random(in: 1...8, using: &generator) { join(using: &generator) }
  }

  private mutating func join(using generator: inout SplitMix) {
    joined += 1
    let id = "member-\(UInt16.random(in: 0...999, using: &generator))-\(joined)"
    members.append(AssignorMember(id: id, topics: subscription(using: &generator)))
  }

  private func subscription(using generator: inout SplitMix) -> Set<String> {
    if hasEqualTopics { return Set((0..<6).map { "topic\($0)" }) }
    // Sorted, since the order of a dictionary is another in each process.
    let topics = counts.keys.sorted()
    let some = topics.filter { _ in Bool.random(using: &generator) }
    return some.isEmpty ? Set(topics.prefix(1)) : Set(some)
  }

  /// Lets a member come, go or change its topics, or a topic grow or go.
  mutating func change(using generator: inout SplitMix) {
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      switch Int.random(in: 0..<6, using: &generator) {
      case 0, 1: join(using: &generator)
      case 2 where members.count > 1: members.remove(at: Int.random(in: members.indices, using: &generator))
      case 3 where !hasEqualTopics:
        let index = Int.random(in: members.indices, using: &generator)
        members[index].topics = subscription(using: &generator)
      case 4: counts["topic0", default: 0] += 1
      case 5 where counts.count > 2: counts[counts.keys.max() ?? ""] = nil
      default: break
      }
    }
    members.shuffle(using: &generator)
  }

  mutating func take(_ assignment: [String: [TopicPartition]]) {
    generation += 1
    for index in members.indices {
      members[index].owned = assignment[members[index].id] ?? []
      members[index].generation = generation
    }
  }

  var wanted: Set<TopicPartition> {
    Set(
      counts.filter { topic in members.contains { $0.topics.contains(topic.key) } }.flatMap { topic, count in
        (0..<count).map { TopicPartition(topic, $0) }
      })
  }

  var unassigned: Set<TopicPartition> { wanted.subtracting(members.flatMap(\.owned)) }

  /// A partition that would be better off with a member that has at least two fewer than its owner.
  var improvement: TopicPartition? {
    for rich in members {
      for poor in members where poor.owned.count + 1 < rich.owned.count {
        if let found = rich.owned.first(where: { poor.topics.contains($0.topic) }) { return found }
      }
    }
    return nil
  }
}
