internal import SegmentStore
internal import Synchronization

/// Wakes a consumer that waits for records, for its group, or for the time to pass.
final class PollSignal: AppendWaiter {
  private struct State {
    var isSet = false
    var waiter: OneShot<Void>?
  }

  private let state = Mutex(State())

  /// Ends the wait, or the next one at once.
  func wake() {
    let waiter = state.withLock { state -> OneShot<Void>? in
      state.isSet = true
      return state.waiter
    }
    waiter?.complete(.success(()))
  }

  func highWatermarkMoved() { wake() }

  /// Forgets earlier wake-ups. What is looked at after this and found wanting may be waited for.
  func reset() {
    state.withLock { $0.isSet = false }
  }

  /// Waits for `wake`, at most until `deadline` (monotonic milliseconds).
  ///
  /// - Throws: `CancellationError`.
  func wait(until deadline: Int64?, _ timekeeper: Timekeeper) async throws {
    let waiter = state.withLock { state -> OneShot<Void>? in
      guard !state.isSet else { return nil }
      let waiter = OneShot<Void>()
      state.waiter = waiter
      return waiter
    }
    guard let waiter else { return }
    let timer = deadline.map { deadline in timekeeper.schedule(at: deadline) { waiter.complete(.success(())) } }
    defer {
      if let timer { timekeeper.cancel(timer) }
      state.withLock { $0.waiter = nil }
    }
    try await waiter.value()
  }
}
