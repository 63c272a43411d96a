internal import RecordFormat

extension Consumer {
  /// Joins the group, or joins again, where that is due: gives up what has to be given up first, and takes what the group
  /// gives. Returns without partitions where the group is not complete yet; its coordinator wakes the consumer then.
  func takePartInGroup() async throws {
    guard let group = configuration.group, case .topics(let topics) = state.withLock({ $0.subscription }) else {
      return
    }
    // Twice in a row at most: a cooperative rebalance that takes something away is followed by another at once.
    while true {
      let membership = state.withLock { $0.membership }
      var mustJoin = membership.mustJoin || membership.memberID == nil
      if !mustJoin, let memberID = membership.memberID {
        do throws(EventLogError) {
          mustJoin = try broker.groups.heartbeat(group, memberID, generation: membership.generation)
        } catch {
          try await loseAll()
          continue
        }
      }
      guard mustJoin else { return }
      guard try await join(group, topics) else { return }
    }
  }

  /// One round. True where the group's answer may call for another.
  private func join(_ group: String, _ topics: Set<String>) async throws -> Bool {
    // Kafka's rule: all assignors of a member have to be cooperative for it to keep its partitions.
    let isCooperative = configuration.assignors.allSatisfy(\.isCooperative)
    if !state.withLock({ $0.membership.isJoining }) {
      if configuration.enableAutoCommit, state.withLock({ $0.membership.memberID != nil }) {
        await commitBeforeRebalance()
      }
      let given = state.withLock { state -> [TopicPartition] in
        let owned = state.positions.keys.sorted()
        return isCooperative ? owned.filter { !topics.contains($0.topic) } : owned
      }
      try await revoke(given)
      state.withLock { $0.membership.isJoining = true }
    }
    let (membership, owned) = state.withLock { ($0.membership, $0.positions.keys.sorted()) }
    let signal = signal
    let request = JoinRequest(
      memberID: membership.memberID, topics: topics, assignors: configuration.assignors, owned: owned,
      ownedGeneration: membership.generation, rebalanceTimeout: configuration.maxPollInterval.milliseconds,
      wake: { [weak signal] in signal?.wake() })
    guard let outcome = try joined(group, request) else {
      try await loseAll()
      return true
    }
    switch outcome {
    case .waiting(let memberID):
      state.withLock { state in
        state.membership.memberID = memberID
        state.membership.mustJoin = false
      }
      return false
    case .joined(let assignment):
      try await accept(assignment, owned: Set(owned))
      return true
    }
  }

  /// The coordinator's answer; nil where it does not know this member any more.
  private func joined(_ group: String, _ request: JoinRequest) throws(EventLogError) -> JoinOutcome? {
    do throws(EventLogError) {
      return try broker.groups.join(group, request)
    } catch {
      guard error.code == .unknownMemberID else { throw error }
      return nil
    }
  }

  private func accept(_ assignment: GroupAssignment, owned: Set<TopicPartition>) async throws {
    let target = Set(assignment.partitions)
    let taken = owned.subtracting(target).sorted()
    state.withLock { state in
      state.membership = GroupMembership(
        memberID: assignment.memberID, generation: assignment.generation, mustJoin: false, isJoining: false)
    }
    if !taken.isEmpty {
      try await revoke(taken)
      // The others get these only once this member has said that it let go.
      state.withLock { $0.membership.mustJoin = true }
    }
    let added = target.subtracting(owned).sorted()
    var found: [(TopicPartition, Partition)] = []
    for topicPartition in added { found.append((topicPartition, try broker.partition(topicPartition))) }
    let listener = state.withLock { state in
      for (topicPartition, partition) in found {
        state.positions[topicPartition] = PartitionPosition(partition)
        state.order.append(topicPartition)
      }
      watch(&state)
      return state.listener
    }
    try await listener?.partitionsAssigned(added, to: self)
  }

  /// Tells the listener, which may still commit, and only then takes the partitions away.
  private func revoke(_ partitions: [TopicPartition]) async throws {
    guard !partitions.isEmpty else { return }
    if let listener = state.withLock({ $0.listener }) {
      try await listener.partitionsRevoked(partitions, from: self)
    }
    drop(partitions)
  }

  /// The group went on without this member: what it had is somebody else's by now.
  private func loseAll() async throws {
    let (lost, listener) = state.withLock { state -> ([TopicPartition], (any RebalanceListener)?) in
      state.membership = GroupMembership(mustJoin: true)
      return (state.positions.keys.sorted(), state.listener)
    }
    drop(lost)
    if !lost.isEmpty { try await listener?.partitionsLost(lost, from: self) }
  }

  private func drop(_ partitions: [TopicPartition]) {
    state.withLock { state in
      for partition in partitions { state.positions[partition] = nil }
      state.order.removeAll(where: partitions.contains)
      watch(&state)
    }
  }
}
