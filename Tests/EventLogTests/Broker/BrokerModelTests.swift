import Foundation
import Testing

@Suite("Random histories of a broker")
struct BrokerModelTests {
  /// `EVENTLOG_HISTORIES=2000` runs more of them than there is time for every day, and `EVENTLOG_FIRST_HISTORY` others.
  private static let histories: Range<UInt64> = {
    let environment = ProcessInfo.processInfo.environment
    let first = environment["EVENTLOG_FIRST_HISTORY"].flatMap { UInt64($0) } ?? 0
    return first..<first + (environment["EVENTLOG_HISTORIES"].flatMap { UInt64($0) } ?? 8)
  }()

  @Test("agree with a simple model, through kills and power cuts that tear and reorder", arguments: histories)
  func agrees(seed: UInt64) async throws {
    let history = try BrokerHistory(seed: seed)
    do {
      try await history.begin()
      for _ in 0..<60 { try await history.step() }
      try await history.finish()
    } catch {
      let warnings = history.broker.warnings.suffix(5).map { "warning: \($0)" }
      Issue.record("seed \(seed): \(error)\n\((history.notes.suffix(40) + warnings).joined(separator: "\n"))")
    }
  }
}
