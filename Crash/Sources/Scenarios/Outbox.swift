import EventLog
import EventLogSQLite
import Foundation
import GRDB

/// Records that were enqueued in the application's transactions are in the log once and in order, and those of transactions
/// that were rolled back never; in the end the outbox is empty.
struct Outbox: Scenario {
  static let name = "outbox"
  static let topics = [
    Topic("orders", partitions: 3, ["segment.bytes": "65536"]), Topic("audit", partitions: 1),
  ]

  private static func database(_ context: Context) throws -> DatabasePool {
    var configuration = Configuration()
    configuration.busyMode = .timeout(30)
    let database = try DatabasePool(path: context.database, configuration: configuration)
    try database.write { db in
      try EventLogTables.create(db)
      try db.execute(
        sql: """
          CREATE TABLE IF NOT EXISTS "order" (number INTEGER PRIMARY KEY, attempt INTEGER NOT NULL, records INTEGER NOT NULL)
          """)
    }
    return database
  }

  // MARK: In the child

  static func work(_ child: Child) async throws {
    let broker = try child.open()
    let database = try database(child.context)
    let relay = try OutboxRelay(database, to: broker, batchSize: [1, 7, 500][child.round % 3])
    child.isOpen()
    let writers: [@Sendable () async throws -> Void] = (0..<2).map { writer in
      {
        var generator = child.generator(writer)
        while true {
          try await order(child, database, &generator)
          if generator.once(in: 3) { try await Task.sleep(for: .milliseconds(1)) }
        }
      }
    }
    try await child.run(
      writers + [{ if child.isPlanted { try await naive(child, broker, database) } else { try await relay.run() } }])
  }

  /// The application changes its mind.
  private struct Rollback: Error {}

  /// One transaction of the application: a row of its own, and a few records.
  private static func order(_ child: Child, _ database: DatabasePool, _ generator: inout Generator) async throws {
    let attempt = Int.random(in: 0..<1_000_000, using: &generator)
    let records = Int.random(in: 1...3, using: &generator)
    let rollsBack = generator.once(in: 5)
    let choices = (0..<records).map { _ in Int.random(in: 0..<10, using: &generator) }
    do {
      let number = try await database.write { db in
        let number = try (Int.fetchOne(db, sql: #"SELECT max(number) FROM "order""#) ?? 0) + 1
        try db.execute(sql: #"INSERT INTO "order" VALUES (?, ?, ?)"#, arguments: [number, attempt, records])
        for (index, choice) in choices.enumerated() {
          let value = Payload.bytes(number, index, attempt)
          switch choice {
          case 0: try db.enqueue(ProducerRecord(topic: "audit", value: value))
          case 1: try db.enqueue(ProducerRecord(topic: "orders", partition: number % 3, value: value))
          case 2: try db.enqueue(ProducerRecord(topic: "orders", value: value))
          default: try db.enqueue(ProducerRecord(topic: "orders", key: Array("\(choice)".utf8), value: value))
          }
        }
        if rollsBack { throw Rollback() }
        return number
      }
      child.say("order", number, attempt)
    } catch is Rollback {}
  }

  /// The plant: rows are taken out of the outbox before they are in the log.
  private static func naive(_ child: Child, _ broker: Broker, _ database: DatabasePool) async throws {
    let producer = try broker.producer()
    while true {
      let rows = try await database.write { db in
        let rows = try Row.fetchAll(db, sql: "SELECT topic, value FROM eventlog_outbox ORDER BY id")
        try db.execute(sql: "DELETE FROM eventlog_outbox")
        return rows.map { (topic: $0["topic"] as String, value: Array($0["value"] as Data)) }
      }
      try await child.pause()
      for row in rows { try await producer.send(ProducerRecord(topic: row.topic, partition: 0, value: row.value)) }
    }
  }

  // MARK: In the parent

  private let context: Context
  /// Orders whose transaction was acknowledged, and as which attempt.
  private var orders: [Int: Int] = [:]

  init(_ context: Context) { self.context = context }

  mutating func note(_ statement: Statement, round: Int) throws { orders[statement[0]] = statement[1] }

  /// Moves what is left first: then the log has what the application's table says, and the outbox nothing.
  mutating func check(_ broker: Broker) async throws {
    let database = try Self.database(context)
    defer { try? database.close() }
    let relay = try OutboxRelay(database, to: broker)
    try await relay.moveCommitted()
    try await relay.close()
    let (left, rows) = try await database.read { db in
      let rows = try Row.fetchAll(db, sql: #"SELECT number, attempt, records FROM "order""#)
      return (
        try Int.fetchOne(db, sql: "SELECT count(*) FROM eventlog_outbox") ?? -1,
        rows.map { (number: $0["number"] as Int, attempt: $0["attempt"] as Int, records: $0["records"] as Int) }
      )
    }
    try hold(left == 0, "the outbox", expected: "no row, since all were moved", found: "\(left)")
    let found = try read(broker)
    var count = 0
    var unseen = orders
    for row in rows {
      for index in 0..<row.records {
        count += 1
        try hold(
          found[[row.number, index]] == row.attempt, "record \(index) of order \(row.number)",
          expected: "attempt \(row.attempt), as the application's table says",
          found: found[[row.number, index]].map { "attempt \($0)" } ?? "nothing")
      }
      if unseen[row.number] == row.attempt { unseen[row.number] = nil }
    }
    try hold(found.count == count, "records in the log", expected: "\(count)", found: "\(found.count)")
    try hold(unseen.isEmpty, "orders that were acknowledged", expected: "all in the table", found: "without \(unseen)")
  }

  /// The attempt of each record, by the order and the record's place in it.
  private func read(_ broker: Broker) throws -> [[Int]: Int] {
    var found: [[Int]: Int] = [:]
    for topic in ["orders", "audit"] {
      var last: [Int: [Int]] = [:]
      try broker.forEachRecord(of: topic) { record in
        guard let numbers = Payload.numbers(record.value), numbers.count == 3 else {
          throw Violation(
            "\(record.topicPartition), offset \(record.offset)", expected: "bytes that were enqueued",
            found: record.valueString ?? "null")
        }
        let id = Array(numbers[0..<2])
        let before = last[record.partition] ?? [0, 0]
        try hold(
          before.lexicographicallyPrecedes(id), "\(record.topicPartition), offset \(record.offset)",
          expected: "a record behind \(before)", found: "record \(id[1]) of order \(id[0])")
        last[record.partition] = id
        try hold(
          found.updateValue(numbers[2], forKey: id) == nil, "record \(id[1]) of order \(id[0])",
          expected: "to be there once", found: "in \(record.topicPartition) again")
      }
    }
    return found
  }
}
