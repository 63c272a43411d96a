import EventLogSQLite
import EventLogTesting
import GRDB
import Testing
import SegmentStore

@Suite("A consumer into SQLite")
struct SQLiteConsumerTests {
  private func makeDatabase() throws -> DatabaseQueue {
    let database = try DatabaseQueue()
    try database.write { db in try db.execute(sql: "CREATE TABLE effect (value TEXT NOT NULL)") }
    return database
  }

  private func effects(_ database: DatabaseQueue) throws -> [String] {
    try database.read { try String.fetchAll($0, sql: "SELECT value FROM effect ORDER BY rowid") }
  }

  @Sendable private static func note(_ record: ConsumerRecord, _ db: Database) throws {
    try db.execute(sql: "INSERT INTO effect VALUES (?)", arguments: [record.valueString])
  }

  private func step(_ consumer: SQLiteConsumer) async throws -> Int {
    var count = 0
    // The first poll joins the group.
    for _ in 0..<3 { count += try await consumer.step(timeout: .zero, Self.note) }
    return count
  }

  @Test("goes on where the database says, whatever the broker was told")
  func resumes() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      try await broker.produce("t", values: ["a", "b", "c"])
      let first = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
      #expect(try await step(first) == 3)
      try await first.close()
      try broker.expectCommitted(by: "g", [TopicPartition("t", 0): 3])
      // Somebody resets the group: the database has the effects, and so has the say.
      try broker.admin.alterConsumerGroupOffsets("g", [TopicPartition("t", 0): OffsetAndMetadata(0)])
      try await broker.produce("t", values: ["d"])
      let second = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
      #expect(try await step(second) == 1)
      try await second.close()
      #expect(try effects(database) == ["a", "b", "c", "d"])
    }
  }

  @Test("begins as auto.offset.reset says where the database is a new one, though the broker knows the group")
  func newDatabase() async throws {
    for (reset, expected) in [
      (OffsetReset.earliest, ["a", "b", "c"]), (.latest, ["c"]), (.byDuration(.seconds(3600)), ["b", "c"]),
    ] {
      try await withTestBroker { broker in
        try broker.admin.createTopic("t")
        try await broker.producer().send("t", value: "a", timestamp: 1)
        try await broker.produce("t", values: ["b"])
        func step(_ database: DatabaseQueue, times: Int = 1) async throws {
          var configuration = ConsumerConfiguration()
          configuration.autoOffsetReset = reset
          let consumer = try SQLiteConsumer(
            broker.broker, group: "g", topics: ["t"], into: database, configuration: configuration)
          #expect(try await self.step(consumer) >= 0)
          if times > 1 {
            try await broker.produce("t", values: ["c"])
            #expect(try await self.step(consumer) == 1)
          }
          try await consumer.close()
        }
        try await step(makeDatabase())
        try broker.admin.alterConsumerGroupOffsets("g", [TopicPartition("t", 0): OffsetAndMetadata(1)])
        let database = try makeDatabase()
        try await step(database, times: 2)
        #expect(try effects(database) == expected, "\(reset)")
      }
    }
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      try await broker.produce("t", values: ["a"])
      try broker.admin.alterConsumerGroupOffsets("g", [TopicPartition("t", 0): OffsetAndMetadata(0)])
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .none
      let consumer = try SQLiteConsumer(
        broker.broker, group: "g", topics: ["t"], into: makeDatabase(), configuration: configuration)
      await #expect {
        _ = try await step(consumer)
      } throws: { ($0 as? EventLogError)?.code == .noOffsetForPartition }
      // Where the application says.
      try consumer.consumer.seek(TopicPartition("t", 0), to: 0)
      #expect(try await step(consumer) == 1)
      try await consumer.close()
    }
  }

  @Test("goes on at the log's end where a power cut took records that had taken effect, and repeats none of the others")
  func lostRecords() async throws {
    let database = try makeDatabase()
    // On a clock that stands still no checkpoint saves the record.
    let broker = try TestBroker(clock: TestClock(), powerCuts: true)
    defer { try? broker.close() }
    try broker.admin.createTopic("t")
    try await broker.produce("t", values: ["a", "b"])
    let first = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
    let weak = try broker.producer(ProducerConfiguration(acks: .leader))
    try await weak.send("t", value: "gone")
    #expect(try await step(first) == 3)
    try broker.restart(after: .powerCut)
    #expect(try await broker.drain("t").map(\.valueString) == ["a", "b"])
    let second = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
    #expect(try await step(second) == 0)
    try await broker.produce("t", values: ["c", "d"])
    #expect(try await step(second) == 2)
    #expect(try effects(database) == ["a", "b", "gone", "c", "d"])
    try await second.close()
  }

  @Test("repeats nothing where it is sought back")
  func soughtBack() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      try await broker.produce("t", values: ["a", "b"])
      let consumer = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
      #expect(try await step(consumer) == 2)
      try consumer.consumer.seek(TopicPartition("t", 0), to: 0)
      try await broker.produce("t", values: ["c"])
      #expect(try await step(consumer) == 1)
      #expect(try effects(database) == ["a", "b", "c"])
      try await consumer.close()
    }
  }

  @Test("repeats nothing where the database could not be asked when a partition came back")
  func interruptedResume() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      try await broker.produce("t", values: ["a", "b"])
      let consumer = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
      #expect(try await step(consumer) == 2)
      // The broker has heard of less, and the member is thrown out and comes back.
      try await consumer.consumer.commit([TopicPartition("t", 0): OffsetAndMetadata(1)])
      try broker.evict(consumer.consumer)
      try await database.write { try $0.execute(sql: "ALTER TABLE eventlog_offset RENAME TO away") }
      await #expect(throws: (any Error).self) { _ = try await step(consumer) }
      try await database.write { try $0.execute(sql: "ALTER TABLE away RENAME TO eventlog_offset") }
      try await broker.produce("t", values: ["c"])
      #expect(try await step(consumer) == 1)
      #expect(try effects(database) == ["a", "b", "c"])
      try await consumer.close()
    }
  }

  @Test("rolls back the effect with the progress where the closure throws, and comes back to the same records")
  func rollsBack() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      try await broker.produce("t", values: ["a", "b", "c"])
      let consumer = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
      struct Refused: Error {}
      await #expect(throws: Refused.self) {
        for _ in 0..<3 {
          try await consumer.step(timeout: .zero) { record, db in
            try Self.note(record, db)
            if record.valueString == "b" { throw Refused() }
          }
        }
      }
      #expect(try effects(database) == [])
      #expect(try await step(consumer) == 3)
      #expect(try effects(database) == ["a", "b", "c"])
      try await consumer.close()
    }
  }

  @Test("does nothing a second time where another member was there before it noticed that it has lost the partition")
  func zombie() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      try await broker.produce("t", values: ["a"])
      let old = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
      #expect(try await step(old) == 1)
      try await broker.produce("t", values: ["b"])
      let new = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
      // Between the old one's poll and its transaction, the group gives the partition to the new one.
      let count = try await old.step(timeout: .zero) { record, db in
        try Self.note(record, db)
        try db.execute(sql: "UPDATE eventlog_offset SET \"offset\" = \"offset\"")
      }
      #expect(count == 1)
      try broker.evict(old.consumer)
      #expect(try await step(new) == 0)
      // As if the new one had processed what comes next, while the old one still believes to have the partition.
      try await broker.produce("t", values: ["c"])
      try await database.write { try $0.execute(sql: "UPDATE eventlog_offset SET \"offset\" = 3") }
      #expect(try await step(new) == 0)
      #expect(try effects(database) == ["a", "b"])
      try await broker.produce("t", values: ["d"])
      #expect(try await step(new) == 1)
      #expect(try effects(database) == ["a", "b", "d"])
      try await new.close()
      try await old.close()
    }
  }

  @Test("begins anew with a topic that was deleted and made again")
  func recreated() async throws {
    let database = try makeDatabase()
    try await withTestBroker { broker in
      for round in 0..<2 {
        try broker.admin.createTopic("t")
        try await broker.produce("t", values: ["a\(round)", "b\(round)"])
        let consumer = try SQLiteConsumer(broker.broker, group: "g", topics: ["t"], into: database)
        #expect(try await step(consumer) == 2)
        try await consumer.close()
        try broker.admin.deleteTopic("t")
      }
      #expect(try effects(database) == ["a0", "b0", "a1", "b1"])
    }
  }

  /// Members come and go, transactions fail, brokers close, die and lose their power: in the end each record has had its
  /// effect once.
  @Test("has each record take effect once, whatever fails when", arguments: Array(UInt64(1)...20))
  func model(seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    let database = try makeDatabase()
    let broker = try TestBroker(powerCuts: true)
    defer { try? broker.close() }
    try broker.admin.createTopic("t", partitions: 3)
    func member() throws -> SQLiteConsumer {
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .earliest
      configuration.maxPollRecords = 5
      return try SQLiteConsumer(
        broker.broker, group: "g", topics: ["t"], into: database, configuration: configuration)
    }
    var members = [try member()]
    var produced: [String] = []
    struct Refused: Error {}
    for step in 0..<80 {
      switch Int.random(in: 0..<12, using: &random) {
      case 0..<4:
        let values = (0..<Int.random(in: 1...10, using: &random)).map { "\(step)/\($0)" }
        try await broker.produce("t", values: values)
        produced += values
      case 4..<8:
        guard let member = members.randomElement(using: &random) else { break }
        try await member.step(timeout: .zero, Self.note)
      case 8:
        guard let member = members.randomElement(using: &random) else { break }
        _ = try? await member.step(timeout: .zero) { record, db in
          try Self.note(record, db)
          throw Refused()
        }
      case 9 where members.count < 4: members.append(try member())
      case 10 where members.count > 1: try await members.removeFirst().close()
      case 11:
        try broker.restart(after: TestBroker.Stop.allCases.randomElement(using: &random) ?? .kill)
        members = [try member()]
      default: break
      }
    }
    // A member that does not poll holds up the others.
    for _ in 0..<200 {
      for member in members { try await member.step(timeout: .zero, Self.note) }
      if try effects(database).count >= produced.count { break }
    }
    #expect(try effects(database).sorted() == produced.sorted(), "seed \(seed)")
    for member in members { try await member.close() }
  }
}
