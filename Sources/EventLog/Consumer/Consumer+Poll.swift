internal import RecordFormat
internal import SegmentStore

extension Consumer {
  /// Returns records as soon as there are some, or none when `timeout` is over.
  ///
  /// What the group has to do happens here too: joining, rebalances with the listener's calls, automatic commits. So a
  /// member of a group has to poll at least every `max.poll.interval.ms`.
  ///
  /// - Throws: `illegalState` without a subscription or assignment; `noOffsetForPartition` and `offsetOutOfRange` where
  ///   `auto.offset.reset` is none; `corruptMessage` for a damaged batch, at which the position stays: seek past it to go
  ///   on; `wakeup`; `CancellationError`; what the listener throws.
  public func poll(timeout: Duration = .seconds(1)) async throws -> ConsumerRecords {
    if let records = try pollAtOnce() { return records }
    try refuseInCallback("poll()")
    return try await exclusively {
      let records = try await pollOnce(timeout: timeout)
      return interceptors?.onConsume(records) ?? records
    }
  }

  /// The short way of a poll that has only to read: what it finds; nil where it has more to do or finds nothing.
  private func pollAtOnce() throws(EventLogError) -> ConsumerRecords? {
    guard interceptors == nil, !Task.isCancelled, tryExclusively() else { return nil }
    defer { endExclusively() }
    try broker.requireOpen()
    guard !isWokenUp else { return nil }
    let now = commitsByItself ? broker.context.time.monotonicMilliseconds() : .min
    enum Found { case done(ConsumerRecords?), member(id: String, generation: Int32) }
    let found = try state.withLock { state throws(EventLogError) -> Found in
      // Nobody is to be told of a commit, and none is due.
      guard !state.isClosed, state.callbacks.isEmpty, now < state.nextAutoCommit ?? .max else { return .done(nil) }
      guard case .group = state.subscription else { return .done(try fetch(&state, acceptsFewBytes: false)) }
      guard state.fenced == nil, !state.membership.mustJoin, let id = state.membership.memberID else {
        return .done(nil)
      }
      return .member(id: id, generation: state.membership.generation)
    }
    switch found {
    case .done(let records): return records
    case .member(let id, let generation):
      guard let group = configuration.group else { return nil }
      let mustAct = try? broker.groups.touch(
        group, id, instanceID: configuration.groupInstanceID, generation: generation)
      guard mustAct == false else { return nil }
      return try state.withLock { state throws(EventLogError) in try fetch(&state, acceptsFewBytes: false) }
    }
  }

  /// A poll, by a task that has the consumer to itself.
  func pollOnce(timeout: Duration) async throws -> ConsumerRecords {
    let time = broker.context.time
    let start = time.monotonicMilliseconds()
    let end = time.deadline(in: max(0, timeout.milliseconds))
    while true {
      // First: whoever closes or wakes it after this ends the wait, and whoever did so before it is seen below.
      signal.reset()
      try Task.checkCancellation()
      try broker.requireOpen()
      try state.withLock { state throws(EventLogError) in try requireOpen(state) }
      try throwIfWokenUp()
      runCommitCallbacks()
      try await takePartInGroup()
      autoCommitIfDue()
      let now = time.monotonicMilliseconds()
      if let records = try fetch(at: now, since: start, until: end) { return records }
      await signal.wait(until: nextWake(before: end, now: now, start: start))
    }
  }

  /// What there is, without waiting and without taking part in a group: for callers without Swift concurrency, of
  /// partitions that were assigned.
  ///
  /// - Throws: `illegalState` for a consumer that subscribed; else as `poll`.
  public func read() throws -> ConsumerRecords {
    try broker.requireOpen()
    let records = try state.withLock { state throws(EventLogError) in
      try requireAssigned(state)
      return try fetch(&state, acceptsFewBytes: true) ?? ConsumerRecords([])
    }
    return interceptors?.onConsume(records) ?? records
  }

