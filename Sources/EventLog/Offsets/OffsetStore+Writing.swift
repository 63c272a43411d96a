internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

// All changes that wait go into one SQLite transaction. Before that, the logs are synced up to the offsets: nothing in SQLite
// points past what the logs hold durably.

extension OffsetStore {
  /// Who waits for a change to be written.
  enum Waiter {
    /// It may wait for a moment for what comes next, so that a consumer that commits after each record costs no more than one
    /// that does so a hundred times a second.
    case nobody
    /// Not this thread; a thread of the store's own writes.
    case another
    /// This thread, which may write it where nobody else does and the disk is quick: to wake another thread and be woken by it
    /// takes about as long as a quick disk's sync. Of a broker's callers at most one at a time does so.
    case callerBriefly
    /// This thread, which may write it however long it takes.
    case caller
  }

  /// What a disk may take for a transaction, in milliseconds, to be a quick one.
  private static let brief: Int64 = 2
  /// Milliseconds from one transaction to the next of those that nobody waits for: nine times what the last one took with its
  /// syncs, so that they have at most a tenth of the disk, within these bounds.
  private static let pauses: ClosedRange<Int64> = 10...100

  /// Has a change written, after all that was given before it, in one SQLite transaction with what waits beside it.
  ///
  /// - Parameters:
  ///   - waiting: the offsets that belong to the change, as they will be when it is written.
  ///   - completion: called when it is on the disk, on the thread that wrote it.
  func write(
    _ change: MetadataChange, awaitedBy waiter: Waiter, waiting: WaitingCommit? = nil,
    completion: @escaping @Sendable (EventLogError?) -> Void
  ) throws(EventLogError) {
    enum Role { case joins, hands, writes }
    let mayWrite = waiter == .caller || (waiter == .callerBriefly && unsyncedLogs(of: change).isEmpty)
    let pending = Pending(change: change, waiting: waiting, completion: completion)
    let role = try state.withLock { state throws(EventLogError) -> Role in
      guard !state.isShutDown else { throw EventLogError.brokerClosed }
      for (group, offsets) in change.offsets { state.closeWaiting(group, offsets) }
      state.pending.append(pending)
      if let waiting {
        state.closeWaiting(waiting.group, waiting.offsets)
        state.open.append(waiting)
      }
      if waiter != .nobody { state.isAwaited = true }
      guard state.mayBegin() else { return .joins }
      let isBrief = state.pending.count == 1 && state.lastWriteTook < Self.brief
      return mayWrite && (waiter == .caller || isBrief) ? .writes : .hands
    }
    switch role {
    case .joins: break
    case .hands: writer.submit { self.writeAll() }
    case .writes:
      writeOnce()
      // Those who came meanwhile are not this caller's business.
      if !endWriting() { writer.submit { self.writeAll() } }
    }
  }

  /// Writes offsets on this thread, where nobody else writes, the logs are on the disk so far, and the disk is quick.
  ///
  /// - Returns: false where it did nothing, because that is not so.
  func commitAtOnce(_ group: String, _ positions: [CommittedPosition]) throws(EventLogError) -> Bool {
    guard !isReadOnly, positions.allSatisfy({ unsyncedLog($0.partition, $0.offset.offset) == nil }) else {
      return false
    }
    let begins = try state.withLock { state throws(EventLogError) -> Bool in
      guard !state.isShutDown else { throw EventLogError.brokerClosed }
      guard state.phase == .idle, state.lastWriteTook < Self.brief else { return false }
      state.phase = .writing
      state.overrule(group, positions.lazy.map(\.partition))
      return true
    }
    guard begins else { return false }
    defer { if !endWriting() { writer.submit { self.writeAll() } } }
    try change(since: nil) { () throws(EventLogError) in
      try metadata.commit(group, positions)
    } inMemory: { state in
      for (partition, offset) in positions { state.committed[group, default: [:]][partition] = offset }
    }
    return true
  }

  /// Has offsets written, and blocks this thread until they are on the disk.
  func commitAndWait(_ group: String, _ offsets: [TopicPartition: OffsetAndMetadata]) throws(EventLogError) {
    let latch = Latch()
    let failure = FailureBox()
    try commit(group, offsets, awaitedBy: .caller) { error in
      failure.set(error)
      latch.open()
    }
    latch.wait()
    if let error = failure.get() { throw error }
  }

  /// Keeps a group's generation, with the next commit or by itself.
  func noteGeneration(_ group: String, _ generation: Int32, assignor: String?) {
    guard !isReadOnly else { return }
    let emptiedAt = assignor == nil ? time.wallMilliseconds() : nil
    let mustStart = state.withLock { state -> Bool in
      guard !state.isShutDown else { return false }
      state.emptiedAt[group] = .some(emptiedAt)
      state.generations[group] = GroupMetadata(
        id: group, generation: generation, protocolName: assignor, emptiedAt: emptiedAt)
      return state.mayBegin()
    }
    if mustStart { writer.submit { self.writeAll() } }
  }

  // MARK: By whoever writes, which the phase says

  private func writeAll() {
    repeat { writeOnce() } while !endWriting()
  }

