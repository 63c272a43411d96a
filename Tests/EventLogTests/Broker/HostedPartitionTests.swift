import EventLog
import EventLogTesting
import Foundation
import Testing

@Suite("A partition that an opening found untouched")
struct HostedPartitionTests {
  private static let count = 3

  /// Has all files of partitions fail to open.
  private func failFiles(_ faults: FaultInjector) {
    for kind in [".log", ".index", ".timeindex", ".snapshot", "partition.metadata", "-checkpoint"] {
      faults.fail(.open, times: nil, matching: kind)
    }
  }

  /// Has all files of some of the partitions fail to open.
  private func failFiles(of partitions: [Int], _ faults: FaultInjector) {
    for partition in partitions { faults.fail(.open, times: nil, matching: "orders-\(partition)/") }
  }

  /// A broker with a value in each partition of `orders`, which was closed and opened again.
  private func withReopened(
    configuration: BrokerConfiguration = .init(), clock: TestClock? = nil, _ body: (TestBroker) async throws -> Void
  ) async throws {
    try await withTestBroker(configuration: configuration, clock: clock) { broker in
      try broker.admin.createTopic("orders", partitions: Self.count)
      for partition in 0..<Self.count {
        try await broker.produce("orders", values: ["value \(partition)"], partition: partition)
      }
      try broker.restart()
      try await body(broker)
    }
  }

  private func values(_ broker: TestBroker) async throws -> [String] {
    try await broker.drain("orders").map { $0.valueString ?? "" }
  }

  @Test("is made when it is first used, and known by its record until then, over any number of sessions")
  func unused() async throws {
    try await withReopened { broker in
      for _ in 0..<4 { try broker.restart(prepare: failFiles) }
      broker.faults.heal()
      #expect(broker.warnings.isEmpty)
      try await broker.produce("orders", values: ["one more"], partition: 1)
      try broker.restart(prepare: failFiles)
      broker.faults.heal()
      #expect(try await values(broker) == ["value 0", "value 1", "one more", "value 2"])
    }
  }

  @Test("loses nothing where the process is killed before anybody used it", arguments: TestBroker.Stop.allCases)
  func stopped(stop: TestBroker.Stop) async throws {
    try await withTestBroker(powerCuts: true) { broker in
      try broker.admin.createTopic("orders", partitions: Self.count)
      for partition in 0..<Self.count {
        try await broker.produce("orders", values: ["value \(partition)"], partition: partition)
      }
      #expect(try await broker.drain("orders", group: "g").count == Self.count)
      try broker.restart()
      try await broker.produce("orders", values: ["one more"], partition: 1)
      for _ in 0..<2 { try broker.restart(after: stop) }
      #expect(try await values(broker) == ["value 0", "value 1", "one more", "value 2"])
      #expect(try await broker.drain("orders", group: "g").map(\.valueString) == ["one more"])
    }
  }

