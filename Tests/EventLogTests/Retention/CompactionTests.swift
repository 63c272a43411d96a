import EventLog
import EventLogTesting
import Foundation
import Testing

@Suite("Compaction")
struct CompactionTests {
  private let partition = TopicPartition("t", 0)

  private func fill(_ broker: TestBroker, rounds: Int = 10) async throws {
    for round in 0..<rounds {
      try await broker.produce("t", (0..<20).map { Record(key: "key \($0)", value: "round \(round)") })
    }
  }

  private func values(_ broker: TestBroker) async throws -> [String: String] {
    var table: [String: String] = [:]
    for record in try await broker.drain("t") { table[record.keyString ?? ""] = record.valueString }
    return table
  }

  @Test(
    "goes by the clock, in the background, and its result survives a restart of any kind",
    arguments: TestBroker.Stop.allCases)
  func background(stop: TestBroker.Stop) async throws {
    try await withTestBroker(clock: TestClock(), powerCuts: true) { broker in
      try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact", "segment.bytes": "1000"])
      try await fill(broker)
      let before = try await broker.drain("t").count
      try await broker.advance(by: .seconds(15))
      let after = try await broker.drain("t")
      #expect(before == 200 && after.count < 60)
      #expect(try await values(broker) == Dictionary(uniqueKeysWithValues: (0..<20).map { ("key \($0)", "round 9") }))
      let size = try broker.admin.describeLogDirs()[0].replicas[partition]?.size
      #expect(try FileManager.default.contentsOfDirectory(atPath: broker.path).contains("cleaner-offset-checkpoint"))
      try broker.restart(after: stop)
      #expect(try await broker.drain("t").map(\.offset) == after.map(\.offset))
      #expect(try broker.admin.describeLogDirs()[0].replicas[partition]?.size == size)
      try await fill(broker)
      try await broker.advance(by: .seconds(15))
      #expect(try await broker.drain("t").count < 60)
      #expect(broker.warnings.isEmpty)
    }
  }

  @Test(
    "has its result survive a kill and a power cut also where cleanup.policy says something else by then",
    arguments: [TestBroker.Stop.kill, .powerCut])
  func otherPolicy(stop: TestBroker.Stop) async throws {
    try await withTestBroker(clock: TestClock(), powerCuts: true) { broker in
      try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact", "segment.bytes": "1000"])
      try await fill(broker)
      try await broker.advance(by: .seconds(15))
      let before = try await broker.drain("t").map(\.offset)
      try #require(before.count < 60)
      try broker.admin.alterConfigs("t", to: ["cleanup.policy": "delete", "segment.bytes": "1000"])
      try broker.restart(after: stop)
      #expect(try await broker.drain("t").map(\.offset) == before)
      #expect(broker.warnings.isEmpty)
    }
  }

