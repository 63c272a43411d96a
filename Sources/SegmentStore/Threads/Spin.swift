internal import CEventLog

/// Some time in which to wait without giving the processor away: of the machine's own clock, whichever the store goes by, since
/// it is the processor's time.
package struct Spin {
  private static let clock = TimeSource.system
  private static let looksPerClockReading = 16

  /// On that clock; `Int64.min` where there is no such time.
  private let end: Int64

  /// From now on.
  package init(nanoseconds: Int64) {
    guard nanoseconds > 0 else {
      end = .min
      return
    }
    let (sum, overflows) = Self.clock.monotonicNanoseconds().addingReportingOverflow(nanoseconds)
    end = overflows ? .max : sum
  }

  /// Asks again and again, and keeps this processor busy, until `isOver`, the time is up, or `nanoseconds` have passed.
  package func wait(atMost nanoseconds: Int64, until isOver: () -> Bool) {
    guard end != .min else { return }
    let end = min(end, Spin(nanoseconds: nanoseconds).end)
    repeat {
      for _ in 0..<Self.looksPerClockReading {
        if isOver() { return }
        cel_spin_pause()
      }
    } while Self.clock.monotonicNanoseconds() < end
  }
}
