internal import MetadataStore
public import RecordFormat
internal import SegmentStore

extension Consumer {
  /// Commits the positions: of each partition, the offset after the last record that a poll returned. When this returns,
  /// they are on the disk. Where the disk is quick, the thread of this task writes them, and is held up for a millisecond or two.
  /// What was read of topics that were deleted meanwhile is left out.
  ///
  /// - Throws: `invalidGroupID` without a group; `commitFailed` where the group went on without this member, so that
  ///   others may have read these records too; `rebalanceInProgress` where the group is dividing its partitions, so that a
  ///   poll has to come first; `fencedInstanceID`; `wakeup`; `readOnly`, `storageError`.
  public func commit() async throws {
    if try commitAtOnce() { return }
    _ = try requireGroup()
    try state.withLock { state throws(EventLogError) in try requireOpen(state) }
    try await exclusively {
      try throwIfWokenUp()
      try await commitPositions(timeout: configuration.defaultAPITimeout, isCalled: true)
    }
    runCommitCallbacks()
  }

  /// Commits the given offsets: the next one to read of each partition, with metadata if you like. They are taken as they
  /// are, also for partitions that this consumer does not have, and in either direction.
  ///
  /// - Throws: as `commit()`; `offsetMetadataTooLarge` where some metadata has more than `offset.metadata.max.bytes`: the
  ///   offsets of the other partitions are committed then; `unknownTopicOrPartition`, `illegalArgument` for a negative
  ///   offset: nothing is committed then; `timeout` after `default.api.timeout.ms`: the commit may still happen.
  public func commit(_ offsets: [TopicPartition: OffsetAndMetadata]) async throws {
    try await commit(offsets, timeout: configuration.defaultAPITimeout, isCalled: true)
    runCommitCallbacks()
  }

  private func commit(
    _ offsets: [TopicPartition: OffsetAndMetadata], timeout: Duration, isCalled: Bool
  ) async throws {
    let shot = OneShot<Void>()
    try startCommit(offsets, isCalled: isCalled, awaitedBy: .callerBriefly) { error in
      shot.complete(error.map { .failure($0) } ?? .success(()))
    }
    if isCalled { state.withLock { $0.hasUncommitted = true } }
    try await value(
      of: shot, within: timeout, evenIfCancelled: !isCalled,
      else: .failure(EventLogError(.timeout, "the commit was not on the disk in time; it may still come to be")))
    interceptors?.onCommit(offsets)
  }

  /// Waits for a result, or takes another one when the time is over.
  ///
  /// - Parameter evenIfCancelled: whether it is waited for in a cancelled task too: where partitions are given up next, whose next
  ///   owner begins at what is on the disk.
  private func value(
    of shot: OneShot<Void>, within timeout: Duration, evenIfCancelled: Bool,
    else late: @autoclosure @escaping @Sendable () -> Result<Void, any Error>
  ) async throws {
    guard shot.result == nil else { return try await shot.value() }
    let timekeeper = broker.context.timekeeper
    let deadline = broker.context.time.deadline(in: timeout.milliseconds)
    let timer = deadline == .max ? nil : timekeeper.schedule(at: deadline, for: .endOfWait) { shot.complete(late()) }
    defer { if let timer { timekeeper.cancel(timer) } }
    // A task of its own is cancelled by nobody.
    if evenIfCancelled { return try await Task { try await shot.value() }.value }
    try await shot.value()
  }

  /// Starts to commit the positions, and goes on. Without a completion, and where more such calls follow, it is written together
  /// with the next ones: ten milliseconds later, or a hundred at most where the disk is slow.
  ///
  /// - Parameter completion: told the outcome: once, in the order of the calls, on the task that polls, commits or closes
  ///   next, as in Kafka. A commit that failed is not tried again: a later one may have succeeded already.
  /// - Throws: `invalidGroupID` without a group, `illegalState` once it is closed, `illegalArgument` for a negative offset;
  ///   all else goes to `completion`.
  public func commitAsync(_ completion: (@Sendable ((any Error)?) -> Void)? = nil) throws {
    if completion == nil, interceptors == nil, putIntoWaitingCommit() { return }
    try enqueueCommit(currentPositions(), completion)
  }

