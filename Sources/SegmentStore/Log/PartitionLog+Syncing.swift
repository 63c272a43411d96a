internal import Glibc
package import RecordFormat

// Two things go on, each by one thread at a time, and neither waits for the other: the disk is synced, and those are told who
// asked to be. What is told may be a user's own code. It may want a lock that somebody holds who blocks, and may block itself:
// so whoever blocks waits for the disk alone, and syncs where nobody does.

extension PartitionLog {
  /// Has a sync thread begin, unless somebody syncs, or will once those are told who waited. Called under the lock.
  func startSync(_ state: inout State) {
    guard !state.syncIsRunning, !state.syncIsScheduled, !state.isCallingBack else { return }
    state.syncIsScheduled = true
    context.syncThreads.submit { self.syncWhileNeeded() }
  }

  private func syncWhileNeeded() {
    state.withLock { $0.syncIsScheduled = false }
    while state.withLock({ $0.beginNeededSync() }) {
      gatherWaiters()
      let (failure, mustTell) = sync(goesOn: true)
      if failure == nil { wakeWaiters() }
      if mustTell { tellWaiters() }
    }
    // There is to be no sync where one has failed outside of these.
    if state.withLock({ $0.beginTelling() }) { tellWaiters() }
  }

  /// The sync that this thread has begun and waits for. Who waits to be told is told by another thread.
  ///
  /// - Returns: why it failed.
  func leadSync() -> EventLogError? {
    let (failure, mustTell) = sync(goesOn: false)
    if failure == nil { wakeWaiters() }
    if mustTell { tellInBackground() }
    return failure
  }

  /// Has a sync thread tell those who wait; the caller has set `isCallingBack`.
  private func tellInBackground() {
    context.syncThreads.submit {
      self.tellWaiters()
      self.syncWhileNeeded()
    }
  }

  /// Tells everybody whom a sync has served, and then those who came meanwhile: nobody overtakes. By the thread that has set
  /// `isCallingBack`.
  private func tellWaiters() {
    while true {
      let (served, durable, failure) = state.withLock { state -> ([SyncWaiter], Int64, EventLogError?) in
        let served = state.takeWaiters(upTo: state.syncFailure == nil ? state.durableOffset : .max)
        countWaiters(state)
        state.isCallingBack = !served.isEmpty
        return (served, state.durableOffset, state.syncFailure)
      }
      if served.isEmpty { return }
      for waiter in served { waiter.tell(waiter.offset <= durable ? nil : failure) }
    }
  }

  /// Has everybody told who still waits that it was in vain. Returns at once.
  func giveUpWaiters(_ reason: EventLogError) {
    let mustTell = state.withLock { state -> Bool in
      state.syncFailure = state.syncFailure ?? reason
      state.openBlocked(upTo: .max)
      return state.beginTelling()
    }
    if mustTell { tellInBackground() }
  }

  // MARK: Who blocks

  /// Takes the calling thread in, which is to wait for the latch and then to look again: there may be a sync for it to run. Called
  /// under the lock, while a sync runs.
  func block(until offset: Int64, _ state: inout State) -> Latch {
    let latch = Latch()
    state.blocked.append(BlockedThread(offset: offset, latch: latch))
    countWaiters(state)
    return latch
  }

  func countWaiters(_ state: borrowing State) {
    syncWaiterCount.store(state.syncWaiters.count + state.blocked.count, ordering: .relaxed)
  }

  /// Waits for the running sync, so that no file of this log is being used any more.
  func waitForRunningSync() {
    while let latch = state.withLock({ state in state.syncIsRunning ? block(until: .min, &state) : nil }) {
      latch.wait()
    }
  }

  /// Waits until every segment that was rolled away is trimmed, indexed and synced.
  package func finishRolledSegments() throws(EventLogError) {
    enum Role { case done, leader, follower(Latch) }
    while true {
      let role = try state.withLock { state throws(EventLogError) -> Role in
        guard !state.rolled.isEmpty else { return .done }
        if let failure = state.failure { throw failure }
        if state.syncIsRunning { return .follower(block(until: .min, &state)) }
        state.syncIsRunning = true
        return .leader
      }
      switch role {
      case .done: return
      case .leader: if let failure = leadSync() { throw failure }
      case .follower(let latch): latch.wait()
      }
    }
  }

  /// One last sync, of a log that takes no more appends.
  func syncForClosing() throws(EventLogError) {
    while true {
      waitForRunningSync()
      let isOurs = state.withLock { state -> Bool in
        guard !state.syncIsRunning else { return false }
        state.syncIsRunning = true
        return true
      }
      guard isOurs else { continue }
      if let failure = leadSync() { throw failure }
      return
    }
  }