  @Test("on demand takes the active segment too, and says what it did")
  func onDemand() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact,delete"])
      try broker.admin.createTopic("plain")
      try await fill(broker)
      let result = try broker.admin.compact(partition)
      #expect(result.compactedTo == 200 && result.recordsRead == 200 && result.recordsKept == 20)
      #expect(result.sizeAfter * 5 < result.sizeBefore)
      #expect(try await broker.drain("t").map(\.offset) == Array(180..<200))
      #expect(try broker.admin.listOffset(partition, .earliest)?.offset == 0)
      #expect(try broker.admin.listOffset(partition, .latest)?.offset == 200)
      let outcome = try broker.admin.compact(each: [TopicPartition("plain", 0), partition, TopicPartition("none", 0)])
      #expect(throws: EventLogError.self) { try outcome[TopicPartition("plain", 0)]?.get() }
      #expect(throws: EventLogError.self) { try outcome[TopicPartition("none", 0)]?.get() }
      #expect(try outcome[partition]?.get().sizeBefore == result.sizeAfter)
    }
  }

  @Test("a topic that is made anew under an old name is compacted from its beginning")
  func recreated() async throws {
    try await withTestBroker { broker in
      for _ in 0..<2 {
        try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact"])
        try await fill(broker)
        #expect(try broker.admin.compact(partition).recordsKept == 20)
        try broker.admin.deleteTopic("t")
      }
    }
  }

  @Test("a failing disk ends it for the partition until the broker is opened again; a full one does not")
  func failures() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact"])
      try await fill(broker)
      broker.faults.fillDisk(after: 0)
      #expect(throws: EventLogError.self) { try broker.admin.compact(partition) }
      broker.faults.heal()
      #expect(try broker.admin.compact(partition).recordsKept == 20)
      try await fill(broker)
      try broker.corrupt("t", offset: 210)
      #expect(throws: EventLogError.self) { try broker.admin.compact(partition) }
      let again = #expect(throws: EventLogError.self) { try broker.admin.compact(partition) }
      #expect(again?.message.contains("not compacted any more") == true)
      try await broker.produce("t", [Record(key: "k", value: "appends go on")])
    }
  }

  @Test("that failed on a topic is no reason to leave another one alone, wherever its log lies in memory")
  func failureOfDeletedTopic() async throws {
    try await withTestBroker { broker in
      for _ in 0..<10 {
        try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact"])
        try await fill(broker, rounds: 1)
        try broker.corrupt("t", offset: 10)
        #expect(throws: EventLogError.self) { try broker.admin.compact(partition) }
        try broker.admin.deleteTopic("t")
        try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact"])
        try await fill(broker, rounds: 2)
        #expect(try broker.admin.compact(partition).recordsKept == 20)
        try broker.admin.deleteTopic("t")
      }
    }
  }

  @Test("leaves a producer with a name its sequence numbers for ever, and others theirs for producer.id.expiration.ms")
  func producers() async throws {
    var configuration = BrokerConfiguration()
    configuration.producerIDExpiration = .seconds(3600)
    try await withTestBroker(configuration: configuration, clock: TestClock()) { broker in
      try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact"])
      var named = ProducerConfiguration()
      named.name = "importer"
      let record = ProducerRecord(topic: "t", partition: 0, key: "k", value: "old")
      for _ in 0..<3 { try await broker.producer(named).send(record) }
      try await broker.producer().send(record)
      try await broker.advance(by: .seconds(3601))
      try await broker.produce("t", ["k": "new"])
      try broker.admin.compact(partition)
      #expect(try await values(broker) == ["k": "new"])
      // Without snapshots, what is known of producers is what the log holds.
      let directory = broker.path + "/t-0/"
      try broker.restart(after: .kill) { _ in
        let files = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        for file in files where file.hasSuffix(".snapshot") {
          try? FileManager.default.removeItem(atPath: directory + file)
        }
      }
      #expect(try broker.producer(named).nextSequence(of: partition) == 3)
      #expect(
        try broker.admin.describeProducers(partition).count == 2, "that of the last record, and the one with the name")
    }
  }

  @Test("understands a log that Kafka's own cleaner has left, and goes on with it")
  func kafkas() async throws {
    let source = Bundle.module.bundleURL.appendingPathComponent("kafka-segments/compacted-0").path
    try await withTestBroker { broker in
      try broker.admin.createTopic("compacted", configs: ["cleanup.policy": "compact"])
      let partition = TopicPartition("compacted", 0)
      try broker.admin.importPartition(from: source)
      let before = try await broker.drain("compacted")
      let result = try broker.admin.compact(partition)
      #expect(result.segmentsAfter < result.segmentsBefore)
      let after = try await broker.drain("compacted")
      func table(_ records: [ConsumerRecord]) -> [[UInt8]: ConsumerRecord] {
        Dictionary(records.map { ($0.key ?? [], $0) }) { $1 }
      }
      let old = table(before)
      let new = table(after)
      #expect(after.count == new.count, "one record a key")
      #expect(Set(old.keys) == Set(new.keys) || new.count < old.count)
      for (key, record) in old where record.value != nil {
        #expect(new[key]?.offset == record.offset && new[key]?.value == record.value)
        #expect(new[key]?.timestamp == record.timestamp)
      }
      #expect(try broker.admin.listOffset(partition, .latest)?.offset == 2000)
    }
  }
}
