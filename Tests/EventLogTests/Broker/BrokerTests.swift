import EventLog
import EventLogTesting
import Foundation
import Synchronization
import Testing

@Suite("A broker")
struct BrokerTests {
  @Test("has the directory for itself; a second one is told who has it")
  func locked() throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory.path)
    let error = #expect(throws: EventLogError.self) { try Broker.open(directory.path) }
    #expect(error?.code == .directoryLocked)
    #expect(error?.message.contains("process \(ProcessInfo.processInfo.processIdentifier)") == true)
    try broker.close()
    try Broker.open(directory.path).close()
  }

  @Test("frees the directory when it is closed, whatever a child that was just forked has inherited")
  func lockInherited() throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory.path)
    // A child has its parent's open files until it executes another program; so does a copy of the descriptor.
    let number = try #require(
      try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").first {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == directory.path + "/.lock"
      }.flatMap { Int32($0) })
    let inherited = dup(number)
    defer { close(inherited) }
    #expect(throws: EventLogError.self) { try Broker.open(directory.path) }
    try broker.close()
    try Broker.open(directory.path).close()
  }

  @Test(
    "does not let files that a failing disk keeps be in the way of the next topic of that name",
    arguments: [false, true])
  func undeletableFiles(restarts: Bool) async throws {
    try await withTestBroker { broker in
      // The second partition can't be made, and the first not be taken back.
      broker.faults.fail(.makeDirectory, nth: 2)
      broker.faults.fail(.rename, nth: 3, times: nil)
      broker.faults.fail(.remove, times: nil)
      #expect(throws: EventLogError.self) { try broker.admin.createTopic("orders", partitions: 2) }
      #expect(throws: EventLogError.self) { try broker.admin.createTopic("orders", partitions: 2) }
      broker.faults.heal()
      if restarts { try broker.restart(after: .kill) }
      #expect(try !broker.admin.listTopics().contains("orders"))
      try broker.admin.createTopic("orders", partitions: 2)
      try await broker.produce("orders", values: ["a"], partition: 0)
      // Nor those of one that was deleted.
      broker.faults.fail(.rename, times: nil)
      broker.faults.fail(.remove, times: nil)
      try broker.admin.deleteTopic("orders")
      broker.faults.heal()
      if restarts { try broker.restart(after: .kill) }
      try broker.admin.createTopic("orders", partitions: 1)
      #expect(try await broker.drain("orders").isEmpty)
    }
  }

  @Test(
    "shows all that a dead process left, however long it is, to whoever asks first",
    arguments: ["poll", "end", "description", "deletion", "latest"])
  func longTail(first: String) async throws {
    try await withTestBroker { broker in
      let partition = TopicPartition("lines", 0)
      try broker.admin.createTopic("lines", partitions: 1)
      var configuration = ProducerConfiguration()
      configuration.acks = .leader
      let producer = try broker.producer(configuration)
      let value = [UInt8](repeating: 7, count: 500_000)
      for _ in 0..<20 { try await producer.send(ProducerRecord(topic: "lines", partition: 0, value: value)) }
      try broker.restart(after: .kill)
      let consumer = try broker.consumer()
      try consumer.assign([partition])
      switch first {
      case "poll":
        try consumer.seekToBeginning()
        #expect(try consumer.read().isEmpty == false)
      case "end": #expect(try consumer.endOffsets([partition]) == [partition: 20])
      case "description":
        #expect(try broker.admin.describeTopic("lines").partitions.map(\.highWatermark) == [20])
      case "deletion": #expect(try broker.admin.deleteRecords(partition, before: 20) == 20)
      default:
        try consumer.seekToEnd()
        #expect(try consumer.position(partition) == 20)
      }
      try await consumer.close()
    }
  }

  @Test(
    "leaves nothing in the way of the next try where partitions can't be added, whatever fails, and whatever comes between",
    arguments: [FaultInjector.Operation.open, .write, .reserve, .rename, .map, .makeDirectory, .syncDirectory, .sync])
  func partitionsThatFail(operation: FaultInjector.Operation) async throws {
    for nth in 1...6 {
      for seed in 0..<8 as Range<UInt64> {
        let next = ["try again", "kill", "power cut", "delete"][Int(seed % 4)]
        let what = Comment(rawValue: "\(operation) number \(nth), then \(next), seed \(seed)")
        try await withTestBroker(seed: seed, powerCuts: true) { broker in
          try broker.admin.createTopic("orders", partitions: 1)
          try await broker.produce("orders", values: ["a"], partition: 0)
          broker.faults.fail(operation, nth: nth, times: nil, with: seed < 4 ? .diskFull : .inputOutput)
          // Nor can what was made be taken back.
          if nth % 2 == 0 { broker.faults.fail(.remove, times: nil) }
          let failed = (try? broker.admin.createPartitions("orders", to: 3)) == nil
          #expect(try broker.admin.describeTopic("orders").partitions.count == (failed ? 1 : 3), what)
          if failed { #expect(throws: EventLogError.self, what) { try broker.admin.createPartitions("orders", to: 3) } }
          switch next {
          case "kill": try broker.restart(after: .kill)
          case "power cut": try broker.restart(after: .tornPowerCut)
          case "delete":
            _ = try? broker.admin.deleteTopic("orders")
            broker.faults.heal()
            if try broker.admin.listTopics().contains("orders") { try broker.admin.deleteTopic("orders") }
            try broker.admin.createTopic("orders", partitions: 1)
            try await broker.produce("orders", values: ["a"], partition: 0)
          default: broker.faults.heal()
          }
          let count = try broker.admin.describeTopic("orders").partitions.count
          #expect(count == 1 || count == 3, what)
          if count < 3 { #expect(throws: Never.self, what) { try broker.admin.createPartitions("orders", to: 3) } }
          try await broker.produce("orders", values: ["b"], partition: 2)
          #expect(try await broker.drain("orders").map { $0.valueString ?? "" }.sorted() == ["a", "b"], what)
          try broker.restart(after: .kill)
          let faults = try StoreVerifier(path: broker.path).run().faults
          #expect(faults.isEmpty, what)
          #expect(!broker.warnings.contains { $0.message.contains("no topic owns") }, what)
        }
      }
    }
  }

  @Test("opens its partitions on several threads, each as it was left, with what is damaged in its own place")
  func recoveryThreads() async throws {
    let directory = try TemporaryDirectory()
    var configuration = BrokerConfiguration()
    configuration.warningHandler = { _ in }
    let topics = ["a": 1, "b": 9, "c": 4]
    do {
      let broker = try Broker.open(directory.path, configuration)
      for (topic, partitions) in topics { try broker.admin.createTopic(topic, partitions: partitions) }
      let producer = try broker.producer()
      for (topic, partitions) in topics {
        for partition in 0..<partitions {
          let records = (0...partition).map { Record(value: "\(topic) \(partition) \($0)") }
          try await producer.send(records, to: topic, partition: partition)
        }
      }
      try broker.close()
    }
    // A directory that is none keeps its partition from being opened.
    let damaged = directory.path + "/b-5"
    try FileManager.default.moveItem(atPath: damaged, toPath: damaged + ".away")
    try Data().write(to: URL(filePath: damaged))
    for threads in [1, 3, 64] {
      configuration.recoveryThreads = threads
      let broker = try Broker.open(directory.path, configuration)
      for (topic, partitions) in topics {
        for partition in 0..<partitions {
          let end = try? broker.admin.listOffset(TopicPartition(topic, partition), .latest)?.offset
          let expected: Int64? = topic == "b" && partition == 5 ? nil : Int64(partition + 1)
          #expect(end == expected, "\(topic)-\(partition) with \(threads) threads")
        }
      }
      #expect(throws: EventLogError.self) { try broker.close() }
    }
    configuration.recoveryThreads = 0
    let error = #expect(throws: EventLogError.self) { try Broker.open(directory.path, configuration) }
    #expect(error?.code == .invalidConfig)
    #expect(throws: EventLogError.self) {
      try BrokerConfiguration(properties: ["num.recovery.threads.per.data.dir": "65"])
    }
  }

  @Test("can be looked into while it is at work, and nothing is changed by that")
  func readOnly() async throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory.path)
    try broker.admin.createTopic("t", partitions: 2)
    let producer = try broker.producer()
    try await producer.send("t", partition: 0, value: "one")
    let reader = try Broker.openReadOnly(directory.path)
    let consumer = try reader.consumer()
    try consumer.assign([TopicPartition("t", 0)])
    try consumer.seekToBeginning()
    #expect(try await consumer.poll(timeout: .zero).map(\.valueString) == ["one"])
    try await producer.send("t", partition: 0, value: "two")
    #expect(try await consumer.poll(timeout: .seconds(5)).map(\.valueString) == ["two"])
    #expect(try reader.admin.describeTopic("t").partitions[0].logEndOffset == 2)
    for call in [
      { try reader.admin.createTopic("u") }, { try reader.admin.deleteTopic("t") }, { _ = try reader.producer() },
      { try reader.admin.incrementalAlterConfigs("t", [.set("retention.ms", "1")]) },
    ] as [() throws -> Void] {
      let error = #expect(throws: EventLogError.self) { try call() }
      #expect(error?.code == .readOnly)
    }
    try reader.close()
    try broker.close()
  }

  @Test(
    "goes on after an unclean stop with everything that was acknowledged, and brings back offsets that point beyond")
  func uncleanStop() async throws {
    let directory = try TemporaryDirectory()
    let copy = try TemporaryDirectory()
    let broker = try Broker.open(directory("a"))
    try broker.admin.createTopic("t")
    let producer = try broker.producer()
    for number in 0..<10 { try await producer.send("t", value: "\(number)") }
    try broker.admin.alterConsumerGroupOffsets("ahead", [TopicPartition("t", 0): OffsetAndMetadata(1000)])
    // What a killed process leaves: the files as they are now.
    try FileManager.default.copyItem(atPath: directory("a"), toPath: copy("b"))
    try broker.close()
    let warnings = Warnings()
    var configuration = BrokerConfiguration()
    configuration.warningHandler = { warnings.add($0) }
    let again = try Broker.open(copy("b"), configuration)
    #expect(try again.admin.describeTopic("t").partitions[0].logEndOffset == 10)
    #expect(try again.admin.listConsumerGroupOffsets("ahead")[TopicPartition("t", 0)]?.offset == 10)
    #expect(warnings.all.contains { $0.code == .offsetOutOfRange && $0.topic == "t" })
    try again.close()
  }

  @Test("does not take a store whose database is gone for an empty one")
  func lostDatabase() throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory.path)
    try broker.admin.createTopic("t")
    try broker.close()
    try FileManager.default.removeItem(atPath: directory("metadata.sqlite"))
    let error = #expect(throws: EventLogError.self) { try Broker.open(directory.path) }
    #expect(error?.code == .metadataError)
    #expect(try directory.files().contains("t-0"))
  }

  @Test("serves the other partitions where one can't be opened")
  func offlinePartition() async throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory.path)
    try broker.admin.createTopic("t", partitions: 2)
    try await broker.producer().send("t", partition: 1, value: "fine")
    try broker.close()
    let segment = directory("t-0/00000000000000000000.log")
    try FileManager.default.removeItem(atPath: segment)
    try FileManager.default.createDirectory(atPath: segment, withIntermediateDirectories: false)
    var configuration = BrokerConfiguration()
    configuration.warningHandler = { _ in }
    let again = try Broker.open(directory.path, configuration)
    let producer = try again.producer()
    let error = await #expect(throws: EventLogError.self) { try await producer.send("t", partition: 0, value: "x") }
    #expect(error?.partition == 0)
    #expect(error?.file == segment)
    #expect(try await producer.send("t", partition: 1, value: "on").offset == 1)
    #expect(try again.admin.describeTopic("t").partitions[0].error != nil)
    #expect(throws: EventLogError.self) { try again.close() }
  }

  @Test("refuses everything once it is closed; closing twice is fine")
  func closed() async throws {
    let fixture = try TestBroker()
    let broker = fixture.broker
    try broker.admin.createTopic("t")
    let producer = try broker.producer()
    let consumer = try broker.consumer(group: "g", topics: ["t"])
    try broker.close()
    try broker.close()
    #expect(throws: EventLogError.self) { try broker.admin.listTopics() }
    #expect(throws: EventLogError.self) { try broker.producer() }
    await #expect(throws: EventLogError.self) { try await producer.send("t", value: "x") }
    await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
  }

  @Test("makes files for its owner alone")
  func modes() throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory("store"))
    try broker.admin.createTopic("t")
    for name in ["", "/metadata.sqlite", "/t-0", "/t-0/00000000000000000000.log", "/.lock"] {
      let mode = try FileManager.default.attributesOfItem(atPath: directory("store") + name)[.posixPermissions] as? Int
      #expect((mode ?? 0) & 0o077 == 0, "\(name)")
    }
    try broker.close()
  }
}

final class Warnings: Sendable {
  private let list = Mutex<[EventLogError]>([])
  func add(_ error: EventLogError) { list.withLock { $0.append(error) } }
  var all: [EventLogError] { list.withLock { $0 } }
}
