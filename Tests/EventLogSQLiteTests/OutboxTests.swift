import EventLogSQLite
import EventLogTesting
import Foundation
import GRDB
import Testing
import SegmentStore

@Suite("An outbox")
struct OutboxTests {
  private func makeDatabase() throws -> DatabaseQueue {
    let database = try DatabaseQueue()
    try database.write { db in
      try EventLogTables.create(db)
      try db.execute(sql: "CREATE TABLE purchase (id INTEGER PRIMARY KEY)")
    }
    return database
  }

  @Test("moves what was committed, in order, with everything that belongs to a record; what was rolled back, never")
  func moves() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 4)
      let relay = try OutboxRelay(database, to: broker.broker)
      try await database.write { db in
        try db.enqueue(
          ProducerRecord(
            topic: "t", partition: 2, key: [1, 0xff], value: nil,
            headers: [RecordHeader("a", "1"), RecordHeader("a", nil), RecordHeader("", [0xfe])], timestamp: 7))
        for number in 0..<10 { try db.enqueue(ProducerRecord(topic: "t", key: "same", value: "\(number)")) }
      }
      struct Rollback: Error {}
      await #expect(throws: Rollback.self) {
        try await database.write { db in
          try db.enqueue(ProducerRecord(topic: "t", key: "same", value: "never"))
          throw Rollback()
        }
      }
      #expect(try await relay.moveCommitted() == 11)
      #expect(try await relay.moveCommitted() == 0)
      let records = try await broker.drain("t")
      let tombstone = try #require(records.first { $0.partition == 2 && $0.isTombstone })
      #expect(tombstone.key == [1, 0xff] && tombstone.timestamp == 7)
      #expect(tombstone.headers == [RecordHeader("a", "1"), RecordHeader("a", nil), RecordHeader("", [0xfe])])
      let others = records.filter { !$0.isTombstone }
      #expect(others.map(\.valueString) == (0..<10).map { "\($0)" })
      // As the producer itself would have chosen.
      let sent = try await broker.producer().send("t", key: "same", value: "sent")
      #expect(Set(others.map(\.partition)) == [sent.topicPartition.partition])
      #expect(try await database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM eventlog_outbox") } == 0)
    }
  }

  @Test("is moved by a relay that runs, as soon as a transaction commits, until its task is cancelled")
  func runs() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let relay = try OutboxRelay(database, to: broker.broker)
      try await database.write { try $0.enqueue(ProducerRecord(topic: "t", value: "before")) }
      let running = Task { try await relay.run() }
      let consumer = try broker.consumer(group: "g", topics: ["t"])
      var records = consumer.records.makeAsyncIterator()
      #expect(try await records.next()?.valueString == "before")
      for number in 0..<5 {
        try await database.write { try $0.enqueue(ProducerRecord(topic: "t", value: "\(number)")) }
        #expect(try await records.next()?.valueString == "\(number)")
      }
      running.cancel()
      await #expect(throws: CancellationError.self) { try await running.value }
      try await consumer.close()
    }
  }

  /// Commits and rollbacks, relays that fail between the log and the database, brokers that close, die and lose their power:
  /// in the end each committed record is there once, and in order.
  @Test("writes each record once and in order, whatever fails when", arguments: Array(UInt64(1)...20))
  func model(seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    let database = try makeDatabase()
    let broker = try TestBroker(powerCuts: true)
    defer { try? broker.close() }
    try broker.admin.createTopic("t", partitions: 3)
    try broker.admin.createTopic("u")
    var committed: [String] = []
    var relay = try OutboxRelay(database, to: broker.broker, batchSize: 7)
    for step in 0..<60 {
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5:
        let count = Int.random(in: 1...10, using: &random)
        let records = (0..<count).map { number in
          ProducerRecord(
            topic: Bool.random(using: &random) ? "t" : "u", key: Bool.random(using: &random) ? nil : "k\(number)",
            value: "\(step)/\(number)")
        }
        struct Rollback: Error {}
        let isCommitted = Int.random(in: 0..<4, using: &random) > 0
        do {
          try await database.write { db in
            for record in records { try db.enqueue(record) }
            if !isCommitted { throw Rollback() }
          }
          committed += records.map { $0.record.value.map { String(decoding: $0, as: UTF8.self) } ?? "" }
        } catch is Rollback {}
      case 5..<7: try await relay.moveCommitted()
      case 7:
        // The log has the records, and the process dies before the database hears of it.
        try await database.write { db in
          try db.execute(
            sql: """
              CREATE TRIGGER fail BEFORE DELETE ON eventlog_outbox WHEN old.id % 3 = 0
              BEGIN SELECT raise(ABORT, 'the disk is full'); END
              """)
        }
        _ = try? await relay.moveCommitted()
        try await database.write { try $0.execute(sql: "DROP TRIGGER fail") }
        relay = try OutboxRelay(database, to: broker.broker, batchSize: 7)
      default:
        try broker.restart(after: TestBroker.Stop.allCases.randomElement(using: &random) ?? .kill)
        relay = try OutboxRelay(database, to: broker.broker, batchSize: 7)
      }
    }
    try await relay.moveCommitted()
    let records = try await broker.drain("t") + broker.drain("u")
    let values = records.compactMap(\.valueString)
    #expect(values.sorted() == committed.sorted(), "seed \(seed)")
    let place = Dictionary(uniqueKeysWithValues: committed.enumerated().map { ($1, $0) })
    for (_, partition) in Dictionary(grouping: records, by: \.topicPartition) {
      let places = partition.compactMap { place[$0.valueString ?? ""] }
      #expect(places == places.sorted(), "seed \(seed): order")
    }
  }

  @Test("keeps a row that can't be written, and says which; it goes on when what is wrong is put right")
  func refusals() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", configs: ["max.message.bytes": "1000"])
      let relay = try OutboxRelay(database, to: broker.broker)
      try await database.write { db in
        try db.enqueue(ProducerRecord(topic: "t", value: [UInt8](repeating: 1, count: 2000)))
        try db.enqueue(ProducerRecord(topic: "t", value: "behind"))
      }
      await #expect {
        try await relay.moveCommitted()
      } throws: {
        ($0 as? EventLogError)?.code == .messageTooLarge && "\($0)".contains("rows 1 to")
      }
      try broker.admin.incrementalAlterConfigs("t", [.set("max.message.bytes", "5000")])
      #expect(try await relay.moveCommitted() == 2)
      try await database.write { try $0.enqueue(ProducerRecord(topic: "nowhere", value: "x")) }
      await #expect {
        try await relay.moveCommitted()
      } throws: { ($0 as? EventLogError)?.code == .unknownTopicOrPartition }
      try broker.admin.createTopic("nowhere", configs: ["max.message.bytes": "5000000"])
      #expect(try await relay.moveCommitted() == 1)
      // What a topic takes, the relay moves.
      try await database.write { db in
        try db.enqueue(ProducerRecord(topic: "nowhere", value: [UInt8](repeating: 1, count: 2 << 20)))
      }
      #expect(try await relay.moveCommitted() == 1)
    }
  }

  @Test("goes on behind a row that was refused and then deleted, with rows that were given their places before it")
  func deletedAfterRefusal() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", configs: ["max.message.bytes": "1000"])
      let relay = try OutboxRelay(database, to: broker.broker)
      func enqueue(_ values: String...) async throws {
        try await database.write { db in
          for value in values { try db.enqueue(ProducerRecord(topic: "t", value: value)) }
        }
      }
      let large = String(repeating: "x", count: 2000)
      for round in 0..<3 {
        try await enqueue("a\(round)", large, "b\(round)", "c\(round)")
        await #expect(throws: EventLogError.self) { try await relay.moveCommitted() }
        try await database.write { try $0.execute(sql: "DELETE FROM eventlog_outbox WHERE length(value) = 2000") }
        // With a row of its own before it, and none.
        if round > 0 { try await enqueue("d\(round)") }
        try await relay.moveCommitted()
      }
      try await enqueue("e")
      #expect(try await relay.moveCommitted() == 1)
      let values = try await broker.drain("t").map(\.valueString)
      #expect(values == ["a0", "b0", "c0", "a1", "b1", "c1", "d1", "a2", "b2", "c2", "d2", "e"])
    }
  }

  /// Rows that the topic refuses, rows that are deleted, whether they were refused or not, relays that die between the log and the
  /// database, and brokers that do: what was not deleted is there once, and in order.
  @Test(
    "writes each record once and in order, whichever rows are refused and deleted", arguments: Array(UInt64(1)...30))
  func deletions(seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    let database = try makeDatabase()
    let broker = try TestBroker(powerCuts: true)
    defer { try? broker.close() }
    try broker.admin.createTopic("t", partitions: 2, configs: ["max.message.bytes": "1000"])
    func makeRelay() throws -> OutboxRelay {
      try OutboxRelay(database, to: broker.broker, batchSize: Int.random(in: 1...9, using: &random))
    }
    /// Deletes a row, and says which it was.
    func delete(_ condition: String) async throws -> String? {
      try await database.write { db in
        try String.fetchOne(
          db,
          sql: """
            DELETE FROM eventlog_outbox WHERE id = (SELECT id FROM eventlog_outbox WHERE \(condition) LIMIT 1)
            RETURNING CAST(value AS TEXT)
            """)
      }
    }
    var committed: [String] = []
    var deleted: Set<String> = []
    var relay = try makeRelay()
    for step in 0..<80 {
      switch Int.random(in: 0..<12, using: &random) {
      case 0..<4:
        let values = (0..<Int.random(in: 1...6, using: &random)).map { number in
          "\(step)/\(number)/" + String(repeating: "x", count: Int.random(in: 0..<8, using: &random) == 0 ? 2000 : 1)
        }
        let keys = values.map { _ in Bool.random(using: &random) ? nil : "k\(Int.random(in: 0..<5, using: &random))" }
        try await database.write { db in
          for (key, value) in zip(keys, values) { try db.enqueue(ProducerRecord(topic: "t", key: key, value: value)) }
        }
        committed += values
      case 4..<7: _ = try? await relay.moveCommitted()
      case 7, 8:
        // The remedy for a row that is refused.
        if let value = try await delete("length(value) > 1000") { deleted.insert(value) }
      case 9:
        let count = try await database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM eventlog_outbox") } ?? 0
        guard count > 0 else { break }
        let place = Int.random(in: 0..<count, using: &random)
        if let value = try await delete(
          "id IN (SELECT id FROM eventlog_outbox ORDER BY id LIMIT 1 OFFSET \(place))")
        {
          deleted.insert(value)
        }
      case 10:
        // The log has the records, and the process dies before the database hears of it.
        try await database.write { db in
          try db.execute(
            sql: """
              CREATE TRIGGER fail BEFORE DELETE ON eventlog_outbox WHEN old.id % 3 = 0
              BEGIN SELECT raise(ABORT, 'the disk is full'); END
              """)
        }
        _ = try? await relay.moveCommitted()
        try await database.write { try $0.execute(sql: "DROP TRIGGER fail") }
        relay = try makeRelay()
      default:
        try broker.restart(after: TestBroker.Stop.allCases.randomElement(using: &random) ?? .kill)
        relay = try makeRelay()
      }
    }
    if seed % 2 == 0 {
      try broker.admin.incrementalAlterConfigs("t", [.set("max.message.bytes", "10000")])
    } else {
      while let value = try await delete("length(value) > 1000") { deleted.insert(value) }
    }
    try await relay.moveCommitted()
    #expect(try await database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM eventlog_outbox") } == 0)
    let records = try await broker.drain("t")
    let values = records.compactMap(\.valueString)
    #expect(Set(values).count == values.count, "seed \(seed): once")
    // A row may have been written before it was deleted.
    #expect(Set(values).union(deleted) == Set(committed), "seed \(seed): none is missing")
    let place = Dictionary(uniqueKeysWithValues: committed.enumerated().map { ($1, $0) })
    for (_, partition) in Dictionary(grouping: records, by: \.topicPartition) {
      let places = partition.compactMap { place[$0.valueString ?? ""] }
      #expect(places == places.sorted(), "seed \(seed): order")
    }
  }

  @Test("keeps a row whose record is in the log, and not on the disk")
  func failedSync() async throws {
    let database = try makeDatabase()
    let broker = try TestBroker(powerCuts: true)
    defer { try? broker.close() }
    try broker.admin.createTopic("t")
    var relay = try OutboxRelay(database, to: broker.broker)
    try await database.write { try $0.enqueue(ProducerRecord(topic: "t", value: "a")) }
    broker.faults.fail(.sync, matching: "t-0")
    for _ in 0..<2 { await #expect(throws: EventLogError.self) { try await relay.moveCommitted() } }
    try broker.restart(after: .powerCut)
    #expect(try await broker.drain("t").isEmpty)
    relay = try OutboxRelay(database, to: broker.broker)
    #expect(try await relay.moveCommitted() == 1)
    #expect(try await broker.drain("t").map(\.valueString) == ["a"])
  }

  @Test("has one relay at a time; a negative partition and missing tables are told")
  func misuse() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let old = try OutboxRelay(database, to: broker.broker)
      let new = try OutboxRelay(database, to: broker.broker)
      try await database.write { try $0.enqueue(ProducerRecord(topic: "t", value: "x")) }
      await #expect {
        try await old.moveCommitted()
      } throws: { ($0 as? EventLogError)?.code == .producerFenced }
      #expect(try await new.moveCommitted() == 1)
      await #expect {
        try await database.write { try $0.enqueue(ProducerRecord(topic: "t", partition: -1, value: "x")) }
      } throws: { ($0 as? EventLogError)?.code == .illegalArgument }
      let empty = try DatabaseQueue()
      await #expect {
        try await empty.write { try $0.enqueue(ProducerRecord(topic: "t", value: "x")) }
      } throws: { ($0 as? EventLogError)?.code == .illegalState }
      #expect(throws: EventLogError.self) { try OutboxRelay(database, to: broker.broker, outbox: "") }
      #expect(throws: EventLogError.self) { try OutboxRelay(database, to: broker.broker, batchSize: 0) }
    }
  }
}