  /// As `read()`, but blocks this thread until there are records, or `timeout` is over: for threads of your own that do nothing
  /// else. They are woken sooner than a task, which has to be given a thread first. Not for tasks, which would keep one of
  /// Swift's few threads from the others: they have `poll`.
  ///
  /// - Parameters:
  ///   - timeout: how long it waits; zero or less only looks.
  ///   - spinning: how much of that, at first, it spends looking again and again instead of sleeping. A record that comes in this
  ///     time is there without the kernel's help: sooner, and its sender has nobody to wake. The price is a processor kept busy:
  ///     for consumers that have one to themselves. Zero.
  /// - Throws: `wakeup`, `concurrentModification`; else as `read()`.
  public func read(timeout: Duration, spinning: Duration = .zero) throws -> ConsumerRecords {
    try beginExclusively()
    defer { endExclusively() }
    let time = broker.context.time
    let start = time.monotonicMilliseconds()
    let end = time.deadline(in: max(0, timeout.milliseconds))
    // Nobody would wake a reader beside the owner.
    let spin = Spin(nanoseconds: broker.isReadOnly ? 0 : spinning.nanoseconds)
    while true {
      // First, as in `pollOnce`.
      signal.reset()
      try broker.requireOpen()
      try throwIfWokenUp()
      let now = time.monotonicMilliseconds()
      if let records = try fetch(at: now, since: start, until: end, requiresAssignment: true) {
        return interceptors?.onConsume(records) ?? records
      }
      let next = nextLook(before: end, now: now, start: start)
      signal.wait(spin, atMost: Duration.milliseconds(next.map { $0 - now } ?? .max).nanoseconds)
      signal.waitBlocking(until: next)
    }
  }

  private func requireAssigned(_ state: borrowing State) throws(EventLogError) {
    try requireOpen(state)
    guard case .assigned = state.subscription else {
      throw EventLogError(.illegalState, "read() is for consumers that assign; one that subscribed has to poll")
    }
  }

  /// When a poll is to look again without having been woken, or to commit.
  private func nextWake(before end: Int64, now: Int64, start: Int64) -> Int64? {
    let next = min(
      nextLook(before: end, now: now, start: start) ?? .max, autoCommitTime.map { max($0, now + 1) } ?? .max)
    return next == .max ? nil : next
  }

  /// When to look again without having been woken. A read-only broker has nobody who would wake its consumers.
  private func nextLook(before end: Int64, now: Int64, start: Int64) -> Int64? {
    var next = end
    if broker.isReadOnly { next = min(next, now + 20) }
    if configuration.fetchMinBytes > 1 {
      next = min(next, max(now + 1, start + configuration.fetchMaxWait.timeLimit))
    }
    return next == .max ? nil : next
  }

  /// What there is, by `fetch.min.bytes` and `fetch.max.wait.ms`; nothing once the time is over, and nil where it is to be
  /// waited for.
  private func fetch(
    at now: Int64, since start: Int64, until end: Int64, requiresAssignment: Bool = false
  ) throws(EventLogError) -> ConsumerRecords? {
    let mayBeShort =
      configuration.fetchMinBytes <= 1 || now >= end || now - start >= configuration.fetchMaxWait.milliseconds
    let records = try state.withLock { state throws(EventLogError) in
      if requiresAssignment { try requireAssigned(state) }
      return try fetch(&state, acceptsFewBytes: mayBeShort)
    }
    return records ?? (now < end ? nil : ConsumerRecords([]))
  }

  /// Records of the partitions in turn; nil where there are none, or fewer bytes than `fetch.min.bytes`.
  private func fetch(_ state: inout State, acceptsFewBytes: Bool) throws(EventLogError) -> ConsumerRecords? {
    try requireOpen(state)
    if case .none = state.subscription {
      throw EventLogError(.illegalState, "the consumer has neither subscribed to topics nor assigned partitions")
    }
    if state.positions.mayHaveUnknown { resolveAll(&state) }
    if configuration.fetchMinBytes > 1, !acceptsFewBytes, availableBytes(state) < configuration.fetchMinBytes {
      return nil
    }
    var batches: [ConsumerBatch] = []
    var room = configuration.maxPollRecords
    var bytes = configuration.fetchMaxBytes
    var delivered: [Int] = []
    // The order stays as it is until this ends.
    var place = 0
    while room > 0, place < state.positions.order.count {
      let slot = state.positions.order[place]
      place += 1
      guard !state.positions.slots[slot].isPaused else { continue }
      guard bytes > 0 || batches.isEmpty else { break }
      do throws(EventLogError) {
        let offset: Int64
        if let known = state.positions.slots[slot].offset {
          offset = known
        } else {
          offset = try resolve(&state.positions.slots[slot])
          state.hasUncommitted = true
        }
        let fetched = try state.positions.slots[slot].fetch(
          into: &batches, from: offset, limit: room, maxBytes: bytes, configuration)
        bytes -= fetched.bytes
        guard fetched.records > 0 else {
          // Over what nobody is shown, such as a transaction's marker.
          if state.positions.slots[slot].offset != offset { state.hasUncommitted = true }
          continue
        }
        room -= fetched.records
        if state.positions.order.count > 1 { delivered.append(slot) }
      } catch  where error.code == .offsetOutOfRange && configuration.autoOffsetReset != .none {
        state.positions.slots[slot].seek(configuration.autoOffsetReset)
        state.positions.mayHaveUnknown = true
        signal.wake()
      } catch  where error.code == .unstableOffsetCommit {
        // Woken when the transaction has ended.
        continue
      } catch  where error.code == .unknownTopicOrPartition && state.subscription.ofGroup != nil {
        // The topic was deleted; the rebalance that this began takes the partition away.
        continue
      } catch {
        if findAgain(slot, &state) {
          signal.wake()
          continue
        }
        // What other partitions gave is returned first; the error comes again with the next poll. The partition then waits
        // its turn, so that those behind it get theirs.
        guard batches.isEmpty else { break }
        state.positions.moveToEnd([slot])
        throw error
      }
    }
    guard !batches.isEmpty else { return nil }
    state.hasUncommitted = true
    state.positions.moveToEnd(delivered)
    return ConsumerRecords(batches)
  }

