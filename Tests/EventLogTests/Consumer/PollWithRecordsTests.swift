import EventLog
import EventLogTesting
import Testing

/// A poll that finds records does all that one does that finds none.
@Suite("A poll that finds records")
struct PollWithRecordsTests {
  private func consumer(
    _ broker: TestBroker, _ groupProtocol: GroupProtocol, autoCommit: Bool = false
  ) throws -> Consumer {
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.autoOffsetReset = .earliest
    configuration.enableAutoCommit = autoCommit
    configuration.groupProtocol = groupProtocol
    configuration.maxPollRecords = 1
    let consumer = try broker.consumer(configuration)
    try consumer.subscribe(["t"])
    return consumer
  }

  private func withRecords(_ body: (TestBroker, TestClock) async throws -> Void) async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("t", partitions: 2)
      for partition in 0..<2 {
        try await broker.produce("t", values: (0..<50).map { "\($0)" }, partition: partition)
      }
      try await body(broker, clock)
    }
  }

  @Test("is a sign of life", arguments: [GroupProtocol.classic, .consumer])
  func heartbeat(groupProtocol: GroupProtocol) async throws {
    try await withRecords { broker, _ in
      let consumer = try consumer(broker, groupProtocol)
      for _ in 0..<20 {
        #expect(try await consumer.poll(timeout: .zero).count == 1)
        try await broker.advance(by: .seconds(200))
        #expect(try broker.admin.describeGroup("g").members.count == 1)
      }
      try await consumer.commit()
    }
  }

  @Test("takes part in a rebalance", arguments: [GroupProtocol.classic, .consumer])
  func rebalance(groupProtocol: GroupProtocol) async throws {
    try await withRecords { broker, _ in
      let first = try consumer(broker, groupProtocol)
      for _ in 0..<4 { #expect(try await first.poll(timeout: .zero).count == 1) }
      let second = try consumer(broker, groupProtocol)
      for _ in 0..<5 { for consumer in [second, first] { _ = try await consumer.poll(timeout: .zero) } }
      #expect(first.assignment.count == 1 && second.assignment.count == 1)
      #expect(first.assignment != second.assignment)
    }
  }

  @Test("finds out that the member was put out of its group")
  func eviction() async throws {
    try await withRecords { broker, _ in
      let consumer = try consumer(broker, .classic)
      _ = try await consumer.poll(timeout: .zero)
      let before = consumer.memberID
      try broker.evict(consumer)
      _ = try await consumer.poll(timeout: .zero)
      #expect(consumer.memberID != nil && consumer.memberID != before)
    }
  }

  @Test("commits by itself when that is due, what earlier polls returned")
  func autoCommit() async throws {
    try await withRecords { broker, _ in
      let consumer = try consumer(broker, .classic, autoCommit: true)
      for _ in 0..<4 { #expect(try await consumer.poll(timeout: .zero).count == 1) }
      try await broker.advance(by: .seconds(5))
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      try await broker.settle()
      try broker.expectCommitted(by: "g", [TopicPartition("t", 0): 2, TopicPartition("t", 1): 2])
    }
  }

  @Test("tells of the commits that are done, is woken, is cancelled, and is refused to a closed consumer")
  func theRest() async throws {
    try await withRecords { broker, _ in
      let consumer = try consumer(broker, .classic)
      _ = try await consumer.poll(timeout: .zero)
      try await confirmation { told in
        try consumer.commitAsync { _ in told() }
        try await broker.settle()
        #expect(try await consumer.poll(timeout: .zero).count == 1)
      }
      consumer.wakeup()
      let woken = await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
      #expect(woken?.code == .wakeup)
      let cancelled = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        return try await consumer.poll(timeout: .zero)
      }
      await #expect(throws: CancellationError.self) { try await cancelled.value }
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      try await consumer.close()
      let closed = await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
      #expect(closed?.code == .illegalState)
    }
  }
}
