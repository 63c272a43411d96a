internal import SegmentStore
internal import Synchronization

/// Wakes a consumer that waits for records, for its group, or for the time to pass.
final class PollSignal: AppendWaiter {
  private enum Phase: UInt8, AtomicRepresentable {
    /// The consumer looks, or does something else.
    case looking
    /// It waits, having looked in vain.
    case sleeping
    /// What it saw is no longer all there is.
    case woken
  }

  private struct State {
    var sleeper: Sleeper?
    /// Told when the next wait begins.
    var observers: [@Sendable () -> Void] = []
  }

  /// Who waits.
  private enum Sleeper {
    case task(OneShot<Void>)
    case thread(Latch)

    func wake() {
      switch self {
      case .task(let shot): shot.complete(.success(()))
      case .thread(let latch): latch.open()
      }
    }
  }

  /// Apart from the rest, because every append to a partition that is read changes it, and few find a sleeper. It is only ever
  /// exchanged: of a consumer that begins to look and a thread that wakes it, the later one sees what the other did before.
  private let phase = Atomic(Phase.looking)
  private let state = Mutex(State())

  /// Ends the wait, or the next one at once.
  func wake() {
    if highWatermarkMoved() { wakeUp() }
  }

  func highWatermarkMoved() -> Bool { phase.exchange(.woken, ordering: .acquiringAndReleasing) == .sleeping }

  func wakeUp() { state.withLock { $0.sleeper }?.wake() }

  /// Whether a poll waits now.
  var isWaiting: Bool { state.withLock { $0.sleeper != nil } }

  /// Calls `observer` once, as soon as somebody waits and nothing has ended that wait.
  func whenWaiting(_ observer: @escaping @Sendable () -> Void) {
    let isWaiting = state.withLock { state -> Bool in
      if state.sleeper != nil, phase.load(ordering: .acquiring) == .sleeping { return true }
      state.observers.append(observer)
      return false
    }
    if isWaiting { observer() }
  }

  /// Forgets earlier wake-ups. What is looked at after this and found wanting may be waited for.
  func reset() {
    _ = phase.exchange(.looking, ordering: .acquiringAndReleasing)
  }

  /// Waits for `wake`, at most until `deadline` (monotonic milliseconds).
  ///
  /// - Throws: `CancellationError`.
  func wait(until deadline: Int64?, _ timekeeper: Timekeeper) async throws {
    let shot = OneShot<Void>()
    guard let timer = begin(.task(shot), until: deadline, timekeeper) else { return }
    defer { end(timer, timekeeper) }
    try await shot.value()
  }

  /// The same, blocking this thread.
  func waitBlocking(until deadline: Int64?, _ timekeeper: Timekeeper) {
    let latch = Latch()
    guard let timer = begin(.thread(latch), until: deadline, timekeeper) else { return }
    defer { end(timer, timekeeper) }
    latch.wait()
  }

  /// Says that somebody waits, and returns the timer that ends it, if there is one; nil where the wait is over already.
  private func begin(_ sleeper: Sleeper, until deadline: Int64?, _ timekeeper: Timekeeper) -> UInt64?? {
    let observers = state.withLock { state -> [@Sendable () -> Void]? in
      let (sleeps, _) = phase.compareExchange(
        expected: .looking, desired: .sleeping, ordering: .acquiringAndReleasing)
      guard sleeps else { return nil }
      state.sleeper = sleeper
      defer { state.observers = [] }
      return state.observers
    }
    guard let observers else { return nil }
    let timer = deadline.map { deadline in timekeeper.schedule(at: deadline) { [weak self] in self?.wake() } }
    for observer in observers { observer() }
    return .some(timer)
  }

  private func end(_ timer: UInt64?, _ timekeeper: Timekeeper) {
    if let timer { timekeeper.cancel(timer) }
    state.withLock { $0.sleeper = nil }
  }
}
