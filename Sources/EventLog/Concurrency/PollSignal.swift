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
    var timer: WakeTimer?
    var timersSet = 0
    /// Told when the next wait begins.
    var observers: [@Sendable () -> Void] = []
  }

  /// Who waits. Whoever takes it out of the state has to wake it.
  private enum Sleeper {
    case task(SuspendedTask)
    case thread(Latch.Semaphore)

    func wake() {
      switch self {
      case .task(let task): task.continuation.resume()
      case .thread(let semaphore): semaphore.signal()
      }
    }
  }

  /// A reference, since what holds a continuation as it is has a size that only the running program knows, and is slow to copy.
  private final class SuspendedTask: Sendable {
    let continuation: CheckedContinuation<Void, Never>
    init(_ continuation: CheckedContinuation<Void, Never>) { self.continuation = continuation }
  }

  /// Ends a wait, and stays where the wait ended before it: it serves the next one too, which mostly would end later. Who is
  /// woken too early by that looks once in vain.
  private struct WakeTimer {
    let number: Int
    let deadline: Int64
    /// Known once it is set.
    var id: UInt64?
  }

  /// Apart from the rest, because every append to a partition that is read changes it, and few find a sleeper. It is only ever
  /// exchanged: of a consumer that begins to look and a thread that wakes it, the later one sees what the other did before.
  private let phase = Atomic(Phase.looking)
  private let state = Mutex(State())
  private let semaphore = Latch.Semaphore()
  private let timekeeper: Timekeeper
  private let keepsTimer: Bool

  /// - Parameter keepsTimer: whether a wait that ended early leaves its timer to the next one. Who moves a clock by hand is to
  ///   see no timers but those that somebody waits for.
  init(_ timekeeper: Timekeeper, keepsTimer: Bool) {
    self.timekeeper = timekeeper
    self.keepsTimer = keepsTimer
  }

  deinit { cancel(state.withLock { $0.timer }) }

  /// Ends the wait, or the next one at once.
  func wake() {
    if highWatermarkMoved() { wakeUp() }
  }

  func highWatermarkMoved() -> Bool { phase.exchange(.woken, ordering: .acquiringAndReleasing) == .sleeping }

  func wakeUp() { state.withLock { $0.sleeper.take() }?.wake() }

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

  /// Waits for `wake`, at most until `deadline` (monotonic milliseconds), or until the task is cancelled. May end without a
  /// reason.
  func wait(until deadline: Int64?) async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if !begin(.task(SuspendedTask(continuation)), until: deadline) { continuation.resume() }
      }
    } onCancel: {
      wake()
    }
    ended()
  }

  /// The same, blocking this thread.
  func waitBlocking(until deadline: Int64?) {
    if begin(.thread(semaphore), until: deadline) { semaphore.wait(milliseconds: nil) }
    ended()
  }

  /// Keeps looking whether the wait is over already, while `spin` lasts and no longer than `nanoseconds`. Whoever ends it
  /// meanwhile finds nobody to wake.
  func wait(_ spin: Spin, atMost nanoseconds: Int64) {
    spin.wait(atMost: nanoseconds) { phase.load(ordering: .acquiring) != .looking }
  }

  /// Says that somebody waits, and has a timer end it; false where the wait is over already.
  private func begin(_ sleeper: Sleeper, until deadline: Int64?) -> Bool {
    let (sleeps, isObserved, isTimed) = state.withLock { state -> (Bool, Bool, Bool) in
      let (sleeps, _) = phase.compareExchange(
        expected: .looking, desired: .sleeping, ordering: .acquiringAndReleasing)
      guard sleeps else { return (false, false, true) }
      state.sleeper = sleeper
      return (true, !state.observers.isEmpty, state.timer.map { $0.deadline <= deadline ?? .max } ?? false)
    }
    // Also where there is none: timers that end because the broker is closed end every wait.
    if !isTimed { setTimer(deadline ?? .max) }
    if isObserved { tellObservers() }
    return sleeps
  }

  private func tellObservers() {
    let observers = state.withLock { state in
      defer { state.observers = [] }
      return state.observers
    }
    for observer in observers { observer() }
  }

  /// Puts a timer in the place of one that would come too late.
  private func setTimer(_ deadline: Int64) {
    let (number, old) = state.withLock { state -> (Int, WakeTimer?) in
      state.timersSet += 1
      let old = state.timer
      state.timer = WakeTimer(number: state.timersSet, deadline: deadline)
      return (state.timersSet, old)
    }
    cancel(old)
    let id = timekeeper.schedule(at: deadline, for: .endOfWait) { [weak self] in self?.timerCame(number) }
    state.withLock { if $0.timer?.number == number { $0.timer?.id = id } }
  }

  private func ended() {
    if !keepsTimer { cancel(state.withLock { $0.timer.take() }) }
  }

  private func cancel(_ timer: WakeTimer?) {
    if let id = timer?.id { timekeeper.cancel(id) }
  }

  private func timerCame(_ number: Int) {
    state.withLock { if $0.timer?.number == number { $0.timer = nil } }
    wake()
  }
}
