import Foundation
import Testing

@testable import EventLog

@Suite("Histories of groups")
struct GroupHistoryTests {
  /// 2,400 in all by default; `EVENTLOG_HISTORIES=10000 swift test --filter GroupHistoryTests` runs ten thousand, in about
  /// ten seconds.
  private static let count =
    ProcessInfo.processInfo.environment["EVENTLOG_HISTORIES"].flatMap { Int($0) } ?? 2400

  @Test(
    "at random leave every partition with one member, with two never, and move no more than they have to",
    arguments: GroupHistory.Style.allCases)
  func histories(style: GroupHistory.Style) throws {
    let each = max(1, Self.count / GroupHistory.Style.allCases.count)
    for seed in 1...UInt64(each) {
      var history = GroupHistory(style, seed: seed)
      try history.run()
    }
  }
}
