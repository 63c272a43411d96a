internal import Glibc
package import Synchronization

/// Where the store takes the time from: the system's clocks, or one that a test moves by hand.
package enum TimeSource: Sendable {
  case system
  case manual(ManualTime)

  /// Milliseconds since 1970: timestamps of records, and nothing that must not jump.
  @inline(__always)
  package func wallMilliseconds() -> Int64 {
    switch self {
    case .system:
      var now = timespec()
      clock_gettime(CLOCK_REALTIME, &now)
      return Int64(now.tv_sec) &* 1000 &+ Int64(now.tv_nsec) / 1_000_000
    case .manual(let time):
      return time.wall.load(ordering: .relaxed)
    }
  }

  /// Milliseconds of a clock that never goes back: intervals and deadlines.
  package func monotonicMilliseconds() -> Int64 {
    switch self {
    case .system:
      var now = timespec()
      clock_gettime(CLOCK_MONOTONIC, &now)
      return Int64(now.tv_sec) &* 1000 &+ Int64(now.tv_nsec) / 1_000_000
    case .manual(let time):
      return time.monotonic.load(ordering: .relaxed)
    }
  }
}

/// A clock that stands still until it is moved.
package final class ManualTime: Sendable {
  package let wall: Atomic<Int64>
  package let monotonic: Atomic<Int64>
  private let callbacks = Mutex<[@Sendable () -> Void]>([])

  package init(wallMilliseconds: Int64, monotonicMilliseconds: Int64 = 0) {
    wall = Atomic(wallMilliseconds)
    monotonic = Atomic(monotonicMilliseconds)
  }

  /// Moves both clocks on.
  package func advance(milliseconds: Int64) {
    wall.add(milliseconds, ordering: .relaxed)
    monotonic.add(milliseconds, ordering: .relaxed)
    for callback in callbacks.withLock({ $0 }) { callback() }
  }

  /// Has `callback` called after each `advance`.
  func whenMoved(_ callback: @escaping @Sendable () -> Void) {
    callbacks.withLock { $0.append(callback) }
  }

  /// Sets the wall clock alone, also back, as an administrator can.
  package func setWall(milliseconds: Int64) {
    wall.store(milliseconds, ordering: .relaxed)
  }
}
