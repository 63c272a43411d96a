internal import Glibc
package import RecordFormat

// One sync serves everybody who waits: it makes durable all that was appended before it began. Whoever comes while it
// runs is served by the next.

extension PartitionLog {
  /// `flush.messages`
  var flushMessages: Int64 { flushInterval.load(ordering: .relaxed) }

  /// Calls `completion` once everything below `offset` is on the disk, or with why it never will be. On this thread
  /// where it is already; else on the thread that syncs. Completions are called in the order of these calls: one that
  /// comes while earlier ones are being called takes its place behind them.
  package func whenDurable(upTo offset: Int64, _ completion: @escaping @Sendable (EventLogError?) -> Void) {
    if let outcome = enrol(SyncWaiter(offset: offset, wake: .call(completion))) { completion(outcome.failure) }
  }

  /// Suspends this task until everything below `offset` is on the disk: `whenDurable` without a closure for each who waits.
  ///
  /// - Throws: why it never will be; `CancellationError` where the task was cancelled, which takes nothing back.
  package func untilDurable(upTo offset: Int64) async throws {
    let id = syncWaiterNumber.add(1, ordering: .relaxed).newValue
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let waiter = SyncWaiter(offset: offset, wake: .resume(id, continuation))
        if let outcome = enrol(waiter) {
          waiter.tell(outcome.failure)
        } else if Task.isCancelled {
          // The handler may have come before there was anybody to withdraw.
          withdraw(id)
        }
      }
    } onCancel: {
      withdraw(id)
    }
  }

  /// What is known at once of who would wait.
  private struct Outcome {
    var failure: EventLogError?
  }

  /// Takes a waiter in, unless it need not wait.
  private func enrol(_ waiter: SyncWaiter) -> Outcome? {
    state.withLock { state in
      if !state.isCallingBack {
        if waiter.offset <= state.durableOffset { return Outcome() }
        if let failure = state.failure { return Outcome(failure: failure) }
      }
      add(waiter, &state)
      if !state.syncIsRunning { startSync(&state) }
      return nil
    }
  }

  private func add(_ waiter: SyncWaiter, _ state: inout State) {
    state.syncWaiters.append(waiter)
    syncWaiterCount.store(state.syncWaiters.count, ordering: .relaxed)
  }

  private func withdraw(_ id: Int) {
    let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
      for (index, waiter) in state.syncWaiters.enumerated() {
        guard case .resume(id, let continuation) = waiter.wake else { continue }
        state.syncWaiters.remove(at: index)
        return continuation
      }
      return nil
    }
    continuation?.resume(throwing: CancellationError())
  }

  /// Blocks this thread until everything below `offset` is on the disk. Where no sync is running, this thread runs it.
  package func waitUntilDurable(upTo offset: Int64) throws(EventLogError) {
    enum Role { case done, leader, follower(Latch, FailureBox) }
    let role = try state.withLock { state throws(EventLogError) -> Role in
      if offset <= state.durableOffset { return .done }
      if let failure = state.failure { throw failure }
      if !state.syncIsRunning {
        state.syncIsRunning = true
        return .leader
      }
      let latch = Latch()
      let box = FailureBox()
      let wake = SyncWaiter.Wake.call { error in
        box.set(error)
        latch.open()
      }
      add(SyncWaiter(offset: offset, wake: wake), &state)
      return .follower(latch, box)
    }
    switch role {
    case .done:
      return
    case .leader:
      let failure = syncOnce()
      state.withLock { state in
        if isSyncDone(state, after: failure) {
          endSync(&state)
        } else {
          // Those who came meanwhile are not this caller's business.
          context.syncThreads.submit { self.syncWhileNeeded() }
        }
      }
      if let failure { throw failure }
    case .follower(let latch, let box):
      latch.wait()
      if let failure = box.get() { throw failure }
    }
  }

  /// Whether a recovery left something to be synced before it can be seen.
  package var isRecovering: Bool { recoveredEnd.load(ordering: .relaxed) != .min }

  /// Blocks this thread until everything can be seen that a recovery found. Where no sync is running, this thread runs it.
  ///
  /// - Throws: why it never will be.
  package func waitUntilRecovered() throws(EventLogError) {
    let end = recoveredEnd.load(ordering: .relaxed)
    guard end != .min else { return }
    try waitUntilDurable(upTo: end)
    recoveredEnd.store(.min, ordering: .relaxed)
  }

  /// Makes everything durable that was appended before this call.
  package func flush() throws(EventLogError) {
    try waitUntilDurable(upTo: logEndOffset)
  }

  /// Whether it is to be flushed because `flush.ms` has passed since the last time, or because something waits to be seen that
  /// nobody waits for: batches of a transaction are to be on the disk when it ends, and not before.
  package var isFlushDue: Bool {
    let now = context.time.monotonicMilliseconds()
    return state.withLock { state in
      guard state.durableOffset < state.nextOffset else { return false }
      if state.firstUndurable != nil, !state.syncIsRunning { return true }
      return now - state.lastFlush >= state.configuration.flushMilliseconds
    }
  }

  /// To be called at each checkpoint: whether something that was there at the last one is not on the disk yet. Who flushes then
  /// leaves a recovery no more to go over than what was written between three checkpoints.
  package func isFlushDueAtCheckpoint() -> Bool {
    state.withLock { state in
      defer { state.endAtCheckpoint = state.nextOffset }
      return state.durableOffset < state.endAtCheckpoint && state.failure == nil
    }
  }

  /// Has a sync thread begin. Called under the lock.
  func startSync(_ state: inout State) {
    state.syncIsRunning = true
    context.syncThreads.submit { self.syncWhileNeeded() }
  }

  private func syncWhileNeeded() {
    while true {
      gatherWaiters()
      let failure = syncOnce()
      let isDone = state.withLock { state -> Bool in
        guard isSyncDone(state, after: failure) else { return false }
        endSync(&state)
        return true
      }
      if isDone { return }
    }
  }

  private func isSyncDone(_ state: borrowing State, after failure: EventLogError?) -> Bool {
    failure != nil || (state.syncWaiters.isEmpty && state.rolled.isEmpty)
  }

  private func endSync(_ state: inout State) {
    state.syncIsRunning = false
    for callback in state.whenSyncEnds { callback() }
    state.whenSyncEnds = []
  }

  /// Waits for the running sync, so that nothing of this log is under way any more.
  func waitForRunningSync() {
    while true {
      let latch = Latch()
      let mustWait = state.withLock { state -> Bool in
        guard state.syncIsRunning else { return false }
        state.whenSyncEnds.append { latch.open() }
        return true
      }
      guard mustWait else { return }
      latch.wait()
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
      let failure = syncOnce()
      state.withLock { endSync(&$0) }
      if let failure { throw failure }
      return
    }
  }

  /// Gives those whom the last sync served the moment that `SyncGathering` allows.
  private func gatherWaiters() {
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

  /// What one sync is to make durable.
  private struct Work {
    var target: Int64
    var rolled: [RolledSegment]
    var active: ActiveSegment
    var hasNewNames: Bool
  }

  /// One sync, of what is there when it begins; then wakes whom it served. The caller owns `syncIsRunning`.
  private func syncOnce() -> EventLogError? {
    let work = state.withLock { state -> Work in
      state.firstUndurableAfterSync = nil
      // Nothing depends on an empty log's names: where a power cut takes them, it is made anew.
      let names = state.hasNewNames && (state.active.position > 0 || !state.rolled.isEmpty)
      if names { state.hasNewNames = false }
      return Work(target: state.nextOffset, rolled: state.rolled, active: state.active, hasNewNames: names)
    }
    var failure: EventLogError?
    let start = context.time.monotonicNanoseconds()
    do throws(EventLogError) {
      try makeDurable(work)
    } catch {
      failure = EventLogError(
        .storageError,
        "a sync failed, so that nothing more can be promised here: \(error.message); close the broker, "
          + "see to the disk, and open it again", file: error.file, errno: error.errno
      ).at(topicPartition)
      SyncFailureMark(directory: directory).make(context.fileSystem)
    }
    let took = context.time.monotonicNanoseconds() - start
    state.withLock { state in
      state.isCallingBack = true
      state.gathering.syncTook(took)
      if let failure {
        state.failure = state.failure ?? failure
        state.hasNewNames = state.hasNewNames || work.hasNewNames
        return
      }
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
    callBack(failure)
    if failure == nil { wakeWaiters() }
    return failure
  }

  /// Tells everybody whom the sync has served, and then those who came meanwhile: nobody overtakes.
  private func callBack(_ failure: EventLogError?) {
    var isFirst = true
    while true {
      let served = state.withLock { state -> [SyncWaiter] in
        let durable = failure == nil ? state.durableOffset : .max
        let served = state.takeWaiters(upTo: durable)
        syncWaiterCount.store(state.syncWaiters.count, ordering: .relaxed)
        if isFirst, !served.isEmpty { state.gathering.served(served.count, left: state.syncWaiters.count) }
        state.isCallingBack = !served.isEmpty
        return served
      }
      if served.isEmpty { return }
      isFirst = false
      for waiter in served { waiter.tell(failure) }
    }
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
