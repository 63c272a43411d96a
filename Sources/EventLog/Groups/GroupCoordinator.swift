internal import RecordFormat
internal import Synchronization

/// Kafka's states of a group.
public enum GroupState: String, Sendable, Hashable {
  case empty = "Empty"
  case preparingRebalance = "PreparingRebalance"
  case completingRebalance = "CompletingRebalance"
  case stable = "Stable"
  case dead = "Dead"
}

/// What a member asks for when it joins.
struct JoinRequest: Sendable {
  /// What the coordinator called the member; nil for one that joins for the first time.
  var memberID: String?
  var topics: Set<String>
  var assignors: [GroupAssignor]
  var owned: [TopicPartition]
  var ownedGeneration: Int32
  var rebalanceTimeout: Int64
  /// Called, on any thread, when there is something for the member to do.
  var wake: @Sendable () -> Void
}

/// What a member got.
struct GroupAssignment: Sendable {
  var memberID: String
  var generation: Int32
  var assignor: GroupAssignor
  var partitions: [TopicPartition]
}

enum JoinOutcome: Sendable {
  /// Not all members are there yet. Join again when woken.
  case waiting(memberID: String)
  case joined(GroupAssignment)
}

/// Keeps the groups: who is a member, and who has which partitions.
///
/// Kafka's protocol in one process: members join, a generation begins when all of them have, and the coordinator, not a
/// leader among the members, divides the partitions. Nothing here waits: a member whose turn has not come is told so, and
/// woken later.
final class GroupCoordinator: Sendable {
  struct Limits: Sendable {
    var maxSize: Int
    var initialRebalanceDelay: Int64
  }

  private struct State {
    var groups: [String: Group] = [:]
    var nextMember = 0
  }

  private let state = Mutex(State())
  private let limits: Limits
  private let now: @Sendable () -> Int64
  private let partitionCount: @Sendable (String) -> Int?
  /// Told of a new generation, outside of the lock, so that it can be kept.
  private let generationChanged: @Sendable (String, Int32, GroupAssignor?) -> Void
  /// Asked to call `checkTimeouts` at that time.
  private let schedule: @Sendable (Int64) -> Void

  init(
    limits: Limits, now: @escaping @Sendable () -> Int64, partitionCount: @escaping @Sendable (String) -> Int?,
    schedule: @escaping @Sendable (Int64) -> Void,
    generationChanged: @escaping @Sendable (String, Int32, GroupAssignor?) -> Void
  ) {
    self.limits = limits
    self.now = now
    self.partitionCount = partitionCount
    self.schedule = schedule
    self.generationChanged = generationChanged
  }

  /// Goes on with the generation that a group had when the store was last open, so that a handle of then is known as old.
  func restore(_ id: String, generation: Int32) {
    state.withLock { $0.groups[id, default: Group(id: id)].generation = generation }
  }

  // MARK: Membership

  func join(_ groupID: String, _ request: JoinRequest) throws(EventLogError) -> JoinOutcome {
    let now = now()
    var effects = Effects()
    let outcome = try state.withLock { state throws(EventLogError) -> JoinOutcome in
      var group = state.groups[groupID] ?? Group(id: groupID)
      defer { state.groups[groupID] = group }
      let id: String
      if let known = request.memberID {
        guard group.members[known] != nil else { throw Self.unknownMember(known, groupID) }
        id = known
      } else {
        guard group.members.count < limits.maxSize else {
          throw EventLogError(.groupMaxSizeReached, "group \(groupID) has \(limits.maxSize) members already")
        }
        state.nextMember += 1
        id = "consumer-\(groupID)-\(Self.padded(state.nextMember))"
      }
      guard group.supportsAny(of: request.assignors, besides: id) else {
        throw EventLogError(
          .inconsistentGroupProtocol,
          "group \(groupID) has members that know none of the assignors "
            + request.assignors.map(\.name).joined(separator: ", "))
      }
      let isNew = request.memberID == nil
      let changed = isNew || group.members[id]?.request.topics != request.topics
      group.members[id] = Group.Member(
        id: id, request: request, hasJoined: true, lastPoll: now, assignment: group.members[id]?.assignment ?? [],
        wasAnswered: group.members[id]?.wasAnswered ?? false)
      if group.state != .preparingRebalance {
        if !changed, group.state == .stable, group.members[id]?.wasAnswered == false {
          // The generation this member waited for has begun.
        } else {
          group.prepare(now: now, delay: group.state == .empty ? limits.initialRebalanceDelay : 0, except: id, &effects)
        }
      }
      completeIfAllJoined(&group, now: now, &effects)
      guard group.state == .stable, let assignor = group.assignor else {
        if let deadline = group.deadline { effects.deadlines.append(deadline) }
        return .waiting(memberID: id)
      }
      group.members[id]?.wasAnswered = true
      effects.deadlines.append(now + request.rebalanceTimeout)
      return .joined(
        GroupAssignment(
          memberID: id, generation: group.generation, assignor: assignor,
          partitions: group.members[id]?.assignment ?? []))
    }
    run(effects)
    return outcome
  }

