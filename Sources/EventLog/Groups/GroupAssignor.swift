internal import RecordFormat

/// How a group divides partitions among its members (`partition.assignment.strategy`), by Kafka's names.
public enum GroupAssignor: String, Sendable, Hashable, CaseIterable {
  /// Of each topic, every member gets a run of neighbouring partitions.
  case range
  /// All partitions in turn.
  case roundRobin = "roundrobin"
  /// Evenly, and each member keeps what it had as far as that allows.
  case sticky
  /// As `sticky`, but members go on with what they keep while the rest moves (KIP-429).
  case cooperativeSticky = "cooperative-sticky"

  /// Whether members keep their partitions during a rebalance.
  var isCooperative: Bool { self == .cooperativeSticky }

  /// Divides the partitions of `topics` among `members`.
  func assign(topics: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
    switch self {
    case .range: RangeAssignor.assign(topics, members)
    case .roundRobin: RoundRobinAssignor.assign(topics, members)
    case .sticky: StickyAssignor.assign(topics, members)
    case .cooperativeSticky: CooperativeStickyAssignor.assign(topics, members)
    }
  }
}

/// What an assignor knows of a member.
struct AssignorMember: Sendable {
  var id: String
  var topics: Set<String>
  /// What it had after the last rebalance it took part in.
  var owned: [TopicPartition] = []
  /// The generation of that rebalance; an older claim loses against a newer one.
  var generation: Int32 = -1
}

/// Kafka's `RangeAssignor`: per topic, in the order of names; members in the order of their ids.
enum RangeAssignor {
  static func assign(_ topics: [String: Int], _ members: [AssignorMember]) -> [String: [TopicPartition]] {
    var result = Dictionary(uniqueKeysWithValues: members.map { ($0.id, [TopicPartition]()) })
    for (topic, count) in topics.sorted(by: { $0.key < $1.key }) {
      let interested = members.filter { $0.topics.contains(topic) }.map(\.id).sorted()
      guard !interested.isEmpty else { continue }
      let each = count / interested.count
      let extra = count % interested.count
      var next = 0
      for (index, member) in interested.enumerated() {
        let share = each + (index < extra ? 1 : 0)
        result[member, default: []] += (next..<(next + share)).map { TopicPartition(topic, $0) }
        next += share
      }
    }
    return result
  }
}

/// Kafka's `RoundRobinAssignor`: all partitions in order, members in a circle, passing over who did not subscribe.
enum RoundRobinAssignor {
  static func assign(_ topics: [String: Int], _ members: [AssignorMember]) -> [String: [TopicPartition]] {
    let sorted = members.sorted { $0.id < $1.id }
    var result = Dictionary(uniqueKeysWithValues: members.map { ($0.id, [TopicPartition]()) })
    var turn = 0
    for (topic, count) in topics.sorted(by: { $0.key < $1.key }) {
      guard sorted.contains(where: { $0.topics.contains(topic) }) else { continue }
      for partition in 0..<count {
        while !sorted[turn % sorted.count].topics.contains(topic) { turn += 1 }
        result[sorted[turn % sorted.count].id, default: []].append(TopicPartition(topic, partition))
        turn += 1
      }
    }
    return result
  }
}

/// As even as can be, with as few moves as that takes.
enum StickyAssignor {
  static func assign(_ topics: [String: Int], _ members: [AssignorMember]) -> [String: [TopicPartition]] {
    let sorted = members.sorted { $0.id < $1.id }
    var result = Dictionary(uniqueKeysWithValues: sorted.map { ($0.id, [TopicPartition]()) })
    let all = topics.sorted { $0.key < $1.key }.flatMap { topic, count in
      (0..<count).map { TopicPartition(topic, $0) }
    }
    guard !sorted.isEmpty else { return [:] }
    var owner = owners(sorted, topics: topics)
    let subscriptions = Dictionary(uniqueKeysWithValues: sorted.map { ($0.id, $0.topics) })
    for partition in all { if let id = owner[partition] { result[id, default: []].append(partition) } }

    // Members that have more than their share give up the last ones; those that have none left to give stay.
    let counted = all.filter { partition in sorted.contains { $0.topics.contains(partition.topic) } }
    let isUniform = Set(sorted.map(\.topics)).count == 1
    if isUniform {
      let least = counted.count / sorted.count
      var mayHaveMore = counted.count % sorted.count
      for member in sorted.sorted(by: { (result[$0.id]?.count ?? 0) > (result[$1.id]?.count ?? 0) }) {
        let has = result[member.id]?.count ?? 0
        let quota = has > least && mayHaveMore > 0 ? least + 1 : least
        if has > least { mayHaveMore -= quota - least }
        for partition in (result[member.id] ?? []).dropFirst(quota) { owner[partition] = nil }
        result[member.id] = Array((result[member.id] ?? []).prefix(quota))
      }
    }
    for partition in counted where owner[partition] == nil {
      guard let id = poorest(sorted, for: partition.topic, result) else { continue }
      owner[partition] = id
      result[id, default: []].append(partition)
    }
    if !isUniform { balance(&result, sorted, subscriptions) }
    return result
  }

  /// Who had what, where the newest claim counts, and of two of the same age neither.
  private static func owners(_ members: [AssignorMember], topics: [String: Int]) -> [TopicPartition: String] {
    var claims: [TopicPartition: (id: String?, generation: Int32)] = [:]
    for member in members {
      for partition in member.owned
      where member.topics.contains(partition.topic) && partition.partition < topics[partition.topic] ?? 0 {
        if let other = claims[partition], other.generation >= member.generation {
          if other.generation == member.generation { claims[partition] = (nil, member.generation) }
        } else {
          claims[partition] = (member.id, member.generation)
        }
      }
    }
    return claims.compactMapValues(\.id)
  }

  private static func poorest(
    _ members: [AssignorMember], for topic: String, _ result: [String: [TopicPartition]]
  ) -> String? {
    members.filter { $0.topics.contains(topic) }
      .min { (result[$0.id]?.count ?? 0, $0.id) < (result[$1.id]?.count ?? 0, $1.id) }?.id
  }

  /// Moves single partitions from who has more to who may have them and has at least two fewer, until there is none.
  private static func balance(
    _ result: inout [String: [TopicPartition]], _ members: [AssignorMember], _ subscriptions: [String: Set<String>]
  ) {
    var moved = true
    while moved {
      moved = false
      for rich in members.sorted(by: { (result[$0.id]?.count ?? 0) > (result[$1.id]?.count ?? 0) }) {
        for (index, partition) in (result[rich.id] ?? []).enumerated().reversed() {
          guard let poor = poorest(members, for: partition.topic, result),
            (result[poor]?.count ?? 0) + 1 < result[rich.id]?.count ?? 0
          else { continue }
          result[rich.id]?.remove(at: index)
          result[poor, default: []].append(partition)
          moved = true
          break
        }
      }
    }
  }
}

/// `StickyAssignor`, in two steps: what another member still holds is given to nobody until that member let go of it.
enum CooperativeStickyAssignor {
  static func assign(_ topics: [String: Int], _ members: [AssignorMember]) -> [String: [TopicPartition]] {
    let target = StickyAssignor.assign(topics, members)
    var holders: [TopicPartition: Set<String>] = [:]
    for member in members { for partition in member.owned { holders[partition, default: []].insert(member.id) } }
    return Dictionary(
      uniqueKeysWithValues: target.map { id, partitions in
        (id, partitions.filter { holders[$0].map { $0.subtracting([id]).isEmpty } ?? true })
      })
  }
}