  /// Gives those whom the last sync served the moment that `SyncGathering` allows.
  func gatherWaiters() {
    guard let (expected, patience) = state.withLock({ $0.gathering.begin() }) else { return }
    let start = context.time.monotonicNanoseconds()
    for _ in 0..<200 {
      // Not by the lock, which those who come have need of.
      if syncWaiterCount.load(ordering: .relaxed) >= expected { return }
      if context.time.monotonicNanoseconds() - start > patience { break }
      sched_yield()
    }
    state.withLock { $0.gathering.wasInVain() }
  }

  // MARK: One sync

  /// What one sync is to make durable.
  private struct Work {
    var target: Int64
    var rolled: [RolledSegment]
    var active: ActiveSegment
    var hasNewNames: Bool
  }

  /// One sync, of what is there when it begins. The caller has set `syncIsRunning`, which this ends.
  ///
  /// - Parameter goesOn: whether the caller begins the next one that is needed.
  /// - Returns: why it failed, and whether the caller is to tell those who wait.
  private func sync(goesOn: Bool) -> (failure: EventLogError?, mustTell: Bool) {
    let work = state.withLock { state -> Work? in
      // What has failed once is never tried again, and what was given up has no files.
      guard state.syncFailure == nil else { return nil }
      state.firstUndurableAfterSync = nil
      // Nothing depends on an empty log's names: where a power cut takes them, it is made anew.
      let names = state.hasNewNames && (state.active.position > 0 || !state.rolled.isEmpty)
      if names { state.hasNewNames = false }
      return Work(target: state.nextOffset, rolled: state.rolled, active: state.active, hasNewNames: names)
    }
    guard let work else {
      return state.withLock { state in (state.syncFailure, state.endSync(goesOn: goesOn)) }
    }
    var failure: EventLogError?
    let start = context.time.monotonicNanoseconds()
    do throws(EventLogError) {
      try makeDurable(work)
    } catch {
      failure = syncFailure(error)
    }
    let took = context.time.monotonicNanoseconds() - start
    let mustTell = state.withLock { state -> Bool in
      state.gathering.syncTook(took)
      // One that failed meanwhile, elsewhere, may have taken the error that this one would have met.
      if !state.isClosed { failure = failure ?? state.syncFailure }
      if let failure {
        state.failure = state.failure ?? failure
        state.syncFailure = state.syncFailure ?? failure
        state.hasNewNames = state.hasNewNames || work.hasNewNames
      } else {
        for rolled in work.rolled {
          rolled.closeFile(context)
          // Not before: who loaded it anew would miss the index that was not written yet.
          rolled.segment.unpin(context)
        }
        state.rolled.removeFirst(work.rolled.count)
        if state.active.segment === work.active.segment { state.active.wasSynced(to: work.active.position) }
        state.durableOffset = max(state.durableOffset, work.target)
        state.lastFlush = context.time.monotonicMilliseconds()
        state.firstUndurable = state.firstUndurableAfterSync
        state.firstUndurableAfterSync = nil
        publish(&state)
      }
      let mustTell = state.endSync(goesOn: goesOn)
      // For who waits to be told, or for what was rolled meanwhile; who blocks syncs by itself.
      if !goesOn, state.blocked.isEmpty, state.needsSync { startSync(&state) }
      countWaiters(state)
      return mustTell
    }
    return (failure, mustTell)
  }

  /// What is said where a sync failed, of which the next opening has to know too: a second try might succeed with nothing on
  /// the disk.
  func syncFailure(_ error: EventLogError) -> EventLogError {
    SyncFailureMark(directory: directory).make(context.fileSystem)
    return EventLogError(
      .storageError,
      "a sync failed, so that nothing more can be promised here: \(error.message); close the broker, "
        + "see to the disk, and open it again", file: error.file, errno: error.errno
    ).at(topicPartition)
  }

  private func makeDurable(_ work: Work) throws(EventLogError) {
    let fileSystem = context.fileSystem
    for rolled in work.rolled { try rolled.finish(context) }
    if work.active.position > work.active.synced {
      let path = work.active.path
      if let file = work.active.descriptor {
        try fileSystem.syncData(file, path: path)
      } else {
        let file = try fileSystem.open(path, .readWrite)
        defer { fileSystem.close(file) }
        try fileSystem.syncData(file, path: path)
      }
    }
    guard work.hasNewNames else { return }
    try fileSystem.syncNames(in: directory)
  }
}
