public import RecordFormat
internal import SegmentStore

extension Consumer {
  /// Commits the positions: of each partition, the offset after the last record that a poll returned. When this returns,
  /// they are on the disk.
  ///
  /// - Throws: `invalidGroupID` without a group; `commitFailed` where the group went on without this member, so that
  ///   others may have read these records too; `readOnly`, `storageError`.
  public func commit() async throws {
    try await exclusively { try await commitPositions(timeout: configuration.defaultAPITimeout) }
  }

  /// Commits the given offsets: the next one to read of each partition, with metadata if you like.
  ///
  /// - Throws: as `commit()`; `offsetMetadataTooLarge`, `unknownTopicOrPartition`, `illegalArgument` for a negative offset;
  ///   `timeout` after `default.api.timeout.ms`: the commit may still happen.
  public func commit(_ offsets: [TopicPartition: OffsetAndMetadata]) async throws {
    try await commit(offsets, timeout: configuration.defaultAPITimeout)
  }

  private func commit(_ offsets: [TopicPartition: OffsetAndMetadata], timeout: Duration) async throws {
    let shot = OneShot<Void>()
    try startCommit(offsets) { error in shot.complete(error.map { .failure($0) } ?? .success(())) }
    let timekeeper = broker.context.timekeeper
    let deadline = broker.context.time.monotonicMilliseconds().addingReportingOverflow(timeout.milliseconds)
    let timer =
      deadline.overflow
      ? nil
      : timekeeper.schedule(at: deadline.partialValue) {
        shot.complete(
          .failure(EventLogError(.timeout, "the commit was not on the disk in time; it may still come to be")))
      }
    defer { if let timer { timekeeper.cancel(timer) } }
    try await shot.value()
  }

  /// Starts to commit the positions, and goes on; `completion` is told the outcome, in the order of the calls.
  public func commitAsync(_ completion: (@Sendable ((any Error)?) -> Void)? = nil) throws {
    try startCommit(currentPositions()) { error in completion?(error) }
  }

  /// Starts to commit the given offsets, and goes on.
  public func commitAsync(
    _ offsets: [TopicPartition: OffsetAndMetadata], _ completion: (@Sendable ((any Error)?) -> Void)? = nil
  ) throws {
    try startCommit(offsets) { error in completion?(error) }
  }

  /// What the group has committed for these partitions; a partition it has committed nothing for is left out.
  public func committed(_ partitions: [TopicPartition]) throws -> [TopicPartition: OffsetAndMetadata] {
    let group = try requireGroup()
    return broker.offsets.committed(group).filter { partitions.contains($0.key) }
  }

  // MARK: For the other parts

  func commitPositions(timeout: Duration) async throws {
    let offsets = currentPositions()
    guard !offsets.isEmpty else { return }
    try await commit(offsets, timeout: timeout)
  }

  /// Before a rebalance: what can't be committed is read again by somebody, which is what at-least-once means.
  func commitBeforeRebalance() async {
    do {
      try await commitPositions(timeout: configuration.maxPollInterval)
    } catch let error as EventLogError {
      broker.context.warn(error)
    } catch {}
  }

  /// Within `poll`, when the interval is over: everything that earlier polls returned.
  func autoCommitIfDue() {
    guard configuration.enableAutoCommit, configuration.group != nil, !broker.isReadOnly else { return }
    let now = broker.context.time.monotonicMilliseconds()
    let isDue = state.withLock { state -> Bool in
      guard let next = state.nextAutoCommit else {
        state.nextAutoCommit = now + configuration.autoCommitInterval.milliseconds
        return false
      }
      guard now >= next else { return false }
      state.nextAutoCommit = now + configuration.autoCommitInterval.milliseconds
      return true
    }
    if isDue { startAutoCommit() }
  }

  /// Starts to commit what there is to commit, and goes on. What fails is warned of: the next one covers it.
  func startAutoCommit(_ offsets: [TopicPartition: OffsetAndMetadata]? = nil) {
    guard configuration.enableAutoCommit, configuration.group != nil, !broker.isReadOnly else { return }
    let offsets = offsets ?? currentPositions()
    guard !offsets.isEmpty else { return }
    let warn = broker.context.warn
    do throws(EventLogError) {
      try startCommit(offsets) { error in if let error { warn(error) } }
    } catch {
      warn(error)
    }
  }

  func currentPositions() -> [TopicPartition: OffsetAndMetadata] {
    state.withLock { state in
      // Of what a loop was not given yet, nothing counts as read.
      let unread = state.loop?.unread ?? [:]
      var result: [TopicPartition: OffsetAndMetadata] = [:]
      for (topicPartition, position) in state.positions {
        guard let offset = position.offset else { continue }
        result[topicPartition] = OffsetAndMetadata(
          min(offset, unread[topicPartition] ?? .max), leaderEpoch: position.leaderEpoch)
      }
      return result
    }
  }

  private func requireGroup() throws(EventLogError) -> String {
    guard let group = configuration.group else {
      throw EventLogError(.invalidGroupID, "to commit, a consumer needs a group (group.id)")
    }
    return group
  }

  private func startCommit(
    _ offsets: [TopicPartition: OffsetAndMetadata], _ completion: @escaping @Sendable (EventLogError?) -> Void
  ) throws(EventLogError) {
    let group = try requireGroup()
    let (membership, isMember) = try state.withLock { state throws(EventLogError) -> (GroupMembership, Bool) in
      try requireOpen(state)
      return (state.membership, state.subscription.ofGroup != nil)
    }
    for (topicPartition, offset) in offsets
    where offset.metadata.utf8.count > broker.configuration.offsetMetadataMaxBytes {
      throw EventLogError(
        .offsetMetadataTooLarge,
        "the metadata has \(offset.metadata.utf8.count) bytes; offset.metadata.max.bytes allows "
          + "\(broker.configuration.offsetMetadataMaxBytes)"
      ).at(topicPartition)
    }
    do throws(EventLogError) {
      try broker.groups.validateCommit(
        group, memberID: isMember ? membership.memberID ?? "" : nil, instanceID: configuration.groupInstanceID,
        generation: isMember ? membership.generation : -1)
    } catch {
      guard isMember, error.code != .fencedInstanceID else { throw error }
      throw EventLogError(
        .commitFailed,
        "the group went on without this member (\(error.code.name): \(error.message)); others may have "
          + "read these records too. Poll more often, or raise max.poll.interval.ms")
    }
    try broker.offsets.commit(group, offsets, completion: completion)
  }
}
