import EventLog
import EventLogTesting
import Foundation
import Testing

@Suite("A test broker")
struct TestBrokerTests {
  @Test("is a whole broker, and the example of its documentation works")
  func example() async throws {
    try await withTestBroker { broker in
      try await broker.produce("orders", ["customer-42": "created"])
      try await broker.expectRecords(in: "orders", ["customer-42=created"])
    }
  }

  /// Code under test: an invoice for each order that was created.
  private func runTheBilling(on broker: Broker) async throws {
    let consumer = try broker.consumer(group: "billing", topics: ["orders"])
    let producer = try broker.producer()
    for record in try await consumer.poll(timeout: .seconds(5)) where record.valueString == "created" {
      try await producer.send("invoices", key: record.keyString, value: "1 order")
    }
    try await consumer.commit()
    try await consumer.close()
  }

  @Test("serves the example of the README")
  func readme() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("invoices")
      try await broker.produce("orders", ["customer-42": "created"])
      try await runTheBilling(on: broker.broker)
      try await broker.expectRecords(in: "invoices", ["customer-42=1 order"])
      try broker.expectCommitted(by: "billing", [TopicPartition("orders", 0): 1])
    }
  }

  @Test("leaves nothing behind, however its test ends", arguments: [TestStorage.memory, .temporaryDirectory])
  func leavesNothing(storage: TestStorage) async throws {
    struct Stop: Error {}
    var paths: [String] = []
    try await withTestBroker(storage) { broker in
      paths.append(broker.path)
      try await broker.produce("t", values: ["x"])
      #expect(FileManager.default.fileExists(atPath: broker.path + "/t-0"))
    }
    await #expect(throws: Stop.self) {
      try await withTestBroker(storage) { broker in
        paths.append(broker.path)
        throw Stop()
      }
    }
    do {
      let dropped = try TestBroker(storage)
      paths.append(dropped.path)
      try dropped.admin.createTopic("t")
    }
    #expect(Set(paths).count == 3)
    for path in paths { #expect(!FileManager.default.fileExists(atPath: path)) }
  }

  @Test("keeps a directory that the test named")
  func namedDirectory() async throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("eventlog-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await withTestBroker(.directory(path)) { try await $0.produce("t", values: ["kept"]) }
    try await withTestBroker(.directory(path)) { try await $0.expectRecords(in: "t", ["kept"]) }
    let broker = try Broker.open(path)
    #expect(try broker.admin.describeTopic("t").partitions[0].logEndOffset == 1)
    try broker.close()
  }

  @Test(
    "can be restarted, in order or after it was killed: what was appended is there",
    arguments: [
      TestBroker.Stop.close, .kill,
    ])
  func restarts(stop: TestBroker.Stop) async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 3)
      try await broker.produce("t", ["a": "1", "b": "2", "c": "3"])
      let unsynced = try broker.producer(ProducerConfiguration(acks: .leader))
      try await unsynced.send("t", partition: 0, key: "d", value: "4")
      #expect(try await broker.drain("t", group: "g").count == 4)
      let consumer = try broker.consumer(group: "g", topics: ["t"])
      try broker.restart(after: stop)
      await #expect(throws: EventLogError.self) { try await unsynced.send("t", value: "late") }
      await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
      try await broker.expectRecords(in: "t", ["a=1", "b=2", "c=3", "d=4"], inAnyOrder: true)
      try await broker.produce("t", ["e": "5"], partition: 1)
      try broker.expect(try await broker.drain("t", group: "g"), toBe: ["e=5"])
    }
  }

  @Test("can have its power cut: acks=all is there, acks=1 is gone, and offsets don't point beyond")
  func powerCut() async throws {
    try await withTestBroker(powerCuts: true) { broker in
      try await broker.produce("t", values: ["safe"])
      let hasty = try broker.producer(ProducerConfiguration(acks: .leader))
      try await hasty.send("t", value: "gone")
      try broker.restart(after: .powerCut)
      try await broker.expectRecords(in: "t", ["safe"])
      try await broker.produce("t", values: ["on"])
      try broker.restart(after: .powerCut)
      try await broker.expectRecords(in: "t", [.init(value: "safe", offset: 0), .init(value: "on", offset: 1)])
    }
    try await withTestBroker { broker in
      #expect(throws: EventLogError.self) { try broker.restart(after: .powerCut) }
    }
  }

  @Test("ends a poll that waits, when it is closed")
  func closeEndsPolls() async throws {
    let broker = try TestBroker()
    try broker.admin.createTopic("t")
    let consumer = try broker.consumer(group: "g", topics: ["t"])
    let poll = Task { try await consumer.poll(timeout: .seconds(3600)) }
    try await broker.untilWaiting(consumer)
    try broker.close()
    let error = await #expect(throws: EventLogError.self) { try await poll.value }
    #expect(error?.code == .illegalState)
    try broker.close()
    #expect(throws: EventLogError.self) { try broker.restart() }
  }

  @Test("keeps what the broker warned of")
  func warnings() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["x"])
      try broker.admin.alterConsumerGroupOffsets("g", [TopicPartition("t", 0): OffsetAndMetadata(100)])
      try broker.restart(after: .kill)
      #expect(broker.warnings.map(\.code) == [.offsetOutOfRange])
      try broker.expectCommitted(by: "g", [TopicPartition("t", 0): 1])
    }
  }
}

@Suite("A thousand test brokers")
struct ManyTestBrokersTests {
  @Test("are opened, used for ten records through a group, and closed; none leaves a trace")
  func thousand() async throws {
    let threadsBefore = try Self.count("/proc/self/task")
    var paths: Set<String> = []
    var fewestThreads = Int.max
    for part in 0..<10 {
      for _ in 0..<100 {
        try await withTestBroker { broker in
          paths.insert(broker.path)
          try await use(broker)
        }
      }
      if part >= 5 { fewestThreads = min(fewestThreads, try Self.count("/proc/self/task")) }
    }
    #expect(paths.count == 1000)
    for path in paths { #expect(!FileManager.default.fileExists(atPath: path)) }
    // Other tests run beside this one and have threads and files of their own: what counts is that none is of these
    // brokers, and that there is no thread for each of the first six hundred.
    #expect(fewestThreads < threadsBefore + 500)
    for number in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + number) else {
        continue
      }
      #expect(!Self.belongs(target, paths), "an open descriptor of \(target)")
    }
    for line in try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n") {
      guard let slash = line.firstIndex(of: "/") else { continue }
      #expect(!Self.belongs(String(line[slash...]), paths), "a mapping of \(line[slash...])")
    }
  }

  private func use(_ broker: TestBroker) async throws {
    try broker.admin.createTopic("t")
    try await broker.produce("t", values: (0..<10).map { "\($0)" })
    let consumer = try broker.consumer(group: "g", topics: ["t"])
    var seen = 0
    while seen < 10 { seen += try await consumer.poll(timeout: .seconds(5)).count }
    try await consumer.commit()
    try await consumer.close()
  }

  private static func count(_ directory: String) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: directory).count
  }

  private static func belongs(_ file: String, _ paths: Set<String>) -> Bool {
    let parts = file.split(separator: "/", omittingEmptySubsequences: false)
    return parts.indices.contains { paths.contains(parts[...$0].joined(separator: "/")) }
  }
}
