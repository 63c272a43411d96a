internal import RecordFormat
internal import Synchronization

/// Keeps the cleaner below so many bytes a second, read and written (`log.cleaner.io.max.bytes.per.second`).
package struct Throttler: Sendable {
  private let bytesPerSecond: Double
  private var start: Int64?
  private var bytes: Double = 0

  /// - Parameter bytesPerSecond: nil for no limit.
  package init(bytesPerSecond: Double?) {
    self.bytesPerSecond = bytesPerSecond ?? .infinity
  }

  /// How long to wait, in milliseconds, now that `count` more bytes were moved.
  package mutating func delay(after count: Int, now: Int64) -> Int64 {
    guard bytesPerSecond.isFinite else { return 0 }
    let begin = start ?? now
    start = begin
    bytes += Double(count)
    let due = bytes / bytesPerSecond * 1000
    return max(0, Int64(min(due, 1e15)) - (now - begin))
  }
}
