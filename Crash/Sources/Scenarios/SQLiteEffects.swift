import EventLog
import EventLogSQLite
import GRDB
import Synchronization

/// A consumer whose effects and offsets are one transaction of the application's database: each input has its effect once.
struct SQLiteEffects: Scenario {
  static let name = "sqlite-consumer"
  private static let partitions = 3
  static let topics = [Topic("payments", partitions: partitions, ["segment.bytes": "65536"])]
  private static let group = "balances"
  private static let accounts = 10

  /// What a payment moves, and whose account it goes to.
  private static func payment(_ partition: Int, _ number: Int) -> (account: Int, amount: Int) {
    var generator = Generator(11, partition, number)
    return (Int.random(in: 0..<accounts, using: &generator), Int.random(in: 1...100, using: &generator))
  }

  private static func database(_ context: Context) throws -> DatabasePool {
    var configuration = Configuration()
    configuration.busyMode = .timeout(30)
    let database = try DatabasePool(path: context.database, configuration: configuration)
    try database.write { db in
      // No key keeps an effect from being there twice: that is the library's to see to.
      try db.execute(
        sql: """
          CREATE TABLE IF NOT EXISTS effect (partition INTEGER NOT NULL, number INTEGER NOT NULL, amount INTEGER NOT NULL);
          CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
          """)
    }
    return database
  }

  private static func apply(_ record: ConsumerRecord, _ db: Database) throws {
    guard let numbers = Payload.numbers(record.value), numbers == [record.partition, Int(record.offset)] else {
      throw Violation(
        "\(record.topicPartition)", expected: "record \(record.offset)", found: record.valueString ?? "null")
    }
    let payment = payment(numbers[0], numbers[1])
    try db.execute(
      sql: "INSERT INTO effect VALUES (?, ?, ?)", arguments: [numbers[0], numbers[1], payment.amount])
    try db.execute(
      sql: "INSERT INTO account VALUES (?1, ?2) ON CONFLICT DO UPDATE SET balance = balance + ?2",
      arguments: [payment.account, payment.amount])
  }

  // MARK: In the child

  static func work(_ child: Child) async throws {
    let broker = try child.open()
    let database = try database(child.context)
    let feeder = try Feeder(broker, to: "payments")
    child.isOpen()
    let members: [@Sendable () async throws -> Void] = (0..<2).map { member in
      {
        if child.isPlanted { return try await naive(child, broker, database) }
        var generator = child.generator(member)
        while true { try await consume(child, broker, database, member, &generator) }
      }
    }
    try await child.run(
      members + [
        { try await feeder.feedForever(8, every: .milliseconds(2)) { Record(key: nil, value: Payload.bytes($0, $1)) } }
      ])
  }

  /// An effect that fails.
  private struct Refusal: Error {}

  /// A member, from its start to its end: the group gives its partitions to the other one then.
  private static func consume(
    _ child: Child, _ broker: Broker, _ database: DatabasePool, _ member: Int, _ generator: inout Generator
  ) async throws {
    let consumer = try open(broker, database, protocol: child.round % 2 == 0 ? .classic : .consumer)
    let chance = Mutex(child.generator(10 + member))
    let next = Mutex<[Int: Int]>([:])
    for _ in 0..<Int.random(in: 5...60, using: &generator) {
      next.withLock { $0 = [:] }
      do {
        let count = try await consumer.step(timeout: .milliseconds(20)) { record, db in
          try apply(record, db)
          if chance.withLock({ $0.once(in: 60) }) { throw Refusal() }
          next.withLock { $0[record.partition] = Int(record.offset) + 1 }
        }
        guard count > 0 else { continue }
        for (partition, offset) in next.withLock({ $0 }) { child.say("applied", partition, offset) }
      } catch is Refusal {}
    }
    try await consumer.close()
  }

  private static func open(
    _ broker: Broker, _ database: DatabasePool, protocol: GroupProtocol = .classic
  ) throws -> SQLiteConsumer {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.maxPollRecords = 20
    configuration.groupProtocol = `protocol`
    return try SQLiteConsumer(broker, group: group, topics: ["payments"], into: database, configuration: configuration)
  }

  /// The plant: the offset is committed to the broker, outside of the effect's transaction, after it.
  private static func naive(_ child: Child, _ broker: Broker, _ database: DatabasePool) async throws {
    let consumer = try broker.consumer(group: group, topics: ["payments"])
    while true {
      let records = try await consumer.poll()
      try await database.write { db in for record in records { try apply(record, db) } }
      try await child.pause()
      try await consumer.commit()
      for batch in records.batches { child.say("applied", batch.topicPartition.partition, Int(batch.nextOffset)) }
    }
  }

  // MARK: In the parent

  private let context: Context
  private var applied = Array(repeating: 0, count: partitions)

  init(_ context: Context) { self.context = context }

  mutating func note(_ statement: Statement, round: Int) throws {
    applied[statement[0]] = max(applied[statement[0]], statement[1])
  }

  mutating func check(_ broker: Broker) async throws {
    let database = try Self.database(context)
    defer { try? database.close() }
    let applied = applied
    try await database.read { db in
      var counts = Array(repeating: 0, count: Self.partitions)
      var balances: [Int: Int] = [:]
      let rows = try Row.fetchCursor(db, sql: "SELECT partition, number, amount FROM effect ORDER BY partition, rowid")
      while let row = try rows.next() {
        let (partition, number): (Int, Int) = (row["partition"], row["number"])
        try hold(
          number == counts[partition], "effects of payments-\(partition)",
          expected: "that of record \(counts[partition]) next", found: "that of record \(number)")
        counts[partition] += 1
        let payment = Self.payment(partition, number)
        balances[payment.account, default: 0] += payment.amount
      }
      for partition in 0..<Self.partitions {
        try hold(
          counts[partition] >= applied[partition], "effects of payments-\(partition)",
          expected: "those of \(applied[partition]) records at least", found: "\(counts[partition])")
      }
      for row in try Row.fetchAll(db, sql: "SELECT id, balance FROM account") {
        let (account, balance): (Int, Int) = (row["id"], row["balance"])
        try hold(
          balance == balances[account], "the balance of account \(account)", expected: "\(balances[account] ?? 0)",
          found: "\(balance)")
      }
    }
  }

  /// Applies what is left, to the last record.
  mutating func finish(_ broker: Broker) async throws {
    let database = try Self.database(context)
    defer { try? database.close() }
    let consumer = try Self.open(broker, database)
    var idle = 0
    while idle < 3 {
      let count = try await consumer.step(timeout: .milliseconds(100)) { record, db in try Self.apply(record, db) }
      idle = count == 0 ? idle + 1 : 0
    }
    try await consumer.close()
    for partition in 0..<Self.partitions {
      applied[partition] = try broker.bounds(TopicPartition("payments", partition)).upperBound
    }
  }
}
