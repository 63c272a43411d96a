public import EventLog
internal import RecordFormat
internal import SegmentStore

extension TestBroker {
  /// Moves the clock on, from timer to timer, and waits each time until all that is due has happened: lingering batches are
  /// appended and acknowledged, members whose time is over are out of their groups, retention has done its work.
  ///
  /// What belongs to the test's own tasks, such as a `poll` whose timeout is over, has been woken: await it.
  ///
  /// - Throws: `illegalState` for a broker without a `TestClock`; `CancellationError`.
  public func advance(by duration: Duration) async throws {
    guard let clock else {
      throw EventLogError(.illegalState, "this broker goes by the system's time; give it a TestClock to move it")
    }
    try await settle()
    let now = clock.time.monotonic.load(ordering: .acquiring)
    let (target, overflow) = now.addingReportingOverflow(max(0, duration.milliseconds))
    var hasMore = true
    while hasMore {
      hasMore = clock.time.step(towards: overflow ? .max : target)
      try await settle()
    }
  }

  /// Waits until nothing is under way on the broker's own threads: syncs, commits, the work of timers. A call that is held at
  /// a gate is not waited for.
  ///
  /// - Throws: `CancellationError`.
  public func settle() async throws {
    let shot = OneShot<Void>()
    broker.whenIdle { shot.complete(.success(())) }
    if shot.result == nil { faults.whenHolding { shot.complete(.success(())) } }
    try await shot.value()
  }

  /// Waits until a `poll` of this consumer has nothing to do but to wait: for records, for its group, or for the clock. From
  /// then on a clock that is moved meets its timeout.
  ///
  /// - Throws: `CancellationError`.
  public func untilWaiting(_ consumer: Consumer) async throws {
    let shot = OneShot<Void>()
    consumer.whenWaiting { shot.complete(.success(())) }
    try await shot.value()
  }
}
