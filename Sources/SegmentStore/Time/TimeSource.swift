internal import CEventLog
internal import Glibc
internal import Synchronization

/// Where the store takes the time from: the system's clocks, or one that a test moves by hand.
package enum TimeSource: Sendable {
  case system
  case manual(ManualTime)

  /// Milliseconds since 1970: timestamps of records, and nothing that must not jump.
  @inline(always)
  package func wallMilliseconds() -> Int64 {
    switch self {
    case .system:
      return cel_wall_milliseconds()
    case .manual(let time):
      return time.wall.load(ordering: .acquiring)
    }
  }

  /// The same clock in nanoseconds, for what takes less than a millisecond.
  package func monotonicNanoseconds() -> Int64 {
    switch self {
    case .system:
      var now = timespec()
      clock_gettime(CLOCK_MONOTONIC, &now)
      return Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
    case .manual(let time):
      return time.monotonic.load(ordering: .acquiring).multipliedReportingOverflow(by: 1_000_000).partialValue
    }
  }

  /// The monotonic time in so many milliseconds; `Int64.max`, which never comes, where that is more than can be told.
  package func deadline(in milliseconds: Int64) -> Int64 {
    let (deadline, overflows) = monotonicMilliseconds().addingReportingOverflow(milliseconds)
    return overflows ? .max : deadline
  }

  /// Milliseconds of a clock that never goes back: intervals and deadlines.
  package func monotonicMilliseconds() -> Int64 {
    switch self {
    case .system:
      var now = timespec()
      clock_gettime(CLOCK_MONOTONIC, &now)
      return Int64(now.tv_sec) &* 1000 &+ Int64(now.tv_nsec) / 1_000_000
    case .manual(let time):
      return time.monotonic.load(ordering: .acquiring)
    }
  }
}
