internal import RecordFormat

/// A group of KIP-848's protocol (`group.protocol=consumer`): the broker works out a target assignment, and each member
/// moves towards it by itself. Nobody stands still but for what moves.
struct ConsumerGroup {
  enum MemberState: Sendable {
    /// Holds all of its target.
    case stable
    /// Has to let go of partitions first.
    case unrevokedPartitions
    /// Waits for partitions that others have not let go of.
    case unreleasedPartitions
  }

  struct Member {
    let id: String
    var request: ConsumerGroupHeartbeat
    var epoch: Int32
    var state = MemberState.stable
    var assigned: Set<TopicPartition> = []
    var pendingRevocation: Set<TopicPartition> = []
    /// When what is to be revoked has to be.
    var revocationDeadline: Int64?
    /// Whether there is something that it was not told yet.
    var hasNews = true
    var lastPoll: Int64
    /// When the consumer of a static member went away.
    var awaySince: Int64?
  }

  let id: String
  private(set) var epoch: Int32
  private(set) var members: [String: Member] = [:]
  private(set) var assignor = ServerAssignor.uniform
  private var target: [String: Set<TopicPartition>] = [:]
  /// Who holds a partition now: nobody else gets it before.
  private var owners: [TopicPartition: String] = [:]
  private var instances: [String: String] = [:]

  init(id: String, epoch: Int32 = 0) {
    self.id = id
    self.epoch = epoch
  }

  var isEmpty: Bool { members.isEmpty }

  var state: GroupState {
    if members.isEmpty { return .empty }
    return members.values.allSatisfy { $0.state == .stable && $0.epoch == epoch } ? .stable : .reconciling
  }

  // MARK: Members

  mutating func heartbeat(
    _ request: ConsumerGroupHeartbeat, newID: () -> String, _ environment: GroupEnvironment,
    _ effects: inout GroupEffects
  ) throws(EventLogError) -> ConsumerGroupAssignment {
    let id: String
    if let known = request.memberID { id = known } else { id = try enter(request, newID: newID, environment, &effects) }
    try validate(id, instanceID: request.instanceID)
    guard let old = members[id] else { throw .unknownMember(id, self.id) }
    if request.memberID != nil {
      guard request.epoch == old.epoch else {
        throw EventLogError(
          .fencedMemberEpoch, "group \(self.id) has the member at epoch \(old.epoch), and it says \(request.epoch)")
      }
      let isChanged =
        old.request.subscription != request.subscription || old.request.assignor != request.assignor
      members[id]?.request = request
      if isChanged { updateTarget(environment, &effects) }
    }
    members[id]?.lastPoll = environment.now
    reconcile(id, environment, &effects)
    effects.check(at: environment.now + request.rebalanceTimeout)
    members[id]?.hasNews = false
    guard let member = members[id] else { throw .unknownMember(id, self.id) }
    return ConsumerGroupAssignment(memberID: id, epoch: member.epoch, partitions: member.assigned)
  }

