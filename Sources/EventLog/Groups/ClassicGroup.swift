internal import RecordFormat

/// A group of the classic protocol: generations that all members join together. The coordinator, not a leader among the
/// members, divides the partitions.
struct ClassicGroup {
  struct Member {
    let id: String
    var request: JoinRequest
    /// Whether it has joined the generation that is being prepared.
    var hasJoined = false
    /// The generation whose assignment it was told.
    var syncedGeneration: Int32 = -1
    var assignment: [TopicPartition] = []
    /// Whether the current generation gave it something, be it nothing.
    var hasAssignment = false
    var lastPoll: Int64
    /// When the consumer of a static member went away.
    var awaySince: Int64?
  }

  let id: String
  private(set) var state: GroupState = .empty
  private(set) var generation: Int32
  private(set) var members: [String: Member] = [:]
  private(set) var assignor: GroupAssignor?
  /// Static members' current ids, by their instance ids (KIP-345).
  private var instances: [String: String] = [:]
  /// When a rebalance goes on without who has not joined.
  private var deadline: Int64?
  /// Before this, the first rebalance waits for more members even if all known ones have joined.
  private var notBefore = Int64.min
  /// What is left of the time by which newcomers may put the first rebalance off.
  private var delayLeft: Int64 = 0
  private var hasNewcomers = false
  /// Why the last rebalance came to nothing: what a custom assignor did wrong.
  private var failure: EventLogError?

  init(id: String, generation: Int32 = 0) {
    self.id = id
    self.generation = generation
  }

  var isEmpty: Bool { members.isEmpty }

  // MARK: Joining

  mutating func join(
    _ request: JoinRequest, newID: () -> String, _ environment: GroupEnvironment, _ effects: inout GroupEffects
  ) throws(EventLogError) -> JoinOutcome {
    let (id, mustRebalance) = try enter(request, newID: newID, environment)
    let wasWaiting = state == .preparingRebalance
    if state == .preparingRebalance {
      members[id]?.hasJoined = true
    } else if mustRebalance {
      prepare(environment, except: id, &effects)
      members[id]?.hasJoined = true
    }
    if wasWaiting || mustRebalance { completeIfAllJoined(environment, &effects) }
    effects.check(at: environment.now + request.rebalanceTimeout)
    if let failure { return .failed(memberID: id, failure) }
    guard state == .stable, let member = members[id] else { return .waiting(memberID: id) }
    members[id]?.syncedGeneration = generation
    return .joined(GroupAssignment(memberID: id, generation: generation, partitions: member.assignment))
  }

  /// Finds or makes the member, and says whether its coming calls for a rebalance.
  private mutating func enter(
    _ request: JoinRequest, newID: () -> String, _ environment: GroupEnvironment
  ) throws(EventLogError) -> (id: String, mustRebalance: Bool) {
    try requireCommonAssignor(request)
    if let id = request.memberID {
      try validate(id, instanceID: request.instanceID)
      guard let old = members[id] else { throw .unknownMember(id, self.id) }
      // One that was not yet told what this generation gave it only fetches that.
      let isUnsynced = old.syncedGeneration != generation
      let changed =
        old.request.subscription != request.subscription || old.request.assignors != request.assignors
        || (!isUnsynced && Set(old.request.owned) != Set(request.owned))
      members[id]?.request = request
      members[id]?.lastPoll = environment.now
      return (id, changed && !(isUnsynced && old.request.subscription == request.subscription))
    }
    let id = newID()
    if let instance = request.instanceID, let oldID = instances[instance], let old = members.removeValue(forKey: oldID)
    {
      // A static member that comes back takes its place up again, and whoever still has the place is fenced.
      var member = Member(id: id, request: request, lastPoll: environment.now)
      member.assignment = old.assignment
      member.hasAssignment = old.hasAssignment
      member.hasJoined = old.hasJoined
      members[id] = member
      instances[instance] = id
      let isSame = old.request.subscription == request.subscription && old.request.assignors == request.assignors
      return (id, !isSame)
    }
    members[id] = Member(id: id, request: request, lastPoll: environment.now)
    if let instance = request.instanceID { instances[instance] = id }
    hasNewcomers = true
    return (id, true)
  }

  private func requireCommonAssignor(_ request: JoinRequest) throws(EventLogError) {
    let others = members.values.filter { member in
      member.id != request.memberID && (request.instanceID == nil || member.request.instanceID != request.instanceID)
    }
    guard !Self.common(others.map(\.request.assignors) + [request.assignors]).isEmpty else {
      throw EventLogError(
        .inconsistentGroupProtocol,
        "group \(id) has members that know none of the assignors "
          + request.assignors.map(\.name).joined(separator: ", "))
    }
  }

  /// Whether a static member has its place here, which it takes up again when it comes back.
  func keepsPlace(of instanceID: String?) -> Bool { instanceID.map { instances[$0] != nil } ?? false }

