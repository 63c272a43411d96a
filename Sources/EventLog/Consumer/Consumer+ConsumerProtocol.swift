internal import RecordFormat

extension Consumer {
  /// One step towards what a group of KIP-848's protocol gives this member: lets go of what is not its own any more, or
  /// takes what is new. True where that may call for another step.
  func reconcile(_ group: String, _ subscription: GroupSubscription) async throws -> Bool {
    let (membership, owned) = state.withLock { ($0.membership, Set($0.positions.partitions)) }
    let stale = outdated()
    if !stale.isEmpty { try await revoke(stale.sorted()) }
    let held = owned.subtracting(stale)
    let signal = signal
    let heartbeat = ConsumerGroupHeartbeat(
      memberID: membership.memberID, instanceID: configuration.groupInstanceID,
      epoch: membership.memberID == nil ? 0 : membership.generation, subscription: subscription,
      assignor: configuration.remoteAssignor.flatMap(ServerAssignor.init(rawValue:)), owned: held,
      rebalanceTimeout: configuration.maxPollInterval.timeLimit,
      sessionTimeout: configuration.sessionTimeout.timeLimit, wake: { [weak signal] in signal?.wake() },
      isPolling: { [weak signal] in signal?.isWaiting ?? false })
    guard
      let answer = try await heard({ () throws(EventLogError) -> ConsumerGroupAssignment in
        try broker.groups.heartbeat(group, heartbeat)
      })
    else { return true }
    let taken = held.subtracting(answer.partitions)
    let added = answer.partitions.subtracting(held)
    // What is committed or revoked now still goes by the epoch of before, which the group keeps until it hears of it.
    state.withLock { state in
      state.membership.memberID = answer.memberID
      state.membership.generation = answer.epoch
      state.membership.mustJoin = false
    }
    var failure: (any Error)?
    if !taken.isEmpty {
      if configuration.enableAutoCommit { await commitBeforeRebalance() }
      do { try await revoke(taken.sorted()) } catch { failure = error }
      // The others get these only once this member has said that it let go.
      state.withLock { $0.membership.mustJoin = true }
    }
    // As in Kafka, a member is told of every new assignment, also where nothing came with it.
    if !taken.isEmpty || !added.isEmpty || membership.memberID == nil {
      do { try await gain(added.sorted()) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
    return !taken.isEmpty
  }
}
