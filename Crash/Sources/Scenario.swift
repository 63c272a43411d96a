import EventLog

/// Work that is killed again and again, and what must hold of what is left.
///
/// `work` runs in the process that is killed: it goes on where the store says that its predecessor came, and tells of what
/// was acknowledged to it. All else runs in the process that kills: it takes note of what it is told, and from time to time
/// opens the store and holds it to that.
protocol Scenario: SendableMetatype {
  static var name: String { get }
  /// The topics of the store, which the first child makes that lives long enough.
  static var topics: [Topic] { get }
  /// How the store is opened, by both.
  static func configure(_ configuration: inout BrokerConfiguration)
  /// Works until it is killed. With `child.isPlanted` it cheats in a way that the checks have to find.
  static func work(_ child: Child) async throws

  init(_ context: Context)
  /// Takes note of what the child said: something that was acknowledged to it, or what it is about to do.
  mutating func note(_ statement: Statement, round: Int) throws
  /// The child is dead, and everything that it said was noted.
  mutating func roundEnded(_ round: Int)
  /// Holds the store to what was said.
  mutating func check(_ broker: Broker) async throws
  /// Before the last check: brings what is under way to its end.
  mutating func finish(_ broker: Broker) async throws
}

extension Scenario {
  static func configure(_ configuration: inout BrokerConfiguration) {}
  mutating func roundEnded(_ round: Int) {}
  mutating func finish(_ broker: Broker) async throws {}
}

/// A topic to be made.
struct Topic: Sendable {
  var name: String
  var partitions: Int
  var configs: [String: String]

  init(_ name: String, partitions: Int, _ configs: [String: String] = [:]) {
    self.name = name
    self.partitions = partitions
    self.configs = configs
  }
}

/// What a scenario's checks have at hand.
struct Context: Sendable {
  var directory: String
  var seed: UInt64
  var lines: LogLines

  /// The application's own database.
  var database: String { directory + "/application.sqlite" }
}

enum Scenarios {
  static let all: [any Scenario.Type] = [
    Produce.self, Group.self, Transactions.self, Pipeline.self, SQLiteEffects.self, Outbox.self, Compaction.self,
    Retention.self, Sessions.self,
  ]
}
