internal import Synchronization

/// A result that comes once, and that any number of tasks may await.
///
/// A task that is cancelled stops waiting; the result still comes to the others.
package final class OneShot<Value: Sendable>: Sendable {
  private struct State {
    package var result: Result<Value, any Error>?
    var waiting: [Int: CheckedContinuation<Value, any Error>] = [:]
    var nextWaiter = 0
    var cancelled: Set<Int> = []
  }

  private let state = Mutex(State())

  package init() {}

  /// Gives the result; false where there was one already.
  @discardableResult
  package func complete(_ result: Result<Value, any Error>) -> Bool {
    let waiting = state.withLock { state -> [CheckedContinuation<Value, any Error>]? in
      guard state.result == nil else { return nil }
      state.result = result
      defer { state.waiting = [:] }
      return Array(state.waiting.values)
    }
    guard let waiting else { return false }
    for continuation in waiting { continuation.resume(with: result) }
    return true
  }

  /// The result, if it is there.
  package var result: Result<Value, any Error>? { state.withLock { $0.result } }

  /// Waits for the result.
  package func value() async throws -> Value {
    if let result { return try result.get() }
    let id = state.withLock { state -> Int in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let now = state.withLock { state -> Result<Value, any Error>? in
          if let result = state.result { return result }
          if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
          state.waiting[id] = continuation
          return nil
        }
        if let now { continuation.resume(with: now) }
      }
    } onCancel: {
      let continuation = state.withLock { state -> CheckedContinuation<Value, any Error>? in
        guard state.result == nil else { return nil }
        if let continuation = state.waiting.removeValue(forKey: id) { return continuation }
        state.cancelled.insert(id)
        return nil
      }
      continuation?.resume(throwing: CancellationError())
    }
  }
}