  /// Says that the member is alive. True where it has to join again.
  func heartbeat(_ groupID: String, _ memberID: String, generation: Int32) throws(EventLogError) -> Bool {
    let now = now()
    return try state.withLock { state throws(EventLogError) -> Bool in
      guard state.groups[groupID]?.members[memberID] != nil else { throw Self.unknownMember(memberID, groupID) }
      state.groups[groupID]?.members[memberID]?.lastPoll = now
      guard let group = state.groups[groupID] else { return false }
      if group.state == .preparingRebalance { return true }
      guard group.generation == generation else {
        // A generation began without this member's having heard of it: it has to fetch its assignment.
        guard group.members[memberID]?.wasAnswered == false else {
          throw EventLogError(
            .illegalGeneration, "group \(groupID) is at generation \(group.generation), the member at \(generation)")
        }
        return true
      }
      return false
    }
  }

  func leave(_ groupID: String, _ memberID: String) {
    let now = now()
    var effects = Effects()
    state.withLock { state in
      guard var group = state.groups[groupID], group.members.removeValue(forKey: memberID) != nil else { return }
      membersRemoved(&group, now: now, &effects)
      state.groups[groupID] = group
    }
    run(effects)
  }

  /// Drops members that stayed away from `poll`, or from a rebalance, for too long.
  func checkTimeouts() {
    let now = now()
    var effects = Effects()
    state.withLock { state in
      for (id, var group) in state.groups {
        let late = group.members.values.filter { member in
          let isOverdue = now - member.lastPoll >= member.request.rebalanceTimeout
          let missedRebalance = group.state == .preparingRebalance && !member.hasJoined && now >= group.deadline ?? .max
          // A member that waits for the others is not late.
          return missedRebalance || (isOverdue && !(group.state == .preparingRebalance && member.hasJoined))
        }
        for member in late {
          group.members[member.id] = nil
          effects.wakes.append(member.request.wake)
        }
        if !late.isEmpty { membersRemoved(&group, now: now, &effects) }
        completeIfAllJoined(&group, now: now, &effects)
        if let next = group.nextTimeout { effects.deadlines.append(next) }
        state.groups[id] = group
      }
    }
    run(effects)
  }

  /// Has the groups rebalance that subscribed to one of `topics`, whose partitions changed.
  func topicsChanged(_ topics: Set<String>) {
    let now = now()
    var effects = Effects()
    state.withLock { state in
      for (id, var group) in state.groups
      where group.state == .stable
        && group.members.values.contains(where: { !$0.request.topics.isDisjoint(with: topics) })
      {
        group.prepare(now: now, delay: 0, except: nil, &effects)
        state.groups[id] = group
      }
    }
    run(effects)
  }

  // MARK: Commits

