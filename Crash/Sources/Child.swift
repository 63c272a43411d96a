import EventLog
import Foundation
import Glibc

/// What a scenario's work has at hand, in the process that is killed.
struct Child: Sendable {
  let scenario: any Scenario.Type
  let context: Context
  let round: Int
  let isPlanted: Bool
  /// Whether what is not on the disk is gone afterwards.
  let losesPower: Bool

  /// Tells the parent: one call of the system, so that a line is either told or not, and nothing is told that waits in a
  /// buffer of this process.
  func say(_ word: String, _ numbers: Int...) {
    let line = Array(((CollectionOfOne(word) + numbers.map { String($0) }).joined(separator: " ") + "\n").utf8)
    _ = line.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
  }

  /// Says so, and opens the store: from here on a kill may fall into the recovery.
  func open() throws -> Broker {
    say("opening")
    return try Store.open(scenario, context.directory)
  }

  /// Says that the work begins.
  func isOpen() { say("open") }

  /// A generator of this round's own, for what the part names.
  func generator(_ part: Int) -> Generator { Generator(context.seed, round, part) }

  /// What is acknowledged otherwise may be lost with the power.
  func acks(_ acks: Acks) -> Acks { losesPower ? .all : acks }

  /// Runs pieces of work side by side, until one fails, or the process is killed.
  func run(_ pieces: [@Sendable () async throws -> Void]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for piece in pieces { group.addTask(operation: piece) }
      try await group.waitForAll()
    }
  }

  /// For so long that a kill may well come in between: what cheats takes its time.
  func pause() async throws { try await Task.sleep(for: .milliseconds(10)) }
}
