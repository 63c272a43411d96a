internal import RecordFormat
internal import Synchronization

/// Keeps the groups: who is a member, and who has which partitions, by the classic protocol or by KIP-848's.
///
/// Nothing here waits: a member whose turn has not come is told so, and woken later. There are no heartbeats either: a
/// member is alive as long as its consumer is, and polls.
final class GroupCoordinator: Sendable {
  struct Limits: Sendable {
    /// `group.max.size`
    var maxSize: Int
    /// `group.initial.rebalance.delay.ms`
    var initialRebalanceDelay: Int64
  }

  private enum Group {
    case classic(ClassicGroup)
    case consumer(ConsumerGroup)

    var isEmpty: Bool {
      switch self {
      case .classic(let group): group.isEmpty
      case .consumer(let group): group.isEmpty
      }
    }

    var generation: Int32 {
      switch self {
      case .classic(let group): group.generation
      case .consumer(let group): group.epoch
      }
    }

    var memberCount: Int {
      switch self {
      case .classic(let group): group.members.count
      case .consumer(let group): group.members.count
      }
    }
  }

  private struct State {
    var groups: [String: Group] = [:]
    var nextMember = 0
    /// When the time limits are looked at next.
    var nextCheck = Int64.max
  }

  private let state = Mutex(State())
  private let changes = Atomic<Int>(0)
  private let limits: Limits
  private let now: @Sendable () -> Int64
  private let topics: @Sendable () -> [String: Int]
  /// Told of a new generation, outside of the lock, so that it can be kept.
  private let generationChanged: @Sendable (String, Int32, String?) -> Void
  /// Asked to call `checkTimeouts` at that time.
  private let schedule: @Sendable (Int64) -> Void

  init(
    limits: Limits, now: @escaping @Sendable () -> Int64, topics: @escaping @Sendable () -> [String: Int],
    schedule: @escaping @Sendable (Int64) -> Void,
    generationChanged: @escaping @Sendable (String, Int32, String?) -> Void
  ) {
    self.limits = limits
    self.now = now
    self.topics = topics
    self.schedule = schedule
    self.generationChanged = generationChanged
  }

  /// Goes on with the generation that a group had when the store was last open, so that a handle of then is known as old.
  func restore(_ id: String, generation: Int32) {
    state.withLock { $0.groups[id] = .classic(ClassicGroup(id: id, generation: generation)) }
  }

  /// Grows with every change of a group or its members, so that who was allowed to commit knows when to ask again.
  var version: Int { changes.load(ordering: .acquiring) }

  // MARK: Membership

  /// Joins a group of the classic protocol, or joins it again.
  ///
  /// - Throws: `unknownMemberID`, `fencedInstanceID`, `inconsistentGroupProtocol`, `groupMaxSizeReached`.
  func join(_ id: String, _ request: JoinRequest) throws(EventLogError) -> JoinOutcome {
    try change { state, environment, effects throws(EventLogError) -> JoinOutcome in
      var group = try Self.classic(state.groups[id], id)
      if request.memberID == nil, !group.keepsPlace(of: request.instanceID) { try requireRoom(id, group.members.count) }
      // A group lasts longer than the call that failed: what it noted stays noted.
      defer { state.groups[id] = .classic(group) }
      return try group.join(
        request, newID: { Self.newID(&state.nextMember, id, request.instanceID) }, environment, &effects)
    }
  }

  /// A member's word in a group of KIP-848's protocol, and the group's answer.
  ///
  /// - Throws: `unknownMemberID`, `fencedMemberEpoch`, `fencedInstanceID`, `unreleasedInstanceID`,
  ///   `inconsistentGroupProtocol`, `groupMaxSizeReached`.
  func heartbeat(_ id: String, _ request: ConsumerGroupHeartbeat) throws(EventLogError) -> ConsumerGroupAssignment {
    try change { state, environment, effects throws(EventLogError) -> ConsumerGroupAssignment in
      var group = try Self.consumer(state.groups[id], id)
      if request.memberID == nil, !group.keepsPlace(of: request.instanceID) { try requireRoom(id, group.members.count) }
      defer { state.groups[id] = .consumer(group) }
      return try group.heartbeat(
        request, newID: { Self.newID(&state.nextMember, id, request.instanceID) }, environment, &effects)
    }
  }

