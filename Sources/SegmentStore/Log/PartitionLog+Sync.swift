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
      state.syncWaiters.append(waiter)
      countWaiters(state)
      startSync(&state)
      return nil
    }
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
    enum Role { case done, leader, follower(Latch) }
    var hasWaited = false
    while true {
      let role = try state.withLock { state throws(EventLogError) -> Role in
        if offset <= state.durableOffset { return .done }
        // Who waited already goes on waiting while syncs go on: a log that is being closed has one to come, by who closes it.
        if let failure = hasWaited ? state.syncFailure : state.failure { throw failure }
        guard state.syncIsRunning || state.isClosed else {
          state.syncIsRunning = true
          return .leader
        }
        return .follower(block(until: offset, &state))
      }
      switch role {
      case .done: return
      case .leader:
        if hasWaited { gatherWaiters() }
        if let failure = leadSync() { throw failure }
      case .follower(let latch): latch.wait()
      }
      hasWaited = true
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
      if state.firstUndurable != nil, !state.syncIsRunning, !state.syncIsScheduled { return true }
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
}
