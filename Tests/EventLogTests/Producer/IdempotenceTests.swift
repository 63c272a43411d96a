import EventLog
import EventLogTesting
import Foundation
import RecordFormat
import Testing

@Suite("An idempotent producer")
struct IdempotenceTests {
  private let partition = TopicPartition("a", 0)

  private func named(_ broker: TestBroker, _ name: String) throws -> Producer {
    var configuration = ProducerConfiguration()
    configuration.name = name
    return try broker.producer(configuration)
  }

  @Test("is the default, by Kafka's rules")
  func configuration() throws {
    func isOn(_ properties: [String: String]) throws -> Bool? {
      let configuration = try ProducerConfiguration(properties: properties)
      return configuration.enableIdempotence ?? (configuration.acks == .all)
    }
    #expect(try isOn([:]) == true)
    #expect(try isOn(["acks": "1"]) == false)
    #expect(try isOn(["retries": "0"]) == false)
    #expect(try isOn(["max.in.flight.requests.per.connection": "6"]) == false)
    #expect(try isOn(["max.in.flight.requests.per.connection": "5"]) == true)
    #expect(try isOn(["enable.idempotence": "true"]) == true)
    let wrong: [[String: String]] = [
      ["enable.idempotence": "true", "acks": "1"], ["enable.idempotence": "true", "retries": "0"],
      ["transactional.id": "t", "acks": "0"], ["transactional.id": "t", "enable.idempotence": "false"],
      ["transactional.id": "t", "max.in.flight.requests.per.connection": "6"], ["transactional.id": ""],
      ["producer.name": "n", "acks": "1"], ["producer.name": "n", "transactional.id": "t"],
      ["transaction.timeout.ms": "0"],
    ]
    for properties in wrong {
      let error = #expect(throws: EventLogError.self) { try ProducerConfiguration(properties: properties) }
      #expect(error?.code == .invalidConfig)
    }
    let good = try ProducerConfiguration(properties: ["transactional.id": "t", "transaction.timeout.ms": "5"])
    #expect(good.transactionalID == "t")
    #expect(good.transactionTimeout == .milliseconds(5))
  }

  @Test("has an id that no other has, also after a restart, and numbers what it writes")
  func ids() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      for (number, stop) in [TestBroker.Stop.close, .kill].enumerated() {
        for _ in 0..<2 {
          let producer = try broker.producer()
          try await producer.send("a", value: "x")
          try await producer.send([Record(value: "y"), Record(value: "z")], to: "a")
          #expect(try producer.nextSequence(of: partition) == 3)
        }
        let producers = try broker.admin.describeProducers(partition)
        #expect(producers.count == 2 * (number + 1))
        #expect(producers.allSatisfy { $0.lastSequence == 2 && $0.producerEpoch == 0 })
        try broker.restart(after: stop)
      }
      let plain = try broker.producer(ProducerConfiguration(acks: .leader))
      try await plain.send("a", value: "x")
      #expect(try broker.admin.describeProducers(partition).count == 4)
      #expect(await code { _ = try plain.nextSequence(of: partition) } == .illegalState)
    }
  }

  @Test(
    "with a name goes on where it was, so that what was written is not written again",
    arguments: TestBroker.Stop.allCases)
  func names(stop: TestBroker.Stop) async throws {
    try await withTestBroker(powerCuts: true) { broker in
      try broker.admin.createTopic("a")
      let input = (0..<20).map { Record(value: "line \($0)") }
      let first = try named(broker, "importer")
      var last = BatchMetadata?.none
      for start in stride(from: 0, to: 12, by: 3) {
        last = try first.append(Array(input[start..<start + 3]), to: partition, sequence: Int32(start))
      }
      try broker.restart(after: stop)
      let second = try named(broker, "importer")
      // Whoever does not know whether the last call came through makes it again.
      #expect(try second.append(Array(input[9..<12]), to: partition, sequence: 9) == last)
      #expect(
        await code { _ = try second.append(Array(input[0..<3]), to: partition, sequence: 0) }
          == (stop == .close ? .duplicateSequenceNumber : nil))
      let next = Int(try second.nextSequence(of: partition))
      #expect(next == 12)
      #expect(
        await code { _ = try second.append(Array(input[14..<16]), to: partition, sequence: 14) }
          == .outOfOrderSequenceNumber)
      try second.append(Array(input[next...]), to: partition)
      #expect(try await broker.values("a", .readCommitted) == (0..<20).map { "line \($0)" })
      #expect(try broker.admin.describeProducers(partition).count == 1)
    }
  }

  @Test("with a name is fenced by another of that name")
  func fencedName() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      let old = try named(broker, "n")
      try await old.send("a", value: "1")
      let new = try named(broker, "n")
      #expect(await code { try await old.send("a", value: "2") } == .producerFenced)
      #expect(try new.nextSequence(of: partition) == 1)
      try await new.send("a", value: "3")
      let other = try named(broker, "m")
      #expect(try other.nextSequence(of: partition) == 0)
    }
  }

  @Test("with a name is remembered, however long it is silent; others are forgotten")
  func expiration() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("a")
      let named = try named(broker, "n")
      try await named.send("a", value: "1")
      try await broker.producer().send("a", value: "2")
      #expect(try broker.admin.describeProducers(partition).count == 2)
      try await broker.advance(by: .seconds(86_400 + 601))
      #expect(try broker.admin.describeProducers(partition).count == 1)
      try broker.restart()
      try await broker.advance(by: .seconds(86_400 + 601))
      #expect(try self.named(broker, "n").nextSequence(of: partition) == 1)
    }
  }

  @Test("of another store, imported, leaves its id to nobody")
  func importedIDs() async throws {
    try await withTestBroker { broker in
      let samples = Bundle.module.bundleURL.appendingPathComponent("kafka-segments")
      try broker.admin.importPartition(from: samples.appendingPathComponent("transactions-0").path)
      let imported = TopicPartition("transactions", 0)
      #expect(try broker.admin.describeProducers(imported).map(\.producerID) == [1, 2, 3])
      try await broker.producer().send(ProducerRecord(topic: "transactions", partition: 0, value: "x"))
      #expect(try broker.admin.describeProducers(imported).map(\.producerID) == [1, 2, 3, 4])
    }
  }
}
