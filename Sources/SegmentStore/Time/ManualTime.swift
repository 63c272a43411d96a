package import Synchronization

/// A clock that stands still until it is moved.
///
/// Moving it goes from timer to timer: each runs at its own time, and those that it sets run within the same move.
package final class ManualTime: Sendable {
  private struct Watcher {
    var id: Int
    var deadline: Int64
    var callback: @Sendable () -> Void
  }

  private struct WeakTimekeeper {
    weak var value: Timekeeper?
  }

  private struct State {
    var timekeepers: [WeakTimekeeper] = []
    var watchers: [Watcher] = []
    var nextWatcher = 0
  }

  package let wall: Atomic<Int64>
  package let monotonic: Atomic<Int64>
  private let state = Mutex(State())

  package init(wallMilliseconds: Int64, monotonicMilliseconds: Int64 = 0) {
    wall = Atomic(wallMilliseconds)
    monotonic = Atomic(monotonicMilliseconds)
  }

  /// As far as the clocks go: before the time of timers that never come.
  private static let last = Int64.max - 1

  /// Moves both clocks on, and runs on this thread what becomes due.
  package func advance(milliseconds: Int64) {
    let target = TimeSource.manual(self).deadline(in: milliseconds)
    while step(towards: target) {}
  }

  /// Moves both clocks to the next timer, or to `target` where none is due before it, and runs what is due then.
  ///
  /// - Returns: whether there is more to go.
  package func step(towards target: Int64) -> Bool {
    let now = monotonic.load(ordering: .acquiring)
    let timekeepers = timekeepers()
    let next = timekeepers.compactMap { $0.nextDeadline }.min() ?? .max
    let target = min(target, Self.last)
    let stop = min(max(next, now), target)
    if stop > now {
      let (time, overflows) = wall.load(ordering: .acquiring).addingReportingOverflow(stop - now)
      wall.store(overflows ? .max : time, ordering: .releasing)
      monotonic.store(stop, ordering: .releasing)
    }
    for timekeeper in timekeepers { timekeeper.runDue() }
    return stop < target
  }

  /// Sets the wall clock alone, also back, as an administrator can.
  package func setWall(milliseconds: Int64) {
    wall.store(milliseconds, ordering: .relaxed)
  }

  /// Calls `callback` once, as soon as there is a timer for that time, in monotonic milliseconds.
  ///
  /// - Returns: what `forget` takes.
  package func whenScheduled(at deadline: Int64, _ callback: @escaping @Sendable () -> Void) -> Int {
    let id = state.withLock { state -> Int in
      state.nextWatcher += 1
      state.watchers.append(Watcher(id: state.nextWatcher, deadline: deadline, callback: callback))
      return state.nextWatcher
    }
    if timekeepers().contains(where: { $0.hasTimer(at: deadline) }) { scheduled(deadline) }
    return id
  }

  package func forget(_ watcher: Int) {
    state.withLock { state in state.watchers.removeAll { $0.id == watcher } }
  }

  // MARK: For the timekeepers

  func add(_ timekeeper: Timekeeper) {
    state.withLock { state in
      state.timekeepers.removeAll { $0.value == nil }
      state.timekeepers.append(WeakTimekeeper(value: timekeeper))
    }
  }

  func remove(_ timekeeper: Timekeeper) {
    state.withLock { state in state.timekeepers.removeAll { $0.value == nil || $0.value === timekeeper } }
  }

  func scheduled(_ deadline: Int64) {
    let callbacks = state.withLock { state -> [@Sendable () -> Void] in
      let told = state.watchers.filter { $0.deadline == deadline }
      if !told.isEmpty { state.watchers.removeAll { $0.deadline == deadline } }
      return told.map(\.callback)
    }
    for callback in callbacks { callback() }
  }

  private func timekeepers() -> [Timekeeper] {
    state.withLock { $0.timekeepers.compactMap(\.value) }
  }
}
