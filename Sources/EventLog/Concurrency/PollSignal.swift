internal import SegmentStore
internal import Synchronization

/// Wakes a consumer that waits for records, for its group, or for the time to pass.
final class PollSignal: AppendWaiter {
  private struct State {
    var isSet = false
    /// The task that waits, or the thread.
    var waiter: OneShot<Void>?
    var thread: Latch?
    /// Told when the next wait begins.
    var observers: [@Sendable () -> Void] = []

    var isAwaited: Bool { waiter != nil || thread != nil }
  }

  private let state = Mutex(State())

  /// Ends the wait, or the next one at once.
  func wake() {
    let (waiter, thread) = state.withLock { state -> (OneShot<Void>?, Latch?) in
      state.isSet = true
      return (state.waiter, state.thread)
    }
    waiter?.complete(.success(()))
    thread?.open()
  }

  func highWatermarkMoved() { wake() }

  /// Whether a poll waits now.
  var isWaiting: Bool { state.withLock { $0.isAwaited } }

  /// Calls `observer` once, as soon as somebody waits and nothing has ended that wait.
  func whenWaiting(_ observer: @escaping @Sendable () -> Void) {
    let isWaiting = state.withLock { state -> Bool in
      if state.isAwaited, !state.isSet { return true }
      state.observers.append(observer)
      return false
    }
    if isWaiting { observer() }
  }

  /// Forgets earlier wake-ups. What is looked at after this and found wanting may be waited for.
  func reset() {
    state.withLock { $0.isSet = false }
  }

  /// Waits for `wake`, at most until `deadline` (monotonic milliseconds).
  ///
  /// - Throws: `CancellationError`.
  func wait(until deadline: Int64?, _ timekeeper: Timekeeper) async throws {
    let (waiter, observers) = state.withLock { state -> (OneShot<Void>?, [@Sendable () -> Void]) in
      guard !state.isSet else { return (nil, []) }
      let waiter = OneShot<Void>()
      state.waiter = waiter
      defer { state.observers = [] }
      return (waiter, state.observers)
    }
    guard let waiter else { return }
    let timer = deadline.map { deadline in timekeeper.schedule(at: deadline) { [weak self] in self?.wake() } }
    defer {
      if let timer { timekeeper.cancel(timer) }
      state.withLock { $0.waiter = nil }
    }
    for observer in observers { observer() }
    try await waiter.value()
  }

  /// The same, blocking this thread.
  func waitBlocking(until deadline: Int64?, _ timekeeper: Timekeeper) {
    let latch = Latch()
    let observers = state.withLock { state -> [@Sendable () -> Void]? in
      guard !state.isSet else { return nil }
      state.thread = latch
      defer { state.observers = [] }
      return state.observers
    }
    guard let observers else { return }
    let timer = deadline.map { deadline in timekeeper.schedule(at: deadline) { [weak self] in self?.wake() } }
    defer {
      if let timer { timekeeper.cancel(timer) }
      state.withLock { $0.thread = nil }
    }
    for observer in observers { observer() }
    latch.wait()
  }
}
