internal import RecordFormat

// What both protocols share: when there is something to do, and how partitions come and go. In Kafka's order: what is
// given up is committed, then revoked, and only then taken away.

extension Consumer {
  /// Joins the group, or joins again, where that is due: gives up what has to be given up first, and takes what the group
  /// gives. Returns without partitions where the group is not complete yet; its coordinator wakes the consumer then.
  func takePartInGroup() async throws {
    guard let group = configuration.group, let subscription = state.withLock({ $0.subscription.ofGroup }) else {
      return
    }
    if let error = state.withLock({ $0.fenced }) { throw error }
    while true {
      let membership = state.withLock { $0.membership }
      var mustAct = membership.mustJoin || membership.memberID == nil
      if !mustAct, let memberID = membership.memberID {
        do throws(EventLogError) {
          mustAct = try broker.groups.touch(
            group, memberID, instanceID: configuration.groupInstanceID, generation: membership.generation)
        } catch {
          try await lose(because: error)
          continue
        }
      }
      guard mustAct else { return }
      switch configuration.groupProtocol {
      case .classic: guard try await join(group, subscription) else { return }
      case .consumer: guard try await reconcile(group, subscription) else { return }
      }
    }
  }

  /// The group's word, or nil where it went on without this member, which has then lost everything and joins anew.
  func heard<T>(_ call: () throws(EventLogError) -> T) async throws -> T? {
    do throws(EventLogError) {
      return try call()
    } catch {
      try await lose(because: error)
      return nil
    }
  }

  /// The group went on without this member: what it had is somebody else's by now.
  ///
  /// - Throws: `error`, where it is not one that joining anew would mend.
  private func lose(because error: EventLogError) async throws {
    let isFenced = error.code == .fencedInstanceID
    let mayRejoin: Set<EventLogError.Code> = [.unknownMemberID, .illegalGeneration, .fencedMemberEpoch]
    guard isFenced || mayRejoin.contains(error.code) else { throw error }
    let (lost, listener) = state.withLock { state -> ([TopicPartition], (any RebalanceListener)?) in
      state.membership = GroupMembership(mustJoin: true)
      if isFenced { state.fenced = error }
      return (state.positions.partitions.sorted(), state.listener)
    }
    defer { drop(lost) }
    if !lost.isEmpty, let listener { try await inCallback { try await listener.partitionsLost(lost, from: self) } }
    if isFenced { throw error }
  }

  /// Tells the listener, which may still commit, and only then takes the partitions away.
  func revoke(_ partitions: [TopicPartition]) async throws {
    var failure: (any Error)?
    if let listener = state.withLock({ $0.listener }) {
      do {
        try await inCallback { try await listener.partitionsRevoked(partitions, from: self) }
      } catch {
        failure = error
      }
    }
    // Whoever gets them begins at what is on the disk. What was committed without waiting is to be there by then.
    await commitsAreWritten(within: configuration.maxPollInterval)
    drop(partitions)
    if let failure { throw failure }
  }

  /// Takes partitions in, and tells the listener, which may seek.
  func gain(_ partitions: [TopicPartition]) async throws {
    let listener = state.withLock { state in
      for topicPartition in partitions where state.positions[topicPartition] == nil {
        // One that was deleted meanwhile comes with the next rebalance, or never.
        guard let partition = try? broker.partition(topicPartition) else { continue }
        state.positions.append(PartitionPosition(topicPartition, partition))
      }
      watch(&state)
      return state.listener
    }
    if let listener { try await inCallback { try await listener.partitionsAssigned(partitions, to: self) } }
  }

  func drop(_ partitions: [TopicPartition]) {
    guard !partitions.isEmpty else { return }
    let gone = Set(partitions)
    state.withLock { state in
      state.positions.remove(gone)
      watch(&state)
    }
  }

  /// The partitions whose topics were deleted, and maybe made again: what is held of them is held of the old ones.
  func outdated() -> Set<TopicPartition> {
    let topics = broker.topicTable
    return state.withLock { state in
      Set(state.positions.slots.lazy.filter { $0.id(topics) == nil }.map(\.topicPartition))
    }
  }

  /// Leaves the group in Kafka's order: what was held is revoked, or, where the group went on already, lost.
  func leaveGroup() async throws {
    guard let group = configuration.group, state.withLock({ $0.subscription.ofGroup != nil }) else { return }
    let (membership, owned, listener) = state.withLock {
      ($0.membership, $0.positions.partitions.sorted(), $0.listener)
    }
    defer {
      drop(owned)
      if let memberID = state.withLock({ state in
        defer { state.membership = GroupMembership() }
        return state.membership.memberID
      }) {
        broker.groups.leave(group, memberID, instanceID: configuration.groupInstanceID)
      }
    }
    guard let listener, !owned.isEmpty else { return }
    let isMember =
      membership.memberID.map { memberID in
        (try? broker.groups.validateCommit(
          group, memberID: memberID, instanceID: configuration.groupInstanceID, generation: membership.generation))
          != nil
      } ?? false
    try await inCallback {
      if isMember {
        try await listener.partitionsRevoked(owned, from: self)
      } else {
        try await listener.partitionsLost(owned, from: self)
      }
    }
  }

  /// Has the group divide its partitions anew, at the next polls of its members.
  ///
  /// - Throws: `illegalState` for a consumer that is not in a group.
  public func enforceRebalance() throws {
    let memberID = try state.withLock { state throws(EventLogError) -> String? in
      try requireOpen(state)
      guard state.subscription.ofGroup != nil else {
        throw EventLogError(.illegalState, "the consumer has not subscribed, so that there is nothing to rebalance")
      }
      return state.membership.memberID
    }
    if let group = configuration.group, memberID != nil { broker.groups.forceRebalance(group) }
  }
}
