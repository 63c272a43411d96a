internal import RecordFormat
internal import Synchronization

/// Calls back once all have come, with the first error of any; at once where there are none to come.
final class Countdown: Sendable {
  private struct State {
    var left: Int
    var failure: EventLogError?
  }

  private let state: Mutex<State>
  private let completion: @Sendable (EventLogError?) -> Void

  init(_ count: Int, _ completion: @escaping @Sendable (EventLogError?) -> Void) {
    state = Mutex(State(left: count))
    self.completion = completion
    if count == 0 { completion(nil) }
  }

  func count(_ error: EventLogError?) {
    let (isLast, failure) = state.withLock { state -> (Bool, EventLogError?) in
      state.left -= 1
      state.failure = state.failure ?? error
      return (state.left == 0, state.failure)
    }
    if isLast { completion(failure) }
  }
}