  @Test("is not made by an opening after an unclean stop either, and its next record has another leader epoch")
  func unclean() async throws {
    try await withReopened { broker in
      try await broker.produce("orders", values: ["one more"], partition: 1)
      for _ in 0..<2 { try broker.restart(after: .kill) { failFiles(of: [0, 2], $0) } }
      // The others are opened by what the clean stop noted, this one by what it found.
      try broker.restart(prepare: failFiles)
      broker.faults.heal()
      #expect(broker.warnings.isEmpty)
      for partition in 0..<Self.count {
        try await broker.produce("orders", values: ["after"], partition: partition)
        try await broker.produce("orders", values: ["after"], partition: partition)
      }
      let records = try await broker.drain("orders")
      #expect(
        records.map { "\($0.partition) \($0.valueString ?? "") \($0.leaderEpoch)" } == [
          "0 value 0 0", "0 after 1", "0 after 1", "1 value 1 0", "1 one more 0", "1 after 1", "1 after 1",
          "2 value 2 0", "2 after 1", "2 after 1",
        ])
    }
  }

  @Test("keeps its record where it was only read, whatever is written down meanwhile")
  func checkpoints() async throws {
    var configuration = BrokerConfiguration()
    configuration.checkpointInterval = .seconds(5)
    try await withReopened(configuration: configuration, clock: TestClock()) { broker in
      #expect(try await values(broker).count == Self.count)
      try await broker.produce("orders", values: ["one more"], partition: 1)
      try await broker.advance(by: .seconds(60))
      try broker.restart(after: .kill) { failFiles(of: [0, 2], $0) }
      broker.faults.heal()
      #expect(broker.warnings.isEmpty)
      #expect(try await values(broker) == ["value 0", "value 1", "one more", "value 2"])
    }
  }

  @Test("has groups go on at its end after an unclean stop, where they had committed more than there is")
  func committedBeyond() async throws {
    try await withReopened { broker in
      let partition = TopicPartition("orders", 2)
      try broker.admin.alterConsumerGroupOffsets("g", [partition: OffsetAndMetadata(900)])
      try broker.restart()
      try broker.expectCommitted(by: "g", [partition: 900])
      try broker.restart(after: .kill) { failFiles(of: [2], $0) }
      broker.faults.heal()
      try broker.expectCommitted(by: "g", [partition: 1])
      #expect(broker.warnings.map(\.code) == [.offsetOutOfRange])
    }
  }

  @Test("has the configuration that its topic was given meanwhile")
  func configuration() async throws {
    try await withReopened { broker in
      try broker.admin.alterConfigs("orders", to: ["max.message.bytes": "200"])
      for _ in 0..<2 {
        let error = await #expect(throws: EventLogError.self) {
          try await broker.produce("orders", values: [String(repeating: "x", count: 1000)], partition: 2)
        }
        #expect(error?.code == .messageTooLarge)
        try broker.restart()
      }
      try await broker.produce("orders", values: ["small"], partition: 2)
    }
  }

  @Test("is one log, whoever comes first")
  func concurrentUse() async throws {
    try await withReopened { broker in
      for round in 0..<20 {
        try broker.restart()
        let producer = try broker.producer(ProducerConfiguration(acks: .leader))
        let offsets = try await withThrowingTaskGroup(of: Int64.self) { group in
          for _ in 0..<8 { group.addTask { try await producer.send("orders", partition: 0, value: "x").offset } }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(offsets.sorted() == Array(Int64(1 + round * 8)..<Int64(9 + round * 8)))
      }
      #expect(try await broker.drain("orders").count == Self.count + 160)
    }
  }

  @Test("takes nothing once the broker is closed, and is left as it was")
  func closed() async throws {
    try await withReopened { broker in
      let (producer, consumer) = (try broker.producer(), try broker.consumer())
      try consumer.assign([TopicPartition("orders", 1)])
      try broker.broker.close()
      await #expect(throws: EventLogError.self) { try await producer.send("orders", partition: 0, value: "late") }
      #expect(throws: EventLogError.self) {
        try producer.append([Record(value: "late")], to: TopicPartition("orders", 2))
      }
      await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
      try broker.restart()
      #expect(try await values(broker) == ["value 0", "value 1", "value 2"])
    }
  }

  @Test("goes with its topic")
  func deleted() async throws {
    try await withReopened { broker in
      let producer = try broker.producer()
      try broker.admin.deleteTopic("orders")
      await #expect(throws: EventLogError.self) { try await producer.send("orders", partition: 0, value: "late") }
      #expect(try FileManager.default.contentsOfDirectory(atPath: broker.path).allSatisfy { !$0.hasPrefix("orders") })
      try broker.admin.createTopic("orders", partitions: Self.count)
      #expect(try await values(broker).isEmpty)
    }
  }

  @Test("counts among the bytes of all logs")
  func budget() async throws {
    let configuration = try BrokerConfiguration(properties: ["log.dirs.max.bytes": "200000"])
    try await withReopened(configuration: configuration) { broker in
      let value = String(repeating: "x", count: 10_000)
      for _ in 0..<8 { try await broker.produce("orders", values: [value], partition: 0) }
      try broker.restart()
      let error = await #expect(throws: EventLogError.self) {
        for _ in 0..<14 { try await broker.produce("orders", values: [value], partition: 1) }
      }
      #expect(error?.code == .diskFull)
      try broker.admin.deleteTopic("orders")
      for _ in 0..<8 { try await broker.produce("others", values: [value]) }
    }
  }

  @Test("is not spared by retention")
  func retention() async throws {
    try await withReopened(clock: TestClock()) { broker in
      try await broker.advance(by: .seconds(8 * 86_400))
      #expect(try await values(broker).isEmpty)
      #expect(try broker.admin.listOffset(TopicPartition("orders", 0), .earliest)?.offset == 1)
    }
  }

  @Test("has its producers from the log where the file that knows them is damaged")
  func damagedSnapshot() async throws {
    try await withReopened { broker in
      let partition = TopicPartition("orders", 1)
      let producers = try broker.admin.describeProducers(partition)
      #expect(producers.count == 1)
      try damageSnapshots(broker, while: { try broker.restart(prepare: $0) })
      #expect(broker.warnings.isEmpty, "nobody has looked yet")
      #expect(try broker.admin.describeProducers(partition) == producers)
      #expect(broker.warnings.map(\.partition).count == 1)
      #expect(try await values(broker) == ["value 0", "value 1", "value 2"])
    }
  }

  @Test("is tried again where it could not be made")
  func failing() async throws {
    try await withReopened { broker in
      try damageSnapshots(broker, while: { try broker.restart(prepare: $0) })
      broker.faults.fail(.open, times: nil, matching: ".log")
      for _ in 0..<2 {
        let error = await #expect(throws: EventLogError.self) {
          try await broker.produce("orders", values: ["x"], partition: 1)
        }
        #expect(error?.code == .inputOutput)
        #expect(error?.partition == 1)
      }
      broker.faults.heal()
      try await broker.produce("orders", values: ["one more"], partition: 1)
      try broker.restart(prepare: failFiles)
      broker.faults.heal()
      #expect(try await values(broker) == ["value 0", "value 1", "one more", "value 2"])
    }
  }

  /// Damages what the partitions know of their producers while the broker is closed, in place, as a disk does.
  private func damageSnapshots(
    _ broker: TestBroker, while restart: ((FaultInjector) -> Void) throws -> Void
  ) throws {
    try restart { _ in
      for path in (try? FileManager.default.subpathsOfDirectory(atPath: broker.path)) ?? []
      where path.hasSuffix(".snapshot") {
        guard let file = FileHandle(forUpdatingAtPath: broker.path + "/" + path) else { continue }
        try? file.seek(toOffset: 8)
        try? file.write(contentsOf: [0xff, 0xff])
        try? file.close()
      }
    }
  }

  /// A torn power cut of each seed takes other parts of what was never synced.
  @Test(
    "finds its topic's id after a clean stop and a power cut, also where it was made before a kill",
    arguments: 0..<16 as Range<UInt64>)
  func metadataBehindKill(seed: UInt64) async throws {
    try await withTestBroker(clock: TestClock(), seed: seed, powerCuts: true) { broker in
      try broker.admin.createTopic("t", partitions: 3)
      try broker.restart(after: .kill)
      try broker.restart(after: .close)
      try broker.restart(after: .tornPowerCut)
      for number in 0..<3 {
        let file = broker.path + "/t-\(number)/partition.metadata"
        #expect(try String(contentsOfFile: file, encoding: .utf8).hasPrefix("version: 0\ntopic_id: "))
        #expect(try String(contentsOfFile: file, encoding: .utf8).count == 43)
      }
    }
  }

  @Test("and whose log can't be made is asked for again by the consumer that has it, with every poll")
  func consumerAsksAgain() async throws {
    try await withReopened { broker in
      failFiles(of: [1], broker.faults)
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .earliest
      let consumer = try broker.consumer(configuration)
      try consumer.assign([TopicPartition("orders", 1)])
      for _ in 0..<2 { await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) } }
      broker.faults.heal()
      var read: [String?] = []
      for _ in 0..<2 { read += try await consumer.poll(timeout: .zero).map(\.valueString) }
      #expect(read == ["value 1"])
      let poll = Task { try await consumer.poll(timeout: .seconds(60)).map(\.valueString) }
      try await broker.untilWaiting(consumer)
      try await broker.produce("orders", values: ["one more"], partition: 1)
      #expect(try await poll.value == ["one more"])
    }
  }
}
