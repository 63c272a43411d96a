import EventLog
import EventLogTesting
import Testing

@Suite("A test clock")
struct TestClockTests {
  @Test("gives records their time, and moves only when it is told to")
  func timestamps() async throws {
    let clock = TestClock(startingAt: 5000)
    try await withTestBroker(clock: clock) { broker in
      try await broker.produce("t", values: ["a"])
      clock.advance(by: .seconds(2))
      clock.advance(by: .seconds(-7))
      try await broker.produce("t", values: ["b"])
      clock.setTimeOfDay(to: 1)
      try await broker.produce("t", values: ["c"])
      try await broker.expectRecords(
        in: "t",
        [.init(value: "a", timestamp: 5000), .init(value: "b", timestamp: 7000), .init(value: "c", timestamp: 1)])
      #expect(clock.now == 1)
      #expect(clock.elapsed == .seconds(2))
    }
  }

  @Test("drives linger.ms: a batch goes when its time has come, and is acknowledged when advance returns")
  func linger() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t")
      var configuration = ProducerConfiguration()
      configuration.linger = .milliseconds(5)
      configuration.batchSize = 100_000
      let producer = try broker.producer(configuration)
      let deliveries = try ["a", "b"].map { try producer.enqueue(ProducerRecord(topic: "t", value: $0)) }
      try await broker.advance(by: .milliseconds(4))
      #expect(deliveries.allSatisfy { $0.result == nil })
      try await broker.expectRecords(in: "t", [])
      try await broker.advance(by: .milliseconds(1))
      #expect(deliveries.map { try? $0.result?.get().offset } == [0, 1])
      try await broker.expectRecords(in: "t", ["a", "b"])
    }
  }

  @Test("lets a test wait for a sender that lingers in a task of its own")
  func untilTimer() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("t")
      var configuration = ProducerConfiguration()
      configuration.linger = .milliseconds(50)
      let producer = try broker.producer(configuration)
      async let sent = producer.send("t", value: "x")
      try await clock.untilTimer(in: .milliseconds(50))
      try await broker.advance(by: .milliseconds(50))
      #expect(try await sent.offset == 0)
    }
  }

  @Test("drives the timeouts of polls")
  func pollTimeout() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t")
      let consumer = try broker.consumer()
      try consumer.assign([TopicPartition("t", 0)])
      for _ in 0..<20 {
        let poll = Task { try await consumer.poll(timeout: .seconds(300)) }
        try await broker.untilWaiting(consumer)
        try await broker.advance(by: .seconds(300))
        #expect(try await poll.value.isEmpty)
      }
    }
  }

  @Test("drives max.poll.interval.ms: who stays away is out of the group, and the others have its partitions")
  func pollInterval() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t", partitions: 2)
      var configuration = ConsumerConfiguration()
      configuration.maxPollInterval = .seconds(60)
      let away = try broker.consumer(group: "g", topics: ["t"], configuration)
      let alive = try broker.consumer(group: "g", topics: ["t"], configuration)
      for _ in 0..<3 {
        _ = try await away.poll(timeout: .zero)
        _ = try await alive.poll(timeout: .zero)
      }
      #expect(away.assignment.count == 1)
      try await broker.advance(by: .seconds(40))
      _ = try await alive.poll(timeout: .zero)
      try await broker.advance(by: .seconds(30))
      for _ in 0..<2 { _ = try await alive.poll(timeout: .zero) }
      #expect(alive.assignment.count == 2)
    }
  }

  @Test("drives max.block.ms, for tasks and for threads")
  func maxBlock() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("t")
      var configuration = ProducerConfiguration()
      configuration.linger = .seconds(3600)
      configuration.bufferMemory = 1000
      configuration.maxBlock = .seconds(30)
      let producer = try broker.producer(configuration)
      let record = ProducerRecord(topic: "t", value: String(repeating: "x", count: 500))
      _ = try producer.enqueue(record)
      let task = Task { try await producer.send(record) }
      try await clock.untilTimer(in: .seconds(30))
      try await broker.advance(by: .seconds(30))
      let error = await #expect(throws: EventLogError.self) { try await task.value }
      #expect(error?.code == .bufferExhausted)
    }
  }

  @Test("steps from timer to timer, so that what comes in between finds its own time")
  func steps() async throws {
    try await withTestBroker(clock: TestClock(startingAt: 0)) { broker in
      try broker.admin.createTopic("t", configs: ["message.timestamp.type": "LogAppendTime"])
      for (milliseconds, value) in [(30, "third"), (10, "first"), (20, "second")] {
        var configuration = ProducerConfiguration()
        configuration.linger = .milliseconds(milliseconds)
        _ = try broker.producer(configuration).enqueue(ProducerRecord(topic: "t", value: value))
      }
      try await broker.advance(by: .seconds(7 * 86_400))
      try await broker.expectRecords(
        in: "t",
        [
          .init(value: "first", timestamp: 10), .init(value: "second", timestamp: 20),
          .init(value: "third", timestamp: 30),
        ])
    }
  }

  @Test("is needed to advance")
  func withoutClock() async throws {
    try await withTestBroker { broker in
      await #expect(throws: EventLogError.self) { try await broker.advance(by: .seconds(1)) }
    }
  }
}