  /// Says that a member is alive. True where it has to join again, or where there is an assignment to fetch.
  ///
  /// - Throws: `unknownMemberID`, `illegalGeneration`, `fencedInstanceID`.
  func touch(_ id: String, _ memberID: String, instanceID: String?, generation: Int32) throws(EventLogError) -> Bool {
    let now = now()
    return try state.withLock { state throws(EventLogError) -> Bool in
      switch state.groups.removeValue(forKey: id) {
      case .classic(var group)?:
        defer { state.groups[id] = .classic(group) }
        return try group.heartbeat(memberID, instanceID: instanceID, generation: generation, now: now)
      case .consumer(var group)?:
        defer { state.groups[id] = .consumer(group) }
        return try group.touch(memberID, instanceID: instanceID, now: now)
      case nil: throw .unknownMember(memberID, id)
      }
    }
  }

  /// Has a member of a classic group that is about to leave know the generation that it is in. See `ClassicGroup.catchUp`.
  func catchUp(_ id: String, _ memberID: String) -> GroupAssignment? {
    state.withLock { state in
      guard case .classic(var group)? = state.groups[id] else { return nil }
      defer { state.groups[id] = .classic(group) }
      return group.catchUp(memberID)
    }
  }

  /// A member goes. The place of a static one is kept for `session.timeout.ms`, unless it is `evicted`.
  ///
  /// - Returns: whether it was a member.
  @discardableResult
  func leave(_ id: String, _ memberID: String, instanceID: String? = nil, evicted: Bool = false) -> Bool {
    change { state, environment, effects in
      let keepsPlace = instanceID != nil && !evicted
      switch state.groups[id] {
      case .classic(var group)?:
        guard group.members[memberID] != nil else { return false }
        if keepsPlace {
          group.detach(memberID, environment, &effects)
        } else {
          group.remove(memberID, environment, &effects)
        }
        state.groups[id] = .classic(group)
      case .consumer(var group)?:
        guard group.members[memberID] != nil else { return false }
        if keepsPlace {
          group.detach(memberID, environment, &effects)
        } else {
          group.remove(memberID, environment, &effects)
        }
        state.groups[id] = .consumer(group)
      case nil: return false
      }
      return true
    }
  }

  /// Has a group divide its partitions anew.
  func forceRebalance(_ id: String) {
    change { state, environment, effects in
      switch state.groups[id] {
      case .classic(var group)?:
        group.prepare(environment, except: nil, &effects)
        state.groups[id] = .classic(group)
      case .consumer(var group)?:
        group.updateTarget(environment, &effects)
        state.groups[id] = .consumer(group)
      case nil: break
      }
    }
  }

  /// Drops members that stayed away for too long. Called when `schedule` was told to, and at any other time.
  func checkTimeouts() {
    change { state, environment, effects in
      state.nextCheck = .max
      for (id, group) in state.groups {
        switch group {
        case .classic(var group):
          group.checkTimeouts(environment, &effects)
          state.groups[id] = .classic(group)
        case .consumer(var group):
          group.checkTimeouts(environment, &effects)
          state.groups[id] = .consumer(group)
        }
      }
    }
  }

  /// Has the groups rebalance that want one of `topics`, which were made, grew, or went.
  func topicsChanged(_ topics: Set<String>) {
    change { state, environment, effects in
      for (id, group) in state.groups {
        switch group {
        case .classic(var group):
          guard group.members.values.contains(where: { $0.request.subscription.concerns(topics) }) else { continue }
          group.topicsChanged(environment, &effects)
          state.groups[id] = .classic(group)
        case .consumer(var group):
          guard group.members.values.contains(where: { $0.request.subscription.concerns(topics) }) else { continue }
          group.updateTarget(environment, &effects)
          state.groups[id] = .consumer(group)
        }
      }
    }
  }

  // MARK: Commits

