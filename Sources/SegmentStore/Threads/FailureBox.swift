internal import RecordFormat
internal import Synchronization

/// Carries an error from the thread that met it to the one that waits.
final class FailureBox: Sendable {
  private let failure = Mutex<EventLogError?>(nil)

  func set(_ error: EventLogError?) {
    failure.withLock { $0 = error }
  }

  func get() -> EventLogError? {
    failure.withLock { $0 }
  }
}
