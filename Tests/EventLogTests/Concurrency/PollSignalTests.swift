@testable import EventLog
import EventLogTesting
import SegmentStore
import Synchronization
import Testing

@Suite("The signal that a poll waits for")
struct PollSignalTests {
  private let time = ManualTime(wallMilliseconds: 0)

  private var now: Int64 { time.monotonic.load(ordering: .acquiring) }

  /// As a poll waits that finds nothing until it is woken, or its time is over.
  private func poll(
    _ signal: PollSignal, until deadline: Int64, _ isFound: @Sendable () -> Bool
  ) async {
    while true {
      signal.reset()
      if isFound() || Task.isCancelled || time.monotonic.load(ordering: .acquiring) >= deadline { return }
      await signal.wait(until: deadline)
    }
  }

  private func isWaiting(_ signal: PollSignal) async {
    await withCheckedContinuation { continuation in signal.whenWaiting { continuation.resume() } }
  }

  @Test(
    "ends each wait when it is woken, or by its deadline, whichever timers earlier waits left", .timeLimit(.minutes(1)),
    arguments: [true, false], 0..<10 as Range<UInt64>)
  func model(keepsTimer: Bool, seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    let timekeeper = Timekeeper(time: .manual(time))
    let signal = PollSignal(timekeeper, keepsTimer: keepsTimer)
    for _ in 0..<200 {
      let deadline = now + Int64.random(in: 1...50, using: &random)
      let isFound = Flag()
      async let end: Void = poll(signal, until: deadline) { isFound.value }
      await isWaiting(signal)
      if !keepsTimer { #expect(timekeeper.nextDeadline == deadline, "seed \(seed)") }
      if Bool.random(using: &random) {
        time.advance(milliseconds: Int64.random(in: 0..<(deadline - now), using: &random))
        isFound.set()
        signal.wake()
      } else {
        time.advance(milliseconds: deadline - now)
      }
      await end
      if !keepsTimer { #expect(timekeeper.nextDeadline == nil, "seed \(seed)") }
    }
    #expect(!signal.isWaiting)
    timekeeper.shutDown()
  }

  @Test("leaves no timer behind when it goes")
  func gone() async {
    let timekeeper = Timekeeper(time: .manual(time))
    do {
      let signal = PollSignal(timekeeper, keepsTimer: true)
      async let end: Void = signal.wait(until: 1_000)
      await isWaiting(signal)
      signal.wake()
      await end
      #expect(timekeeper.nextDeadline == 1_000)
    }
    #expect(timekeeper.nextDeadline == nil)
    timekeeper.shutDown()
  }

  @Test("ends the wait of a task that is cancelled, before or while it waits", arguments: [true, false])
  func cancelled(before: Bool) async {
    let timekeeper = Timekeeper(time: .manual(time))
    let signal = PollSignal(timekeeper, keepsTimer: true)
    let task = Task {
      if before { while !Task.isCancelled { await Task.yield() } }
      await signal.wait(until: nil)
    }
    if !before { await isWaiting(signal) }
    task.cancel()
    await task.value
    #expect(!signal.isWaiting)
    timekeeper.shutDown()
  }
}

private final class Flag: Sendable {
  private let flag = Atomic(false)
  var value: Bool { flag.load(ordering: .acquiring) }
  func set() { flag.store(true, ordering: .releasing) }
}