  /// Ends the writing, unless there is more to write now.
  private func endWriting() -> Bool {
    enum End { case done([@Sendable () -> Void]), paused(for: Int64), goesOn }
    let end = state.withLock { state -> End in
      if state.pending.isEmpty, state.generations.isEmpty {
        state.phase = .idle
        defer { state.whenWritten = [] }
        return .done(state.whenWritten)
      }
      guard !state.isAwaited, !state.isShutDown, state.whenWritten.isEmpty, case .system = time else { return .goesOn }
      state.phase = .paused
      return .paused(for: min(max(9 * state.lastRoundTook, Self.pauses.lowerBound), Self.pauses.upperBound))
    }
    switch end {
    case .done(let calls): for call in calls { call() }
    case .paused(let pause):
      timekeeper.schedule(at: time.monotonicMilliseconds() + pause) { [weak self] in self?.endPause() }
    case .goesOn: return false
    }
    return true
  }

  /// Has what was given time be written now.
  private func endPause() {
    let mustStart = state.withLock { $0.phase == .paused && $0.mayBegin(evenIfPaused: true) }
    if mustStart { writer.submit { self.writeAll() } }
  }

  /// One transaction with all that waits.
  private func writeOnce() {
    let (batch, generations) = state.withLock { state -> ([Pending], [GroupMetadata]) in
      defer {
        state.pending = []
        state.open = []
        state.generations = [:]
        state.isAwaited = false
      }
      for index in state.pending.indices {
        guard let waiting = state.pending[index].waiting else { continue }
        waiting.close()
        state.pending[index].change.offsets.append((waiting.group, waiting.offsets))
      }
      return (state.pending, Array(state.generations.values))
    }
    let begin = time.monotonicMilliseconds()
    // A partition whose disk failed is no reason to refuse the commits of others.
    var all = MetadataChange()
    var failures: [EventLogError?] = []
    for commit in batch {
      do throws(EventLogError) {
        for (log, offset) in unsyncedLogs(of: commit.change) { try log.waitUntilDurable(upTo: offset) }
        all.append(commit.change)
        failures.append(nil)
      } catch {
        failures.append(error)
      }
    }
    // Not after the rest: who waits for that must not be told of a failure where it is written.
    all.groups = generations
    var failure: EventLogError?
    do throws(EventLogError) {
      try change(since: begin) { () throws(EventLogError) in
        try metadata.write(all)
      } inMemory: { state in
        for (group, offsets) in all.offsets { state.committed[group, default: [:]].merge(offsets) { $1 } }
      }
    } catch {
      failure = error
    }
    // In the order of the calls, also where one in the middle failed.
    for (commit, error) in zip(batch, failures) { commit.completion(error ?? failure) }
  }

  /// Changes rows and, where that succeeded, what is in memory of them; notes how long it took.
  ///
  /// - Parameter begin: when what has to come before it was begun; nil where that is nothing.
  private func change(
    since begin: Int64?, rows change: () throws(EventLogError) -> Void, inMemory: (inout State) -> Void
  ) throws(EventLogError) {
    try rows.withLock { _ throws(EventLogError) in
      let start = time.monotonicMilliseconds()
      let result = Result { () throws(EventLogError) in try change() }
      let end = time.monotonicMilliseconds()
      state.withLock { state in
        state.lastWriteTook = end - start
        state.lastRoundTook = end - (begin ?? start)
        if case .success = result { inMemory(&state) }
      }
      try result.get()
    }
  }

  /// The logs that are not on the disk up to the change's offsets, and up to where they are to be.
  private func unsyncedLogs(of change: MetadataChange) -> [(log: PartitionLog, offset: Int64)] {
    change.offsets.flatMap(\.offsets).compactMap { id, offset in unsyncedLog(id, offset.offset) }
  }

  /// The log of a partition, where it is not on the disk up to `offset`, and up to where it is to be.
  private func unsyncedLog(_ id: PartitionID, _ offset: Int64) -> (log: PartitionLog, offset: Int64)? {
    // What nobody has used has nothing to sync.
    guard let log = topics.find(id.topic)?.logIfUsed(id.partition) else { return nil }
    // An offset beyond the end is allowed, as in Kafka; there is nothing more to sync for it.
    let needed = min(offset, log.logEndOffset)
    return log.durableOffset < needed ? (log, needed) : nil
  }

  // MARK: The end

  /// Whether nothing is being written, nor waits to be.
  var isIdle: Bool { writer.isIdle && state.withLock { $0.phase == .idle } }

  /// Calls `callback` once that is so.
  func whenIdle(_ callback: @escaping @Sendable () -> Void) {
    writer.whenIdle { self.whenWritten(callback) }
  }

  private func whenWritten(_ callback: @escaping @Sendable () -> Void) {
    let isBusy = state.withLock { state -> Bool in
      guard state.phase != .idle else { return false }
      state.whenWritten.append(callback)
      return true
    }
    guard isBusy else { return callback() }
    endPause()
  }

  /// Writes what waits, and takes nothing more.
  func shutDown() {
    state.withLock { state in
      state.isShutDown = true
      for waiting in state.open { waiting.close() }
      state.open = []
    }
    endPause()
    writer.shutDown()
    // A caller may be writing on its own thread.
    let latch = Latch()
    whenWritten { latch.open() }
    latch.wait()
  }
}

extension OffsetStore.State {
  /// Whether who asks is the one to write what is pending, which nobody does yet.
  fileprivate mutating func mayBegin(evenIfPaused: Bool = false) -> Bool {
    switch phase {
    case .writing: return false
    case .paused where !isAwaited && !evenIfPaused: return false
    case .idle, .paused: phase = .writing
    }
    return true
  }
}
