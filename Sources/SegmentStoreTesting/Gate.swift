internal import SegmentStore
internal import Synchronization

/// Holds a call back until it is opened: how a test makes a disk slow without waiting for one.
package final class Gate: Sendable {
  private struct State {
    var isReached = false
    var isOpen = false
    var observers: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())
  private let latch = Latch()

  package init() {}

  package func open() {
    state.withLock { $0.isOpen = true }
    latch.open()
  }

  package var isOpen: Bool { state.withLock { $0.isOpen } }

  /// Whether a call waits at the gate.
  package var isHolding: Bool { state.withLock { $0.isReached && !$0.isOpen } }

  /// Calls `observer` once a call has come to the gate.
  package func whenReached(_ observer: @escaping @Sendable () -> Void) {
    let isReached = state.withLock { state -> Bool in
      if !state.isReached { state.observers.append(observer) }
      return state.isReached
    }
    if isReached { observer() }
  }

  /// Blocks this thread until the gate is open.
  func pass() {
    let observers = state.withLock { state -> [@Sendable () -> Void] in
      state.isReached = true
      defer { state.observers = [] }
      return state.observers
    }
    for observer in observers { observer() }
    latch.wait()
  }
}
