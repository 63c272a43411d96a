@testable import EventLog
import EventLogTesting
import Foundation
import Testing

/// "Never" is configured in Kafka by the largest number that there is (`max.block.ms=9223372036854775807`): times are added to that.
@Suite("Durations that never end")
struct HugeDurationsTests {
  private static let never = Duration.milliseconds(Int64.max)

  private static func brokerConfiguration() -> BrokerConfiguration {
    var configuration = BrokerConfiguration()
    configuration.checkpointInterval = never
    configuration.groupMaxSessionTimeout = never
    configuration.offsetsRetention = never
    configuration.offsetsRetentionCheckInterval = never
    configuration.initialTaskDelay = never
    configuration.retentionCheckInterval = never
    configuration.logCleanerBackoff = never
    configuration.transactionMaxTimeout = never
    configuration.transactionalIDExpiration = never
    configuration.producerIDExpiration = never
    configuration.producerIDExpirationCheckInterval = never
    return configuration
  }

  @Test("a broker opens, works and closes, on a clock that is moved and on the machine's")
  func broker() async throws {
    try await withTestBroker(configuration: Self.brokerConfiguration(), clock: TestClock()) { broker in
      try await broker.produce("t", values: ["a"])
      try await broker.advance(by: .seconds(86_400 * 365))
    }
    let directory = try TemporaryDirectory()
    for _ in 0..<2 {
      let broker = try Broker.open(directory.path, Self.brokerConfiguration())
      if try broker.admin.listTopics().isEmpty { try broker.admin.createTopic("t") }
      let producer = try broker.producer()
      try producer.append(ProducerRecord(topic: "t", value: [1]))
      try broker.close()
    }
  }

  @Test("a producer lingers, and waits for room, for ever")
  func producer() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      // A moment that is added to.
      try await broker.advance(by: .milliseconds(1))
      try broker.admin.createTopic("t")
      var configuration = ProducerConfiguration(acks: .leader)
      configuration.linger = Self.never
      configuration.maxBlock = Self.never
      configuration.bufferMemory = 300
      let producer = try broker.broker.producer(configuration)
      let record = ProducerRecord(topic: "t", value: [UInt8](repeating: 1, count: 150))
      let first = try producer.enqueue(record)
      async let waiting = producer.send(record)
      async let blocked = withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try producer.enqueue(record) }) }.start()
      }
      let flusher = Task {
        while !Task.isCancelled {
          try? await producer.flush()
          await Task.yield()
        }
      }
      defer { flusher.cancel() }
      let offsets = [
        try await first.metadata.offset, try await waiting.offset, try await blocked.metadata.offset,
      ]
      #expect(offsets.sorted() == [0, 1, 2])
      try await producer.close()
    }
  }

  @Test(
    "members of a group may stay away for ever, static ones too", arguments: [GroupProtocol.classic, .consumer],
    [nil, "i"])
  func group(protocol groupProtocol: GroupProtocol, instance: String?) async throws {
    var broker = Self.brokerConfiguration()
    broker.groupInitialRebalanceDelay = .zero
    try await withTestBroker(configuration: broker, clock: TestClock()) { broker in
      try await broker.advance(by: .milliseconds(1))
      try broker.admin.createTopic("t")
      var configuration = ConsumerConfiguration()
      configuration.group = "g"
      configuration.groupProtocol = groupProtocol
      configuration.groupInstanceID = instance
      configuration.sessionTimeout = Self.never
      configuration.maxPollInterval = Self.never
      configuration.autoCommitInterval = Self.never
      configuration.defaultAPITimeout = Self.never
      configuration.autoOffsetReset = .earliest
      for round in 0..<3 {
        let consumer = try broker.broker.consumer(configuration)
        try consumer.subscribe(["t"])
        try await broker.produce("t", values: ["\(round)"])
        #expect(try await consumer.poll(timeout: .seconds(60)).map(\.valueString) == ["\(round)"])
        try await consumer.commit()
        var other = configuration
        other.groupInstanceID = instance.map { $0 + "2" }
        let second = try broker.broker.consumer(other)
        try second.subscribe(["t"])
        _ = try await second.poll(timeout: .zero)
        _ = try await consumer.poll(timeout: .zero)
        _ = try await second.poll(timeout: .zero)
        try await second.close()
        try await consumer.close()
        try broker.admin.removeMembers(from: "g")
      }
    }
  }

  @Test("a poll waits for its bytes for ever, and until it is over")
  func fetchMaxWait() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try await broker.advance(by: .milliseconds(1))
      try await broker.produce("t", values: ["a"])
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .earliest
      configuration.fetchMinBytes = 1000
      configuration.fetchMaxWait = Self.never
      let consumer = try broker.broker.consumer(configuration)
      try consumer.assign([TopicPartition("t", 0)])
      async let records = consumer.poll(timeout: .seconds(5))
      try await clock.untilTimer(in: .seconds(5))
      try await broker.advance(by: .seconds(5))
      #expect(try await records.map(\.valueString) == ["a"])
    }
  }

  @Test("a clock that is moved for ever stops before what never comes")
  func clock() async throws {
    let clock = TestClock()
    try await withTestBroker(configuration: Self.brokerConfiguration(), clock: clock) { broker in
      try await broker.produce("t", values: ["a"])
      let consumer = try broker.broker.consumer()
      try consumer.assign([TopicPartition("t", 0)])
      try await broker.advance(by: .milliseconds(1))
      let poll = Task { try await consumer.poll(timeout: Self.never) }
      try await clock.untilTimer(in: Self.never)
      try await broker.advance(by: Self.never)
      try await broker.advance(by: Self.never)
      consumer.wakeup()
      #expect(await code { _ = try await poll.value } == .wakeup)
    }
  }

  @Test("a transaction stays open for ever")
  func transaction() async throws {
    try await withTestBroker(configuration: Self.brokerConfiguration(), clock: TestClock()) { broker in
      try broker.admin.createTopic("t")
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "x"
      configuration.transactionTimeout = Self.never
      configuration.maxBlock = Self.never
      let producer = try broker.broker.producer(configuration)
      try await producer.initTransactions()
      for _ in 0..<2 {
        try producer.beginTransaction()
        try await producer.send("t", value: "a")
        try await broker.advance(by: .seconds(86_400 * 365))
        try await producer.commitTransaction()
      }
    }
  }

  @Test("a first rebalance can't be put off by less than nothing")
  func negative() throws {
    for delay in [Duration.milliseconds(-1), .seconds(Int64.min)] {
      var configuration = BrokerConfiguration()
      configuration.groupInitialRebalanceDelay = delay
      let error = #expect(throws: EventLogError.self) { try TestBroker(configuration: configuration).close() }
      #expect(error?.code == .invalidConfig)
    }
  }
}