  private mutating func enter(
    _ request: ConsumerGroupHeartbeat, newID: () -> String, _ environment: GroupEnvironment,
    _ effects: inout GroupEffects
  ) throws(EventLogError) -> String {
    let id = newID()
    if let instance = request.instanceID, let oldID = instances[instance], let old = members[oldID] {
      guard old.awaySince != nil else {
        throw EventLogError(
          .unreleasedInstanceID,
          "group \(self.id) has a member with the group.instance.id \(instance); close that one first")
      }
      // A static member that comes back takes its place up again: what it had is kept for it, and it holds none of it.
      members[oldID] = nil
      members[id] = Member(id: id, request: request, epoch: old.epoch, lastPoll: environment.now)
      instances[instance] = id
      target[id] = target.removeValue(forKey: oldID)
      release(old.assigned.union(old.pendingRevocation), of: oldID, &effects)
      if old.request.subscription != request.subscription { updateTarget(environment, &effects) }
      members[id]?.state = .unreleasedPartitions
      return id
    }
    members[id] = Member(id: id, request: request, epoch: 0, lastPoll: environment.now)
    if let instance = request.instanceID { instances[instance] = id }
    updateTarget(environment, &effects)
    return id
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

  /// Says that the member is alive. True where there is something to tell it.
  mutating func touch(_ id: String, instanceID: String?, now: Int64) throws(EventLogError) -> Bool {
    try validate(id, instanceID: instanceID)
    members[id]?.lastPoll = now
    return members[id]?.hasNews ?? false
  }

  mutating func remove(_ id: String, _ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    guard let member = forget(id) else { return }
    effects.wakes.append(member.request.wake)
    updateTarget(environment, &effects)
  }

  private mutating func forget(_ id: String) -> Member? {
    guard let member = members.removeValue(forKey: id) else { return nil }
    if let instance = member.request.instanceID, instances[instance] == id { instances[instance] = nil }
    target[id] = nil
    for partition in member.assigned.union(member.pendingRevocation) where owners[partition] == id {
      owners[partition] = nil
    }
    return member
  }

  /// The consumer of a static member went away; its place is kept for `session.timeout.ms`.
  mutating func detach(_ id: String, _ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    guard let member = members[id] else { return }
    members[id]?.awaySince = environment.now
    effects.check(at: environment.now + member.request.sessionTimeout)
  }

  // MARK: The target

  /// What a member is to have in the end.
  func target(of id: String) -> [TopicPartition] { (target[id] ?? []).sorted() }

  /// Works out who is to have what, as of a new epoch, and tells whom it concerns.
  mutating func updateTarget(_ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    epoch += 1
    let all = environment.topics()
    var counts: [String: Int] = [:]
    let described = members.values.map { member in
      let topics = member.request.subscription.resolve(all)
      for topic in topics { counts[topic] = all[topic] }
      return AssignorMember(
        id: member.id, instanceID: member.request.instanceID, topics: topics,
        owned: (target[member.id] ?? []).sorted())
    }
    assignor = chooseAssignor()
    target = assignor.assign(partitionCounts: counts, members: described).mapValues(Set.init)
    effects.generations.append((id, epoch, members.isEmpty ? nil : assignor.rawValue))
    for id in members.keys { tell(id, &effects) }
  }

  /// The assignor that most members name (`group.remote.assignor`); without a name, or in a tie, `uniform`.
  private func chooseAssignor() -> ServerAssignor {
    var votes: [ServerAssignor: Int] = [:]
    for member in members.values { if let choice = member.request.assignor { votes[choice, default: 0] += 1 } }
    return votes[.range, default: 0] > votes[.uniform, default: 0] ? .range : .uniform
  }

  private mutating func tell(_ id: String, _ effects: inout GroupEffects) {
    members[id]?.hasNews = true
    if let member = members[id] { effects.wakes.append(member.request.wake) }
  }

  // MARK: Towards the target

  /// Moves a member one step on, given what it holds: first it lets go of what is not its own any more, then it gets what
  /// is free, then it waits for the rest.
  private mutating func reconcile(_ id: String, _ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    guard var member = members[id] else { return }
    let wanted = target[id] ?? []
    if member.state == .unrevokedPartitions {
      guard member.request.owned.isDisjoint(with: member.pendingRevocation) else { return }
      release(member.pendingRevocation, of: id, &effects)
      member.pendingRevocation = []
      member.revocationDeadline = nil
      member.state = .stable
    } else if member.state == .stable, member.epoch == epoch {
      return
    }
    let surplus = member.assigned.subtracting(wanted)
    member.assigned.formIntersection(wanted)
    let held = surplus.intersection(member.request.owned)
    release(surplus.subtracting(held), of: id, &effects)
    if !held.isEmpty {
      member.pendingRevocation = held
      member.state = .unrevokedPartitions
      member.revocationDeadline = environment.now + member.request.rebalanceTimeout
      effects.check(at: environment.now + member.request.rebalanceTimeout)
      members[id] = member
      return
    }
    var isComplete = true
    for partition in wanted.subtracting(member.assigned) {
      if owners[partition] == nil || owners[partition] == id {
        owners[partition] = id
        member.assigned.insert(partition)
      } else {
        isComplete = false
      }
    }
    member.epoch = epoch
    member.state = isComplete ? .stable : .unreleasedPartitions
    members[id] = member
  }

  /// Gives partitions free, and tells those who wait for them.
  private mutating func release(_ partitions: Set<TopicPartition>, of id: String, _ effects: inout GroupEffects) {
    guard !partitions.isEmpty else { return }
    for partition in partitions where owners[partition] == id { owners[partition] = nil }
    for (other, member) in members where other != id && member.state == .unreleasedPartitions {
      if let wanted = target[other], !wanted.isDisjoint(with: partitions) { tell(other, &effects) }
    }
  }

  // MARK: Time

  mutating func checkTimeouts(_ environment: GroupEnvironment, _ effects: inout GroupEffects) {
    // A poll may wait for longer than `max.poll.interval.ms`: nobody is late who is in one.
    for (id, member) in members where Self.pollDeadline(of: member) <= environment.now && member.request.isPolling() {
      members[id]?.lastPoll = environment.now
    }
    let late = members.values.filter { Self.deadline(of: $0) <= environment.now }
    for member in late {
      _ = forget(member.id)
      effects.wakes.append(member.request.wake)
    }
    if !late.isEmpty { updateTarget(environment, &effects) }
    for member in members.values { effects.check(at: Self.deadline(of: member)) }
  }

  private static func deadline(of member: Member) -> Int64 {
    if let awaySince = member.awaySince { return awaySince + member.request.sessionTimeout }
    return min(pollDeadline(of: member), member.revocationDeadline ?? .max)
  }

  /// A static member that no longer polls loses its place only when its session has ended too.
  private static func pollDeadline(of member: Member) -> Int64 {
    member.lastPoll + member.request.rebalanceTimeout
      + (member.request.instanceID == nil ? 0 : member.request.sessionTimeout)
  }

  // MARK: Commits

  func validateCommit(memberID: String?, instanceID: String?, epoch: Int32) throws(EventLogError) {
    guard let memberID else {
      guard members.isEmpty else {
        throw EventLogError(
          .unknownMemberID, "group \(id) has members; only they may commit. Close them first to set its offsets")
      }
      return
    }
    try validate(memberID, instanceID: instanceID)
    guard let member = members[memberID], member.epoch == epoch else {
      throw EventLogError(
        .staleMemberEpoch,
        "group \(id) has the member at epoch \(members[memberID]?.epoch ?? 0), the commit is of \(epoch)")
    }
  }
}
