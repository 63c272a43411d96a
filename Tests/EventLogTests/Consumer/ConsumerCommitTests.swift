import EventLog
import EventLogTesting
import Synchronization
import Testing

@Suite("Commits")
struct ConsumerCommitTests {
  private let t0 = TopicPartition("t", 0)

  private func consumer(
    _ broker: TestBroker, autoCommit: Bool = false, _ change: (inout ConsumerConfiguration) -> Void = { _ in }
  ) throws -> Consumer {
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.autoOffsetReset = .earliest
    configuration.enableAutoCommit = autoCommit
    change(&configuration)
    let consumer = try broker.consumer(configuration)
    try consumer.subscribe(["t"])
    return consumer
  }

  @Test("happen by themselves in the poll after auto.commit.interval.ms, with what polls before returned, and on close")
  func automatic() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try await broker.produce("t", values: ["a", "b", "c", "d"])
      let consumer = try consumer(broker, autoCommit: true) { $0.maxPollRecords = 1 }
      for _ in 0..<2 { #expect(try await consumer.poll(timeout: .zero).count == 1) }
      try await broker.advance(by: .milliseconds(4999))
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      try broker.expectCommitted(by: "g", [:])
      try await broker.advance(by: .milliseconds(1))
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      try await broker.settle()
      try broker.expectCommitted(by: "g", [t0: 3])
      try await consumer.close()
      try broker.expectCommitted(by: "g", [t0: 4])
    }
  }

  @Test("happen by themselves within a poll that waits, and then no more: who has nothing to commit has no timer")
  func automaticWhileWaiting() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try await broker.produce("t", values: ["a"])
      let commits = Atomic(0)
      struct Counter: ConsumerInterceptor {
        let count: @Sendable () -> Void
        func onCommit(_ offsets: [TopicPartition: OffsetAndMetadata]) { count() }
      }
      let consumer = try consumer(broker, autoCommit: true) {
        $0.interceptors = [Counter { commits.add(1, ordering: .relaxed) }]
      }
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      let poll = Task { try await consumer.poll(timeout: .seconds(3600)) }
      try await clock.untilTimer(in: .seconds(5))
      // Three times as long as the interval, and there is one commit.
      for _ in 0..<3 {
        try await broker.advance(by: .seconds(5))
        try await broker.untilWaiting(consumer)
        try await broker.settle()
        try await broker.untilWaiting(consumer)
      }
      try broker.expectCommitted(by: "g", [t0: 1])
      #expect(commits.load(ordering: .relaxed) == 1)
      consumer.wakeup()
      _ = try? await poll.value
    }
  }

  @Test("happen by themselves for what a poll passed over too: a transaction's marker leaves no lag")
  func automaticBehindMarkers() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("t")
      let producer = try await broker.transactionalProducer("x")
      let consumer = try consumer(broker, autoCommit: true)
      for round in 1...2 as ClosedRange<Int64> {
        try producer.beginTransaction()
        try await producer.send("t", value: "a")
        try await producer.commitTransaction()
        // The marker comes when the call has returned, maybe.
        try await broker.settle()
        #expect(try await consumer.poll(timeout: .zero).count == 1)
        try await broker.advance(by: .seconds(5))
        #expect(try await consumer.poll(timeout: .zero).isEmpty)
        try await broker.settle()
        try broker.expectCommitted(by: "g", [t0: 2 * round])
      }
      try producer.beginTransaction()
      try await producer.send("t", value: "a")
      try await producer.abortTransaction()
      try await broker.settle()
      _ = try await consumer.poll(timeout: .zero)
      _ = try await consumer.poll(timeout: .zero)
      try await consumer.close()
      try broker.expectCommitted(by: "g", [t0: 6])
    }
  }

  @Test("happen by themselves before a rebalance takes partitions away")
  func automaticBeforeRebalance() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a", "b"])
      let consumer = try consumer(broker, autoCommit: true)
      #expect(try await consumer.poll(timeout: .zero).count == 2)
      try broker.rebalance(group: "g")
      #expect(try await consumer.poll(timeout: .zero).isEmpty)
      try broker.expectCommitted(by: "g", [t0: 2])
    }
  }

  @Test("carry metadata and leader epoch, in any direction, also for partitions that the consumer does not have")
  func anyOffset() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("u", partitions: 2)
      try await broker.produce("t", values: ["a", "b"])
      let consumer = try consumer(broker)
      #expect(try await consumer.poll(timeout: .zero).count == 2)
      try await consumer.commit()
      #expect(try consumer.committed([t0])[t0] == OffsetAndMetadata(2, leaderEpoch: 0))
      let chosen = [
        t0: OffsetAndMetadata(1, leaderEpoch: 7, metadata: "here"), TopicPartition("u", 1): OffsetAndMetadata(900),
      ]
      try await consumer.commit(chosen)
      #expect(try consumer.committed([t0, TopicPartition("u", 1), TopicPartition("u", 0)]) == chosen)
    }
  }

  @Test("that nobody waits for are told in the order of the calls, in the next poll, a failed one in its place")
  func asynchronous() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a"])
      let consumer = try consumer(broker)
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      let told = Mutex<[String]>([])
      for number in 0..<20 {
        let topic = number == 10 ? "missing" : "t"
        try consumer.commitAsync([TopicPartition(topic, 0): OffsetAndMetadata(Int64(number))]) { error in
          told.withLock { $0.append(error.map { ($0 as? EventLogError)?.code.name ?? "?" } ?? "\(number)") }
        }
      }
      try await broker.settle()
      _ = try await consumer.poll(timeout: .zero)
      #expect(
        told.withLock { $0 } == (0..<20).map { $0 == 10 ? "UNKNOWN_TOPIC_OR_PARTITION" : "\($0)" })
      try broker.expectCommitted(by: "g", [t0: 19])
      // A commit that is waited for comes after them, and tells of them.
      try consumer.commitAsync { error in told.withLock { $0.append(error == nil ? "done" : "failed") } }
      try await consumer.commit()
      #expect(told.withLock { $0.last } == "done")
      // Those under way are waited for by close.
      try consumer.commitAsync { error in told.withLock { $0.append(error == nil ? "last" : "failed") } }
      try await consumer.close()
      #expect(told.withLock { $0.last } == "last")
    }
  }

  @Test("of a member that was put out of its group fail, whichever way they are made; nothing is tried again")
  func evicted() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a"])
      let consumer = try consumer(broker)
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      try broker.evict(consumer)
      let outcome = Mutex<EventLogError.Code?>(nil)
      try consumer.commitAsync { error in outcome.withLock { $0 = (error as? EventLogError)?.code } }
      let error = await #expect(throws: EventLogError.self) { try await consumer.commit() }
      #expect(error?.code == .commitFailed)
      _ = try await consumer.poll(timeout: .zero)
      #expect(outcome.withLock { $0 } == .commitFailed)
      try broker.expectCommitted(by: "g", [:])
    }
  }

  @Test("are kept for offsets.retention.minutes after the group became empty, and not a moment less")
  func retention() async throws {
    var configuration = BrokerConfiguration()
    configuration.offsetsRetention = .seconds(3600)
    configuration.offsetsRetentionCheckInterval = .seconds(60)
    let clock = TestClock()
    try await withTestBroker(configuration: configuration, clock: clock) { broker in
      try await broker.produce("t", values: ["a"])
      try broker.admin.createTopic("u")
      let consumer = try consumer(broker)
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      try await consumer.commit([t0: OffsetAndMetadata(1), TopicPartition("u", 0): OffsetAndMetadata(0)])
      // While there are members, what they read is kept, and what they do not read is not.
      for _ in 0..<13 {
        try await broker.advance(by: .seconds(290))
        _ = try await consumer.poll(timeout: .zero)
      }
      try broker.expectCommitted(by: "g", [t0: 1])
      try await consumer.close()
      try await broker.advance(by: .seconds(3539))
      try broker.expectCommitted(by: "g", [t0: 1])
      try await broker.advance(by: .seconds(121))
      #expect(throws: EventLogError.self) { try broker.admin.describeGroup("g") }
      #expect(try broker.admin.listGroups().isEmpty)
    }
  }

  @Test("of a consumer that assigned its partitions are kept after the last commit")
  func retentionOfAssigned() async throws {
    var configuration = BrokerConfiguration()
    configuration.offsetsRetention = .seconds(3600)
    configuration.offsetsRetentionCheckInterval = .seconds(60)
    let clock = TestClock()
    try await withTestBroker(configuration: configuration, clock: clock) { broker in
      try await broker.produce("t", values: ["a"])
      var settings = ConsumerConfiguration()
      settings.group = "alone"
      settings.enableAutoCommit = false
      let consumer = try broker.consumer(settings)
      try consumer.assign([t0])
      try await consumer.commit([t0: OffsetAndMetadata(1)])
      try await broker.advance(by: .seconds(3000))
      try await consumer.commit([t0: OffsetAndMetadata(1)])
      try await broker.advance(by: .seconds(3000))
      try broker.expectCommitted(by: "alone", [t0: 1])
      try await broker.advance(by: .seconds(700))
      #expect(try consumer.committed([t0]).isEmpty)
    }
  }

  private struct Rebalances: RebalanceListener {
    let told: AsyncStream<String>.Continuation
    func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
      told.yield("revoked")
    }
    func partitionsAssigned(_ partitions: [TopicPartition], to consumer: Consumer) async throws {
      told.yield("assigned")
    }
  }

  @Test("that nobody waits for are on the disk before their partitions go to somebody else")
  func beforeRevocation() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t")
      // With acks=1, so that the commit has to wait for the log's sync.
      try await broker.producer(ProducerConfiguration(acks: .leader)).send("t", value: "a")
      var configuration = ConsumerConfiguration()
      configuration.group = "g"
      configuration.autoOffsetReset = .earliest
      configuration.enableAutoCommit = false
      configuration.assignors = [.range]
      let consumer = try broker.consumer(configuration)
      let (events, told) = AsyncStream<String>.makeStream()
      var next = events.makeAsyncIterator()
      try consumer.subscribe(["t"], listener: Rebalances(told: told))
      #expect(try await consumer.poll(timeout: .seconds(60)).count == 1)
      #expect(await next.next() == "assigned")

      let gate = broker.faults.hold(.sync)
      try consumer.commitAsync()
      try await gate.reached()
      try consumer.enforceRebalance()
      let poll = Task { try await consumer.poll(timeout: .zero).count }
      #expect(await next.next() == "revoked")
      for _ in 0..<1000 { await Task.yield() }
      told.yield("the disk answers")
      gate.open()
      _ = try await poll.value
      #expect(await next.next() == "the disk answers")
      #expect(await next.next() == "assigned")
      try broker.expectCommitted(by: "g", [t0: 1])
      try await consumer.close()
    }
  }

  @Test("are waited for where the task is cancelled that closes the consumer: its partitions go to nobody before")
  func cancelledClose() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t")
      // With acks=1, so that the commit has to wait for the log's sync.
      try await broker.producer(ProducerConfiguration(acks: .leader)).send("t", value: "a")
      let consumer = try consumer(broker, autoCommit: true)
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      let gate = broker.faults.hold(.sync)
      let closing = Task { try await consumer.close() }
      try await gate.reached()
      closing.cancel()
      for _ in 0..<1000 { await Task.yield() }
      #expect(try broker.admin.describeGroup("g").members.count == 1)
      gate.open()
      try await closing.value
      try broker.expectCommitted(by: "g", [t0: 1])
      #expect(try broker.admin.describeGroup("g").members.isEmpty)
    }
  }

  @Test("are waited for where the task of a poll is cancelled that gives partitions up")
  func cancelledRebalance() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t")
      try await broker.producer(ProducerConfiguration(acks: .leader)).send("t", value: "a")
      let (events, told) = AsyncStream<String>.makeStream()
      var next = events.makeAsyncIterator()
      let consumer = try consumer(broker, autoCommit: true)
      try consumer.subscribe(["t"], listener: Rebalances(told: told))
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      #expect(await next.next() == "assigned")
      let gate = broker.faults.hold(.sync)
      try consumer.enforceRebalance()
      let poll = Task { try await consumer.poll(timeout: .zero).count }
      try await gate.reached()
      poll.cancel()
      for _ in 0..<1000 { await Task.yield() }
      told.yield("the disk answers")
      gate.open()
      _ = try? await poll.value
      #expect(await next.next() == "the disk answers")
      #expect(await next.next() == "revoked")
      try broker.expectCommitted(by: "g", [t0: 1])
    }
  }

  @Test("that a transaction is about to change are not told to a consumer of read_committed")
  func heldByTransaction() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a", "b"])
      try broker.admin.createTopic("u")
      let u0 = TopicPartition("u", 0)
      try broker.admin.alterConsumerGroupOffsets("g", [t0: OffsetAndMetadata(1), u0: OffsetAndMetadata(7)])
      let producer = try await broker.transactionalProducer("x")
      try producer.beginTransaction()
      try producer.sendOffsets([t0: OffsetAndMetadata(2)], to: ConsumerGroupMetadata(group: "g"))
      let careful = try consumer(broker) { $0.isolation = .readCommitted }
      let other = try consumer(broker)
      #expect(await code { _ = try careful.committed([t0, u0]) } == .unstableOffsetCommit)
      #expect(try careful.committed([u0]) == [u0: OffsetAndMetadata(7)])
      #expect(try other.committed([t0]) == [t0: OffsetAndMetadata(1)])
      try await producer.commitTransaction()
      try await broker.settle()
      #expect(try careful.committed([t0, u0]) == [t0: OffsetAndMetadata(2), u0: OffsetAndMetadata(7)])
    }
  }
}
