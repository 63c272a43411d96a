internal import Synchronization

/// A result that comes once, and that any number of tasks may await.
///
/// A task that is cancelled stops waiting; the result still comes to the others.
package final class OneShot<Value: Sendable>: Sendable {
  private struct State {
    var result: Result<Value, any Error>?
    var waiting: [(id: Int, continuation: CheckedContinuation<Value, any Error>)] = []
    var nextID = 0
  }

  private let state = Mutex(State())

  package init() {}

  /// Gives the result; false where there was one already.
  @discardableResult
  package func complete(_ result: Result<Value, any Error>) -> Bool {
    let waiting = state.withLock { state -> [(id: Int, continuation: CheckedContinuation<Value, any Error>)]? in
      guard state.result == nil else { return nil }
      state.result = result
      defer { state.waiting = [] }
      return state.waiting
    }
    guard let waiting else { return false }
    for waiter in waiting { waiter.continuation.resume(with: result) }
    return true
  }

  /// The result, if it is there.
  package var result: Result<Value, any Error>? { state.withLock { $0.result } }

  /// Waits for the result.
  package func value() async throws -> Value {
    if let result { return try result.get() }
    let id = state.withLock { state -> Int in
      state.nextID += 1
      return state.nextID
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let now = state.withLock { state -> Result<Value, any Error>? in
          if let result = state.result { return result }
          state.waiting.append((id, continuation))
          return nil
        }
        if let now {
          continuation.resume(with: now)
        } else if Task.isCancelled {
          // The handler may have come before there was anybody to withdraw.
          withdraw(id)
        }
      }
    } onCancel: {
      withdraw(id)
    }
  }

  private func withdraw(_ id: Int) {
    let continuation = state.withLock { state -> CheckedContinuation<Value, any Error>? in
      guard let index = state.waiting.firstIndex(where: { $0.id == id }) else { return nil }
      return state.waiting.remove(at: index).continuation
    }
    continuation?.resume(throwing: CancellationError())
  }
}
