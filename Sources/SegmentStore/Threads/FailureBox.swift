package import RecordFormat
internal import Synchronization

/// Carries an error from the thread that met it to the one that waits.
package final class FailureBox: Sendable {
  private let failure = Mutex<EventLogError?>(nil)

  package init() {}

  package func set(_ error: EventLogError?) {
    failure.withLock { $0 = error }
  }

  package func get() -> EventLogError? {
    failure.withLock { $0 }
  }
}