  /// The short way of a commit of which nobody is told, where the one before it still waits to be written: puts the positions
  /// into that. False where there is more to do, or something to refuse.
  private func putIntoWaitingCommit() -> Bool {
    // Not under the lock: this may be the loop's last reference.
    guard state.withLock({ $0.loop }) == nil else { return false }
    let now = broker.context.time.wallMilliseconds()
    return state.withLock { state -> Bool in
      guard let waiting = state.waitingCommit, waiting.groups == broker.groups.version, !state.isClosed,
        state.callbacks.isEmpty, !state.membership.isJoining,
        waiting.generation == state.membership.generation, waiting.member == state.membership.memberID
      else { return false }
      let version = broker.topicTable.version
      return waiting.commit.update { state.positions.put(into: &$0, at: now, version: version) }
    }
  }

  /// Starts to commit the given offsets, and goes on. See `commitAsync(_:)`.
  public func commitAsync(
    _ offsets: [TopicPartition: OffsetAndMetadata], _ completion: (@Sendable ((any Error)?) -> Void)? = nil
  ) throws {
    try enqueueCommit(offsets, completion)
    state.withLock { $0.hasUncommitted = true }
  }

  private func enqueueCommit(
    _ offsets: [TopicPartition: OffsetAndMetadata], _ completion: (@Sendable ((any Error)?) -> Void)?
  ) throws(EventLogError) {
    _ = try requireGroup()
    try state.withLock { state throws(EventLogError) in try requireOpen(state) }
    for (topicPartition, offset) in offsets where offset.offset < 0 {
      throw EventLogError(.illegalArgument, "a committed offset can't be negative", offset: offset.offset)
        .at(topicPartition)
    }
    runCommitCallbacks()
    let interceptors = interceptors
    guard completion != nil || interceptors != nil else { return start(offsets, isCalled: true, nil) }
    let number = state.withLock { state in
      state.callbacks.add { error in
        if error == nil { interceptors?.onCommit(offsets) }
        completion?(error)
      }
    }
    start(offsets, isCalled: true) { [weak self] error in self?.finish(number, error) }
  }

  /// Notes the outcome of a commit. A poll that waits is to tell it now.
  private func finish(_ number: Int, _ error: EventLogError?) {
    state.withLock { $0.callbacks.finish(number, error) }
    signal.wake()
  }

  /// Starts a commit, and goes on; whatever becomes of it, `completion` is told, if there is one.
  private func start(
    _ offsets: [TopicPartition: OffsetAndMetadata], isCalled: Bool, _ completion: (@Sendable (EventLogError?) -> Void)?
  ) {
    guard !offsets.isEmpty else {
      completion?(nil)
      return
    }
    do throws(EventLogError) {
      try startCommit(offsets, isCalled: isCalled, awaitedBy: .another, completion)
    } catch {
      completion?(error)
    }
  }

  /// Tells those that called `commitAsync` what became of it, in the order of their calls.
  func runCommitCallbacks() {
    while let call = state.withLock({ $0.callbacks.begin() }) {
      call()
      state.withLock { $0.callbacks.end() }
    }
  }

  /// What the group has committed for these partitions; a partition it has committed nothing for is left out.
  ///
  /// - Throws: `invalidGroupID` without a group; `illegalState` once the consumer or the broker is closed;
  ///   `unstableOffsetCommit` for `read_committed`, where a transaction that has not ended is about to change one of them: ask
  ///   again later.
  public func committed(_ partitions: [TopicPartition]) throws -> [TopicPartition: OffsetAndMetadata] {
    let group = try requireGroup()
    try broker.requireOpen()
    try state.withLock { state throws(EventLogError) in try requireOpen(state) }
    let partitions = Set(partitions)
    if configuration.isolation == .readCommitted { try broker.offsets.requireStable(group, partitions) }
    return broker.offsets.committed(group).filter { partitions.contains($0.key) }
  }

  // MARK: For the other parts

  func commitPositions(timeout: Duration, isCalled: Bool = false) async throws {
    let offsets = currentPositions()
    guard !offsets.isEmpty else { return }
    try await commit(offsets, timeout: timeout, isCalled: isCalled)
  }

  /// Waits until the commits are on the disk that are under way, or have failed.
  func commitsAreWritten(within timeout: Duration) async {
    let shot = OneShot<Void>()
    commits.whenClear { shot.complete(.success(())) }
    try? await value(of: shot, within: timeout, evenIfCancelled: true, else: .success(()))
  }

  /// Before a rebalance: what can't be committed is read again by somebody, which is what at-least-once means.
  func commitBeforeRebalance() async {
    do {
      try await commitPositions(timeout: configuration.maxPollInterval)
    } catch let error as EventLogError {
      broker.context.warn(error)
    } catch {}
  }

  /// Whether positions are committed by themselves.
  var commitsByItself: Bool {
    configuration.enableAutoCommit && configuration.group != nil && !broker.isReadOnly
  }

