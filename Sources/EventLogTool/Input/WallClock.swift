import Foundation

/// What o'clock it is, for durations that are shown.
enum WallClock {
  /// Milliseconds since 1970.
  static func now() -> Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

  /// How many milliseconds lie between. Timestamps are the producers', and may be anything.
  static func milliseconds(from timestamp: Int64, to now: Int64) -> Int64 {
    let (difference, overflows) = now.subtractingReportingOverflow(timestamp)
    return overflows ? (timestamp < 0 ? .max : .min) : difference
  }
}
