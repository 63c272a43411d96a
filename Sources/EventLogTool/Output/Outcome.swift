import ArgumentParser
import EventLog

/// Of commands that do many things, each by itself: what failed is said on standard error, and the command ends with 1.
struct Outcome {
  private var hasFailed = false

  /// The value, or nil with a line on standard error.
  @discardableResult
  mutating func value<Value>(_ result: Result<Value, EventLogError>?) -> Value? {
    switch result {
    case .success(let value): return value
    case .failure(let error):
      Terminal.error("eventlog: \(error)")
      hasFailed = true
    case nil: break
    }
    return nil
  }

  /// - Throws: the exit status 1 if anything failed.
  func finish() throws {
    if hasFailed { throw ExitCode.failure }
  }
}