  /// When the next poll is to commit by itself; nil where nothing has moved since the last time, so that a consumer that
  /// waits for records costs nothing.
  var autoCommitTime: Int64? {
    guard commitsByItself else { return nil }
    return state.withLock { $0.hasUncommitted ? $0.nextAutoCommit : nil }
  }

  /// Within `poll`, when the interval is over: everything that earlier polls returned. A consumer that assigned its
  /// partitions commits also what it did before, since its offsets are kept for so long after the last commit.
  func autoCommitIfDue() {
    guard commitsByItself else { return }
    let now = broker.context.time.monotonicMilliseconds()
    let isDue = state.withLock { state -> Bool in
      guard let next = state.nextAutoCommit, now >= next else { return false }
      state.nextAutoCommit = broker.context.time.deadline(in: configuration.autoCommitInterval.milliseconds)
      return state.hasUncommitted || state.subscription.ofGroup == nil
    }
    if isDue { startAutoCommit() }
  }

  /// Starts to commit what there is to commit, and goes on. What fails is warned of: the next one covers it.
  func startAutoCommit(_ offsets: [TopicPartition: OffsetAndMetadata]? = nil) {
    guard commitsByItself else { return }
    state.withLock { $0.hasUncommitted = false }
    let offsets = offsets ?? currentPositions()
    guard !offsets.isEmpty else { return }
    let warn = broker.context.warn
    let number = interceptors.map { interceptors in
      state.withLock { state in state.callbacks.add { error in if error == nil { interceptors.onCommit(offsets) } } }
    }
    start(offsets, isCalled: false) { [weak self] error in
      if let error {
        warn(error)
        self?.state.withLock { $0.hasUncommitted = true }
      }
      if let number { self?.finish(number, error) }
    }
  }

  /// The positions that are known, as they are to be committed: not those within topics that were deleted, which are
  /// nothing to others of the same names.
  func currentPositions() -> [TopicPartition: OffsetAndMetadata] {
    // Of what a loop was not given yet, nothing counts as read. Not under the lock: this may be the loop's last reference.
    let unread = state.withLock { $0.loop }?.unread ?? [:]
    let topics = broker.topicTable
    return state.withLock { state in
      let areAllThere = !state.positions.ids(topics).isEmpty
      var result = [TopicPartition: OffsetAndMetadata](minimumCapacity: state.positions.slots.count)
      for position in state.positions.slots {
        guard let offset = position.offset, areAllThere || position.id(topics) != nil else { continue }
        result[position.topicPartition] = OffsetAndMetadata(
          min(offset, unread[position.topicPartition] ?? .max), leaderEpoch: position.leaderEpoch)
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

  /// - Parameters:
  ///   - isCalled: whether the user asked for it, who is told to poll first where the group is dividing its partitions. What
  ///     the consumer commits by itself is what it still has.
  ///   - waiter: who waits for the completion.
  ///   - completion: nil where nobody is to be told.
  private func startCommit(
    _ offsets: [TopicPartition: OffsetAndMetadata], isCalled: Bool, awaitedBy waiter: OffsetStore.Waiter,
    _ completion: (@Sendable (EventLogError?) -> Void)?
  ) throws(EventLogError) {
    let group = try requireGroup()
    let version = broker.groups.version
    let (membership, isMember) = try state.withLock { state throws(EventLogError) -> (GroupMembership, Bool) in
      try requireOpen(state)
      return (state.membership, state.subscription.ofGroup != nil)
    }
    if isMember, isCalled, !isInCallback, configuration.groupProtocol == .classic, membership.isJoining {
      throw EventLogError(
        .rebalanceInProgress,
        "the group is dividing its partitions, and what this consumer will have is not known yet; poll, and commit then"
      )
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
    let fitting = FittingOffsets(offsets, limit: broker.configuration.offsetMetadataMaxBytes)
    if let refusal = fitting.refusal, fitting.offsets.isEmpty { throw refusal }
    let commits = commits
    guard let completion else {
      let (order, last) = state.withLock { ($0.positions.ids(broker.topicTable), $0.waitingCommit?.commit) }
      let waiting = try broker.offsets.commitInBackground(
        group, fitting.offsets, order: order, after: last, commits)
      state.withLock { $0.waitingCommit = (waiting, membership.memberID, membership.generation, version) }
      return
    }
    commits.begin()
    do throws(EventLogError) {
      try broker.offsets.commit(group, fitting.offsets, awaitedBy: waiter) { error in
        completion(error ?? fitting.refusal)
        commits.end()
      }
    } catch {
      commits.end()
      throw error
    }
  }
}
