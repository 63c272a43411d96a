internal import CEventLog

/// Waiting without giving the processor away.
package enum Spin {
  /// Asks again and again, and keeps this processor busy, until `isOver` or for `nanoseconds`: of the machine's own clock,
  /// whichever the store goes by, since they are the processor's time.
  package static func wait(nanoseconds: Int64, until isOver: () -> Bool) {
    guard nanoseconds > 0 else { return }
    let clock = TimeSource.system
    let (sum, overflows) = clock.monotonicNanoseconds().addingReportingOverflow(nanoseconds)
    let end = overflows ? .max : sum
    repeat {
      for _ in 0..<looksPerClockReading {
        if isOver() { return }
        cel_spin_pause()
      }
    } while clock.monotonicNanoseconds() < end
  }

  private static let looksPerClockReading = 16
}