  /// Whether a member may commit, or, without one, somebody from outside: by Kafka's rules.
  func validateCommit(
    _ id: String, memberID: String?, instanceID: String? = nil, generation: Int32
  ) throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      switch state.groups[id] {
      case .classic(let group)?:
        try group.validateCommit(memberID: memberID, instanceID: instanceID, generation: generation)
      case .consumer(let group)?:
        try group.validateCommit(memberID: memberID, instanceID: instanceID, epoch: generation)
      case nil:
        guard memberID == nil else {
          throw EventLogError(.groupIDNotFound, "there is no group \(id), and so it has no members that may commit")
        }
      }
    }
  }

  // MARK: Descriptions

  func describe(_ id: String) -> GroupDescription? {
    state.withLock { state in state.groups[id].map { Self.describe(id, $0, topics) } }
  }

  func all() -> [GroupDescription] {
    state.withLock { state in
      state.groups.map { Self.describe($0.key, $0.value, topics) }.sorted { $0.id < $1.id }
    }
  }

  /// Forgets an empty group.
  func delete(_ id: String) throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      guard state.groups[id]?.isEmpty ?? true else {
        throw EventLogError(.nonEmptyGroup, "group \(id) has members; close them first")
      }
      state.groups[id] = nil
      changes.add(1, ordering: .releasing)
    }
  }

  private static func describe(
    _ id: String, _ group: Group, _ topics: () -> [String: Int]
  ) -> GroupDescription {
    var description = GroupDescription(id: id, state: .empty, generation: group.generation)
    switch group {
    case .classic(let group):
      description.state = group.state
      description.assignor = group.assignor?.name
      description.members = group.members.values.map { member in
        .init(
          id: member.id, instanceID: member.request.instanceID,
          topics: member.request.subscription.resolve(topics()).sorted(), assignment: member.assignment,
          targetAssignment: nil)
      }
    case .consumer(let group):
      description.groupProtocol = .consumer
      description.state = group.state
      description.assignor = group.isEmpty ? nil : group.assignor.rawValue
      description.members = group.members.values.map { member in
        .init(
          id: member.id, instanceID: member.request.instanceID,
          topics: member.request.subscription.resolve(topics()).sorted(), assignment: member.assigned.sorted(),
          targetAssignment: group.target(of: member.id))
      }
    }
    description.members.sort { $0.id < $1.id }
    return description
  }

  // MARK: Under the lock, and after it

  /// Runs `body` under the lock, and then does what it left to be done outside of it: also where it failed.
  private func change<T: Sendable, E: Error>(
    _ body: (inout State, GroupEnvironment, inout GroupEffects) throws(E) -> T
  ) throws(E) -> T {
    let environment = GroupEnvironment(
      now: now(), initialRebalanceDelay: limits.initialRebalanceDelay, topics: topics)
    var effects = GroupEffects()
    let outcome = state.withLock { state -> Result<T, E> in
      let outcome: Result<T, E>
      do throws(E) { outcome = .success(try body(&state, environment, &effects)) } catch { outcome = .failure(error) }
      changes.add(1, ordering: .releasing)
      // One timer for all groups: it is moved forward, never back.
      if effects.deadline < state.nextCheck {
        state.nextCheck = effects.deadline
      } else {
        effects.deadline = .max
      }
      return outcome
    }
    for change in effects.generations { generationChanged(change.group, change.generation, change.assignor) }
    for wake in effects.wakes { wake() }
    if effects.deadline < .max { schedule(effects.deadline) }
    return try outcome.get()
  }

  private func requireRoom(_ id: String, _ count: Int) throws(EventLogError) {
    guard count < limits.maxSize else {
      throw EventLogError(.groupMaxSizeReached, "group \(id) has \(limits.maxSize) members already")
    }
  }

  /// An empty group takes whichever protocol its first member speaks.
  private static func classic(_ group: Group?, _ id: String) throws(EventLogError) -> ClassicGroup {
    if case .classic(let group)? = group { return group }
    guard group?.isEmpty ?? true else { throw otherProtocol(id, .consumer) }
    return ClassicGroup(id: id, generation: group?.generation ?? 0)
  }

  private static func consumer(_ group: Group?, _ id: String) throws(EventLogError) -> ConsumerGroup {
    if case .consumer(let group)? = group { return group }
    guard group?.isEmpty ?? true else { throw otherProtocol(id, .classic) }
    return ConsumerGroup(id: id, epoch: group?.generation ?? 0)
  }

  private static func otherProtocol(_ id: String, _ has: GroupProtocol) -> EventLogError {
    EventLogError(
      .inconsistentGroupProtocol,
      "group \(id) has members with group.protocol=\(has.rawValue); close them first to change the protocol")
  }

  private static func newID(_ next: inout Int, _ group: String, _ instance: String?) -> String {
    next += 1
    let digits = String(next)
    let number = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    return "\(instance ?? "consumer-\(group)")-\(number)"
  }
}