  /// Whether a member may commit, by Kafka's rules.
  func validateCommit(_ groupID: String, memberID: String?, generation: Int32) throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      guard let group = state.groups[groupID], !group.members.isEmpty else {
        guard memberID == nil else { throw Self.unknownMember(memberID ?? "", groupID) }
        return
      }
      guard let memberID else {
        throw EventLogError(
          .unknownMemberID, "group \(groupID) has members; only they may commit. Close them first to set its offsets")
      }
      guard group.members[memberID] != nil else { throw Self.unknownMember(memberID, groupID) }
      guard group.generation == generation else {
        throw EventLogError(
          .illegalGeneration, "group \(groupID) is at generation \(group.generation), the commit is of \(generation)")
      }
    }
  }

  // MARK: Descriptions

  struct Description: Sendable {
    var id: String
    var state: GroupState
    var generation: Int32
    var assignor: GroupAssignor?
    var members: [(id: String, topics: [String], assignment: [TopicPartition])]
  }

  func describe(_ id: String) -> Description? {
    state.withLock { $0.groups[id].map(Self.describe) }
  }

  func all() -> [Description] {
    state.withLock { $0.groups.values.map(Self.describe).sorted { $0.id < $1.id } }
  }

  /// Forgets an empty group.
  func delete(_ id: String) throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      guard state.groups[id]?.members.isEmpty ?? true else {
        throw EventLogError(.nonEmptyGroup, "group \(id) has members; close them first")
      }
      state.groups[id] = nil
    }
  }

  private static func describe(_ group: Group) -> Description {
    Description(
      id: group.id, state: group.state, generation: group.generation, assignor: group.assignor,
      members: group.members.values.sorted { $0.id < $1.id }.map {
        ($0.id, $0.request.topics.sorted(), $0.assignment)
      })
  }

  // MARK: Rebalances

  /// What is to be done once the lock is let go.
  struct Effects {
    var wakes: [@Sendable () -> Void] = []
    var deadlines: [Int64] = []
    var generations: [(String, Int32, GroupAssignor?)] = []
  }

  private func run(_ effects: Effects) {
    for (id, generation, assignor) in effects.generations { generationChanged(id, generation, assignor) }
    for wake in effects.wakes { wake() }
    if let next = effects.deadlines.min() { schedule(next) }
  }

  private func membersRemoved(_ group: inout Group, now: Int64, _ effects: inout Effects) {
    if group.members.isEmpty {
      group.state = .empty
      group.generation += 1
      group.deadline = nil
      group.assignor = nil
      effects.generations.append((group.id, group.generation, nil))
    } else if group.state == .stable {
      group.prepare(now: now, delay: 0, except: nil, &effects)
    } else {
      completeIfAllJoined(&group, now: now, &effects)
    }
  }

  private func completeIfAllJoined(_ group: inout Group, now: Int64, _ effects: inout Effects) {
    guard group.state == .preparingRebalance, !group.members.isEmpty, now >= group.notBefore,
      group.members.values.allSatisfy(\.hasJoined)
    else { return }
    let assignor = group.chooseAssignor()
    var topics: [String: Int] = [:]
    for topic in Set(group.members.values.flatMap(\.request.topics)) { topics[topic] = partitionCount(topic) }
    let members = group.members.values.map { member in
      AssignorMember(
        id: member.id, topics: member.request.topics, owned: member.request.owned,
        generation: member.request.ownedGeneration)
    }
    let assignment = assignor.assign(partitionCounts: topics, members: members)
    group.generation += 1
    group.state = .stable
    group.assignor = assignor
    group.deadline = nil
    for id in group.members.keys {
      group.members[id]?.assignment = (assignment[id] ?? []).sorted()
      group.members[id]?.hasJoined = false
      group.members[id]?.wasAnswered = false
      group.members[id]?.lastPoll = now
      if let member = group.members[id] { effects.wakes.append(member.request.wake) }
    }
    effects.generations.append((group.id, group.generation, assignor))
  }

  private static func unknownMember(_ id: String, _ group: String) -> EventLogError {
    EventLogError(.unknownMemberID, "\(id) is no member of group \(group); the group may have gone on without it")
  }

  private static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }
}