  /// Finds the positions out that are not known, before anything is waited for: also of partitions that are paused, or whose turn
  /// does not come, since `latest` is the end as it is now. One that can't be found out says why when it is its turn.
  private func resolveAll(_ state: inout State) {
    state.positions.mayHaveUnknown = false
    for slot in state.positions.slots.indices where state.positions.slots[slot].offset == nil {
      do throws(EventLogError) {
        _ = try resolve(&state.positions.slots[slot])
        state.hasUncommitted = true
      } catch {
        state.positions.mayHaveUnknown = true
      }
    }
  }

  /// The position: as it is, as `seekToBeginning` or `seekToEnd` left it, as the group committed it, or as
  /// `auto.offset.reset` says.
  func resolve(_ position: inout PartitionPosition) throws(EventLogError) -> Int64 {
    if let offset = position.offset { return offset }
    let topicPartition = position.topicPartition
    var reset = position.pendingReset
    if reset == nil, let group = configuration.group {
      // With read_committed also what a transaction is about to commit counts (KIP-447).
      let committed =
        configuration.isolation == .readCommitted
        ? try broker.offsets.stableOffset(group, topicPartition) { [weak signal] in signal?.wake() }
        : broker.offsets.committed(group, topicPartition)
      if let committed {
        position.offset = committed.offset
        position.leaderEpoch = committed.leaderEpoch
        return committed.offset
      }
    }
    if reset == nil { reset = configuration.autoOffsetReset }
    let offset: Int64
    switch reset {
    case .earliest: offset = try position.partition.logStartOffset()
    case .latest: offset = try position.partition.endOffset(configuration.isolation)
    case .byDuration(let duration):
      let time = max(0, broker.context.time.wallMilliseconds() - max(0, duration.milliseconds))
      if let found = try position.partition.offset(forTimestamp: time) {
        offset = found.offset
      } else {
        offset = try position.partition.endOffset(configuration.isolation)
      }
    case nil, .some(.none):
      throw EventLogError(
        .noOffsetForPartition, "there is no committed offset, and auto.offset.reset is none; seek first"
      ).at(topicPartition)
    }
    position.offset = offset
    position.pendingReset = nil
    return offset
  }

  /// Asks again for a partition that could not be opened when the consumer got it. False where it still can't be.
  private func findAgain(_ slot: Int, _ state: inout State) -> Bool {
    guard case .offline = state.positions.slots[slot].partition,
      let found = try? broker.partition(state.positions.slots[slot].topicPartition)
    else { return false }
    if case .offline = found { return false }
    state.positions.slots[slot].partition = found
    watch(&state)
    return true
  }

  private func availableBytes(_ state: borrowing State) -> Int {
    var sum = 0
    for position in state.positions.slots {
      guard !position.isPaused, let offset = position.offset else { continue }
      if !position.buffered.isEmpty { return .max }
      sum += position.availableBytes(from: offset, upTo: configuration.fetchMinBytes, configuration.isolation)
      if sum >= configuration.fetchMinBytes { return sum }
    }
    return sum
  }
}