  /// - Throws: `fencedInstanceID`, `unknownMemberID`.
  func validate(_ id: String, instanceID: String?) throws(EventLogError) {
    if let instanceID, let current = instances[instanceID], current != id {
      throw .fencedInstance(instanceID, self.id)
    }
    guard members[id] != nil else { throw .unknownMember(id, self.id) }
  }

  /// Says that the member is alive. True where it has to join (again), or to fetch what the new generation gave it.
  mutating func heartbeat(
    _ id: String, instanceID: String?, generation: Int32, now: Int64
  ) throws(EventLogError) -> Bool {
    try validate(id, instanceID: instanceID)
    members[id]?.lastPoll = now
    guard let member = members[id] else { return false }
    if state == .preparingRebalance { return !member.hasJoined || failure != nil }
    guard generation != self.generation else { return false }
    guard member.syncedGeneration != self.generation else {
      throw EventLogError(
        .illegalGeneration, "group \(self.id) is at generation \(self.generation), the member at \(generation)")
    }
    return true
  }

  /// For a member that is about to leave in the middle of a rebalance: it counts as not having joined, so that nothing moves
  /// before it has committed and is gone.
  ///
  /// - Returns: what the current generation gave it, where it was not told yet.
  mutating func catchUp(_ id: String) -> GroupAssignment? {
    guard let member = members[id] else { return nil }
    members[id]?.hasJoined = false
    guard state != .empty, member.syncedGeneration != generation, member.hasAssignment else { return nil }
    members[id]?.syncedGeneration = generation
    return GroupAssignment(memberID: id, generation: generation, partitions: member.assignment)
  }

  // MARK: Leaving

  mutating func remove(_ id: String, _ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    guard let member = members.removeValue(forKey: id) else { return }
    if let instance = member.request.instanceID, instances[instance] == id { instances[instance] = nil }
    effects.wakes.append(member.request.wake)
    membersRemoved(environment, &effects)
  }

  /// The consumer of a static member went away; its place is kept for `session.timeout.ms`.
  mutating func detach(_ id: String, _ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    guard let member = members[id] else { return }
    members[id]?.awaySince = environment.now
    effects.check(at: environment.now + member.request.sessionTimeout)
  }

  private mutating func membersRemoved(_ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    if members.isEmpty {
      state = .empty
      generation += 1
      deadline = nil
      notBefore = .min
      assignor = nil
      failure = nil
      effects.generations.append((id, generation, nil))
    } else if state == .stable {
      prepare(environment, except: nil, &effects)
    } else {
      completeIfAllJoined(environment, &effects)
    }
  }

  // MARK: Rebalances

  /// Begins a rebalance: all members have to join again, but for `except`, which just did.
  mutating func prepare(_ environment: GroupEnvironment, except: String?, _ effects: inout GroupEffects) {
    guard !members.isEmpty else { return }
    // One that is being prepared is complete when all have come; it goes by the topics as they are then.
    if state == .preparingRebalance, failure == nil { return }
    let isFirst = state == .empty
    let longest = longestRebalanceTimeout
    state = .preparingRebalance
    failure = nil
    hasNewcomers = false
    notBefore = isFirst ? environment.now + environment.initialRebalanceDelay : .min
    delayLeft = isFirst ? max(0, longest - environment.initialRebalanceDelay) : 0
    let end = max(environment.now, notBefore) + longest
    deadline = end
    effects.check(at: end)
    if isFirst, environment.initialRebalanceDelay > 0 { effects.check(at: notBefore) }
    for id in members.keys where id != except {
      members[id]?.hasJoined = false
      if let member = members[id] { effects.wakes.append(member.request.wake) }
    }
  }

  private var longestRebalanceTimeout: Int64 { members.values.map(\.request.rebalanceTimeout).max() ?? 0 }

  /// Topics came, grew or went: all members have to say anew what they hold.
  mutating func topicsChanged(_ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    guard state == .preparingRebalance, failure == nil else { return prepare(environment, except: nil, &effects) }
    for (id, member) in members where member.hasJoined {
      members[id]?.hasJoined = false
      effects.wakes.append(member.request.wake)
    }
  }

  private mutating func completeIfAllJoined(_ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    guard state == .preparingRebalance, members.values.allSatisfy(\.hasJoined) else { return }
    guard environment.now >= notBefore else { return effects.check(at: notBefore) }
    complete(environment, &effects)
  }

