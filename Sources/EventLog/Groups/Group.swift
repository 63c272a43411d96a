internal import RecordFormat

/// One group, under the coordinator's lock.
struct Group {
  struct Member {
    let id: String
    var request: JoinRequest
    /// Whether it has joined the generation that is being prepared.
    var hasJoined: Bool
    var lastPoll: Int64
    var assignment: [TopicPartition]
    /// Whether it was told its assignment of the current generation.
    var wasAnswered: Bool
  }

  let id: String
  var state: GroupState = .empty
  var generation: Int32 = 0
  var members: [String: Member] = [:]
  var assignor: GroupAssignor?
  /// When a rebalance goes on without who has not joined.
  var deadline: Int64?
  /// Before this, a rebalance waits for more members even if all known ones have joined.
  var notBefore: Int64 = 0

  /// Begins a rebalance: all members have to join again, but for `except`, which just did.
  mutating func prepare(now: Int64, delay: Int64, except: String?, _ effects: inout GroupCoordinator.Effects) {
    state = .preparingRebalance
    notBefore = now + delay
    deadline = notBefore + (members.values.map(\.request.rebalanceTimeout).max() ?? 0)
    for id in members.keys where id != except {
      members[id]?.hasJoined = false
      if let member = members[id] { effects.wakes.append(member.request.wake) }
    }
    if delay > 0 { effects.deadlines.append(notBefore) }
    if let deadline { effects.deadlines.append(deadline) }
  }

  /// Whether the other members know one of these.
  func supportsAny(of assignors: [GroupAssignor], besides id: String) -> Bool {
    !common(Array(members.values.filter { $0.id != id }.map(\.request.assignors)) + [assignors]).isEmpty
  }

  /// Kafka's vote: each member for its first choice among those that all know; the first member's order breaks a tie.
  func chooseAssignor() -> GroupAssignor {
    let sorted = members.values.sorted { $0.id < $1.id }.map(\.request.assignors)
    let candidates = common(sorted)
    var votes: [GroupAssignor: Int] = [:]
    for choice in sorted { if let first = choice.first(where: candidates.contains) { votes[first, default: 0] += 1 } }
    let order = sorted.first ?? []
    return order.filter(candidates.contains).max { (votes[$0] ?? 0) < (votes[$1] ?? 0) } ?? .range
  }

  private func common(_ lists: [[GroupAssignor]]) -> Set<GroupAssignor> {
    guard let first = lists.first else { return [] }
    return lists.dropFirst().reduce(into: Set(first)) { $0.formIntersection($1) }
  }

  var nextTimeout: Int64? {
    let polls = members.values.map { $0.lastPoll + $0.request.rebalanceTimeout }
    return (polls + [deadline].compactMap(\.self) + (state == .preparingRebalance ? [notBefore] : [])).min()
  }
}
