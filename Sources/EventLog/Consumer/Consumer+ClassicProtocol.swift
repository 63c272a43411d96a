internal import RecordFormat

extension Consumer {
  /// One round of the classic protocol. True where the group's answer may call for another.
  func join(_ group: String, _ subscription: GroupSubscription) async throws -> Bool {
    // Kafka's rule: all assignors of a member have to be cooperative for it to keep its partitions.
    let isCooperative = configuration.assignors.allSatisfy(\.isCooperative)
    if !state.withLock({ $0.membership.isJoining }) {
      try await prepareToJoin(subscription, isCooperative: isCooperative)
    }
    let (membership, owned) = state.withLock { ($0.membership, $0.positions.partitions.sorted()) }
    let signal = signal
    let request = JoinRequest(
      memberID: membership.memberID, instanceID: configuration.groupInstanceID, subscription: subscription,
      assignors: configuration.assignors, owned: owned, previous: membership.assignment,
      ownedGeneration: membership.generation, rebalanceTimeout: configuration.maxPollInterval.timeLimit,
      sessionTimeout: configuration.sessionTimeout.timeLimit, wake: { [weak signal] in signal?.wake() },
      isPolling: { [weak signal] in signal?.isWaiting ?? false })
    guard
      let outcome = try await heard({ () throws(EventLogError) -> JoinOutcome in
        try broker.groups.join(group, request)
      })
    else { return true }
    switch outcome {
    case .waiting(let memberID):
      state.withLock { state in
        state.membership.memberID = memberID
        state.membership.mustJoin = false
      }
      return false
    case .failed(let memberID, let error):
      // It joins again with the next poll: as this member, and not as one more.
      state.withLock { $0.membership.memberID = memberID }
      throw error
    case .joined(let assignment):
      try await accept(assignment, owned: Set(owned), isCooperative: isCooperative)
      return true
    }
  }

  /// What a member does before it joins again: it commits, and gives up what it may not keep meanwhile.
  private func prepareToJoin(_ subscription: GroupSubscription, isCooperative: Bool) async throws {
    // Once only, also where the listener throws: the next poll goes on with joining, as in Kafka.
    defer { state.withLock { $0.membership.isJoining = true } }
    let isMember = state.withLock { $0.membership.memberID != nil }
    if isMember {
      if configuration.enableAutoCommit { await commitBeforeRebalance() }
      var given = state.withLock { Set($0.positions.partitions) }
      if isCooperative {
        let topics = subscription.resolve(broker.topicTable.partitionCounts())
        given = given.filter { !topics.contains($0.topic) }.union(outdated())
      }
      // As in Kafka, the eager protocol tells the listener even where there is nothing to give up.
      if !isCooperative || !given.isEmpty { try await revoke(given.sorted()) }
    }
  }

  /// Before this member leaves in the middle of a rebalance: learns what it has, so that it can still commit that.
  func catchUpBeforeLeaving() async throws {
    guard let group = configuration.group else { return }
    let (membership, owned) = state.withLock { ($0.membership, Set($0.positions.partitions)) }
    guard membership.isJoining, let memberID = membership.memberID else { return }
    if let assignment = broker.groups.catchUp(group, memberID) {
      try await accept(
        assignment, owned: owned, isCooperative: configuration.assignors.allSatisfy(\.isCooperative))
    }
    state.withLock { $0.membership.isJoining = false }
  }

  private func accept(
    _ assignment: GroupAssignment, owned: Set<TopicPartition>, isCooperative: Bool
  ) async throws {
    let target = Set(assignment.partitions)
    // A topic that was made anew meanwhile has partitions of the same names.
    let stale = outdated().intersection(owned)
    let taken = owned.subtracting(target)
    state.withLock { state in
      state.membership = GroupMembership(
        memberID: assignment.memberID, generation: assignment.generation, assignment: assignment.partitions)
    }
    var failure: (any Error)?
    let given = taken.union(stale)
    if !given.isEmpty {
      if configuration.enableAutoCommit { await commitBeforeRebalance() }
      do { try await revoke(given.sorted()) } catch { failure = error }
    }
    // The others get these only once this member has said that it let go.
    if !taken.isEmpty { state.withLock { $0.membership.mustJoin = true } }
    do { try await gain(target.subtracting(owned.subtracting(stale)).sorted()) } catch { failure = failure ?? error }
    if let failure { throw failure }
  }
}
