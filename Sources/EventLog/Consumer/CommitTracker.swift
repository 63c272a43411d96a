internal import RecordFormat
internal import Synchronization

/// Counts the commits of a consumer that are on their way to the disk.
final class CommitTracker: Sendable {
  private struct State {
    var underWay = 0
    var waiting: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())

  func begin() { state.withLock { $0.underWay += 1 } }

  func end() {
    let waiting = state.withLock { state -> [@Sendable () -> Void] in
      state.underWay -= 1
      guard state.underWay == 0 else { return [] }
      defer { state.waiting = [] }
      return state.waiting
    }
    for call in waiting { call() }
  }

  /// Calls `body` once none is under way: now, or on the thread that wrote the last one.
  func whenClear(_ body: @escaping @Sendable () -> Void) {
    let isClear = state.withLock { state -> Bool in
      if state.underWay == 0 { return true }
      state.waiting.append(body)
      return false
    }
    if isClear { body() }
  }
}

/// What is to be told of commits that nobody waited for: in the order of the calls, whatever the order in which they end.
struct CommitCallbacks {
  private struct Entry {
    let number: Int
    let call: @Sendable (EventLogError?) -> Void
    /// The error, or nil for a success, once it is known.
    var outcome: EventLogError??
  }

  private var entries: [Entry] = []
  private var nextNumber = 0
  private var isRunning = false

  /// Whether nobody is to be told of anything.
  var isEmpty: Bool { entries.isEmpty }

  mutating func add(_ call: @escaping @Sendable (EventLogError?) -> Void) -> Int {
    nextNumber += 1
    entries.append(Entry(number: nextNumber, call: call))
    return nextNumber
  }

  mutating func finish(_ number: Int, _ error: EventLogError?) {
    guard let index = entries.firstIndex(where: { $0.number == number }) else { return }
    entries[index].outcome = .some(error)
  }

  /// The next call to make, unless one is being made: `end` has to follow.
  mutating func begin() -> (@Sendable () -> Void)? {
    guard !isRunning, let first = entries.first, let outcome = first.outcome else { return nil }
    entries.removeFirst()
    isRunning = true
    return { first.call(outcome) }
  }

  mutating func end() { isRunning = false }
}