  private mutating func complete(_ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    let assignor = chooseAssignor()
    let all = environment.topics()
    var counts: [String: Int] = [:]
    let described = members.values.map { member in
      let topics = member.request.subscription.resolve(all)
      for topic in topics { counts[topic] = all[topic] }
      return AssignorMember(
        id: member.id, instanceID: member.request.instanceID, topics: topics,
        owned: assignor == .sticky ? member.request.previous : member.request.owned,
        generation: member.request.ownedGeneration)
    }
    let assignment: [String: [TopicPartition]]
    do throws(EventLogError) {
      assignment = try assignor.checkedAssign(partitionCounts: counts, members: described)
    } catch {
      // Every member is told with its next poll, which tries again. Who does not come to that has another such time for it.
      failure = error
      let end = environment.now + longestRebalanceTimeout
      deadline = end
      effects.check(at: end)
      for id in members.keys {
        members[id]?.hasJoined = false
        if let member = members[id] { effects.wakes.append(member.request.wake) }
      }
      return
    }
    generation += 1
    state = .stable
    self.assignor = assignor
    deadline = nil
    failure = nil
    for (id, member) in members {
      members[id]?.assignment = (assignment[id] ?? []).sorted()
      members[id]?.hasAssignment = true
      // A static member may not have come, and is on its way out then.
      if member.hasJoined { members[id]?.lastPoll = environment.now }
      members[id]?.hasJoined = false
      effects.wakes.append(member.request.wake)
    }
    effects.generations.append((id, generation, assignor.name))
  }

  /// Kafka's vote: each member for its first choice among those that all know; the first member's order breaks a tie.
  private func chooseAssignor() -> GroupAssignor {
    let sorted = members.values.sorted { $0.id < $1.id }.map(\.request.assignors)
    let candidates = Self.common(sorted)
    var votes: [GroupAssignor: Int] = [:]
    for choice in sorted { if let first = choice.first(where: candidates.contains) { votes[first, default: 0] += 1 } }
    var best: GroupAssignor?
    for candidate in sorted.first ?? [] where candidates.contains(candidate) {
      if votes[candidate, default: 0] > best.map({ votes[$0, default: 0] }) ?? -1 { best = candidate }
    }
    return best ?? .range
  }

  private static func common(_ lists: [[GroupAssignor]]) -> Set<GroupAssignor> {
    guard let first = lists.first else { return [] }
    return lists.dropFirst().reduce(into: Set(first)) { $0.formIntersection($1) }
  }

  // MARK: Time

  /// Drops members that stayed away from `poll`, from a rebalance, or altogether, for too long.
  mutating func checkTimeouts(_ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    let now = environment.now
    if state == .preparingRebalance, notBefore != .min, now >= notBefore, hasNewcomers, delayLeft > 0 {
      let more = min(environment.initialRebalanceDelay, delayLeft)
      delayLeft -= more
      notBefore = now + more
      hasNewcomers = false
    }
    // A poll may wait for longer than `max.poll.interval.ms`: nobody is late who is in one.
    for (id, member) in members where now >= Self.pollDeadline(member) && member.request.isPolling() {
      members[id]?.lastPoll = now
    }
    let isOver = state == .preparingRebalance && now >= deadline ?? .max
    let late = members.values.filter { member in
      if let awaySince = member.awaySince { return now - awaySince >= member.request.sessionTimeout }
      // A member that waits for the others is not late; one that missed the rebalance is, unless its place is static.
      if state == .preparingRebalance, member.hasJoined { return false }
      if isOver, member.request.instanceID == nil { return true }
      return now >= Self.pollDeadline(member)
    }
    for member in late {
      members[member.id] = nil
      if let instance = member.request.instanceID, instances[instance] == member.id { instances[instance] = nil }
      effects.wakes.append(member.request.wake)
    }
    if !late.isEmpty { membersRemoved(environment, &effects) }
    if isOver, state == .preparingRebalance, !members.isEmpty {
      complete(environment, &effects)
    } else {
      completeIfAllJoined(environment, &effects)
    }
    effects.check(at: nextTimeout(after: now))
  }

  private func nextTimeout(after now: Int64) -> Int64 {
    var next = deadline ?? .max
    // Once that is over, it is the members that are waited for.
    if state == .preparingRebalance, notBefore > now { next = min(next, notBefore) }
    for member in members.values {
      if let awaySince = member.awaySince {
        next = min(next, awaySince + member.request.sessionTimeout)
      } else if !(state == .preparingRebalance && member.hasJoined) {
        next = min(next, Self.pollDeadline(member))
      }
    }
    return next
  }

  /// A static member that no longer polls loses its place only when its session has ended too.
  private static func pollDeadline(_ member: Member) -> Int64 {
    member.lastPoll + member.request.rebalanceTimeout
      + (member.request.instanceID == nil ? 0 : member.request.sessionTimeout)
  }

  // MARK: Commits

  /// Whether a member, or somebody who is none, may commit (Kafka's `validateOffsetCommit`).
  func validateCommit(memberID: String?, instanceID: String?, generation: Int32) throws(EventLogError) {
    guard let memberID else {
      guard members.isEmpty else {
        throw EventLogError(
          .unknownMemberID, "group \(id) has members; only they may commit. Close them first to set its offsets")
      }
      return
    }
    try validate(memberID, instanceID: instanceID)
    guard generation == self.generation else {
      throw EventLogError(
        .illegalGeneration, "group \(id) is at generation \(self.generation), the commit is of \(generation)")
    }
  }
}
