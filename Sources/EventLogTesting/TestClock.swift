internal import EventLog
internal import RecordFormat
internal import SegmentStore

/// A clock that stands still until a test moves it: lingers, poll timeouts, group and transaction timeouts, retention and
/// the timestamps of records go by it.
///
/// ```swift
/// let clock = TestClock()
/// try await withTestBroker(clock: clock) { broker in
///   let delivery = try lingering.enqueue(record)       // linger.ms=5
///   try await broker.advance(by: .milliseconds(5))     // …and the batch is appended
/// }
/// ```
///
/// Several brokers may share one clock.
public final class TestClock: Sendable {
  let time: ManualTime
  private let start: Int64

  /// A clock that stands at `milliseconds` since 1970: by default 2023-11-14, 22:13:20 UTC.
  public init(startingAt milliseconds: Int64 = 1_700_000_000_000) {
    time = ManualTime(wallMilliseconds: milliseconds)
    start = milliseconds
  }

  /// The time of day, in milliseconds since 1970: what records without a timestamp of their own get.
  public var now: Int64 { time.wall.load(ordering: .acquiring) }

  /// How far the clock was moved in all.
  public var elapsed: Duration { .milliseconds(time.monotonic.load(ordering: .acquiring)) }

  /// Moves the clock on, from timer to timer: each runs at its own time, on this thread, and those that it sets run too. A
  /// negative duration moves nothing; fractions of a millisecond are cut.
  ///
  /// What the timers give other threads to do may still be under way when this returns: `TestBroker.advance(by:)` waits
  /// for that too.
  public func advance(by duration: Duration) {
    let milliseconds = duration.milliseconds
    guard milliseconds > 0 else { return }
    time.advance(milliseconds: milliseconds)
  }

  /// Sets the time of day alone, also back, as an administrator can. No interval notices.
  public func setTimeOfDay(to milliseconds: Int64) {
    time.setWall(milliseconds: milliseconds)
  }

  /// Returns once something is to happen exactly `duration` from now: a record lingers, a call waits with that timeout.
  ///
  /// - Throws: `CancellationError`.
  public func untilTimer(in duration: Duration) async throws {
    let shot = OneShot<Void>()
    let deadline = TimeSource.manual(time).deadline(in: duration.milliseconds)
    let watcher = time.whenScheduled(at: deadline) { shot.complete(.success(())) }
    defer { time.forget(watcher) }
    try await shot.value()
  }
}
