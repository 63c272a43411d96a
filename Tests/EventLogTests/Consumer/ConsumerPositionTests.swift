import EventLog
import EventLogTesting
import Synchronization
import Testing

@Suite("A consumer's position")
struct ConsumerPositionTests {
  private func broker(records: Int = 10, partitions: Int = 1) async throws -> TestBroker {
    let broker = try TestBroker()
    try broker.admin.createTopic("t", partitions: partitions)
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    for number in 0..<records {
      try await producer.send("t", partition: number % partitions, value: "\(number)", timestamp: Int64(number * 10))
    }
    return broker
  }

  private let t0 = TopicPartition("t", 0)

  @Test("is what was sought, found out by the reset policy, or an error where there is none")
  func resets() async throws {
    let broker = try await broker()
    for (reset, expected) in [(OffsetReset.earliest, Int64(0)), (.latest, 10)] {
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = reset
      let consumer = try broker.consumer(configuration)
      try consumer.assign([t0])
      #expect(try consumer.position(t0) == expected)
    }
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .none
    let consumer = try broker.consumer(configuration)
    try consumer.assign([t0])
    for _ in 0..<2 {
      let error = await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
      #expect(error?.code == .noOffsetForPartition)
    }
    try consumer.seek(t0, to: 11)
    let error = await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
    #expect(error?.code == .offsetOutOfRange)
    try consumer.seek(t0, to: 10)
    #expect(try await consumer.poll(timeout: .zero).isEmpty)
    #expect(throws: EventLogError.self) { try consumer.seek(t0, to: -1) }
    #expect(throws: EventLogError.self) { try consumer.seek(TopicPartition("t", 1), to: 0) }
    try broker.close()
  }

  @Test("moves by what a poll returned, and a poll returns no more than max.poll.records, also out of one batch")
  func maxPollRecords() async throws {
    let broker = try await broker(records: 0)
    try await broker.producer().send((0..<25).map { Record(value: "\($0)") }, to: "t")
    var configuration = ConsumerConfiguration()
    configuration.maxPollRecords = 10
    let consumer = try broker.consumer(configuration)
    try consumer.assign([t0])
    try consumer.seek(t0, to: 3)
    var seen: [Int64] = []
    for expected in [13, 23, 25] as [Int64] {
      seen += try await consumer.poll(timeout: .zero).map(\.offset)
      #expect(try consumer.position(t0) == expected)
    }
    #expect(seen == Array(3..<25))
    #expect(try consumer.lag(of: t0) == 0)
    try broker.close()
  }

  @Test("stays where it is while the partition is paused")
  func paused() async throws {
    let broker = try await broker(partitions: 2)
    let consumer = try broker.consumer()
    try consumer.assign([t0, TopicPartition("t", 1)])
    try consumer.seekToBeginning()
    try consumer.pause([t0])
    #expect(try await consumer.poll(timeout: .zero).partitions == [TopicPartition("t", 1)])
    #expect(try await consumer.poll(timeout: .zero).isEmpty)
    try consumer.resume([t0])
    #expect(try await consumer.poll(timeout: .zero).map(\.partition) == [0, 0, 0, 0, 0])
    try broker.close()
  }

  @Test("begins at the end as it was when the poll began, also where the poll then waits for fetch.min.bytes")
  func latestBeforeWaiting() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try await broker.produce("t", values: ["old"])
      var configuration = ConsumerConfiguration()
      configuration.fetchMinBytes = 100
      let consumer = try broker.consumer(configuration)
      try consumer.assign([t0])
      let poll = Task { try await consumer.poll(timeout: .seconds(1)) }
      try await broker.untilWaiting(consumer)
      try await broker.produce("t", values: [String(repeating: "x", count: 1000)])
      try await broker.advance(by: .seconds(2))
      #expect(try await poll.value.map(\.offset) == [1])
    }
  }

  @Test("begins at the end as it was at the first poll, also where the partition was paused then")
  func latestWhilePaused() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["old"])
      let consumer = try broker.consumer()
      try consumer.assign([t0])
      try consumer.pause([t0])
      #expect(try await consumer.poll(timeout: .zero).isEmpty)
      try await broker.produce("t", values: ["a"])
      try consumer.resume([t0])
      #expect(try await consumer.poll(timeout: .zero).map(\.offset) == [1])
      try consumer.pause([t0])
      try consumer.seekToEnd([t0])
      #expect(try await consumer.poll(timeout: .zero).isEmpty)
      try await broker.produce("t", values: ["b"])
      try consumer.resume([t0])
      #expect(try await consumer.poll(timeout: .zero).map(\.offset) == [2])
    }
  }

  @Test("begins at the end as it was at the first poll, also where that was full before the partition's turn came")
  func latestBehindOthers() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 2)
      let t1 = TopicPartition("t", 1)
      try await broker.produce("t", values: ["a", "b"], partition: 0)
      var configuration = ConsumerConfiguration()
      configuration.maxPollRecords = 1
      let consumer = try broker.consumer(configuration)
      try consumer.assign([t0, t1])
      try consumer.seekToBeginning([t0])
      #expect(try await consumer.poll(timeout: .zero).partitions == [t0])
      try await broker.produce("t", values: ["new"], partition: 1)
      #expect(try await consumer.poll(timeout: .zero).map(\.valueString) == ["new"])
    }
  }

  @Test("stands behind what is not shown after the last record: a transaction's marker, and what was aborted")
  func behindMarkers() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let producer = try await broker.transactionalProducer("x")
      try producer.beginTransaction()
      try await producer.send((0..<5).map { Record(value: "\($0)") }, to: "t")
      try await producer.commitTransaction()
      // The marker comes when the call has returned, maybe.
      try await broker.settle()
      for maxPollRecords in [2, 5, 500] {
        var configuration = ConsumerConfiguration()
        configuration.autoOffsetReset = .earliest
        configuration.maxPollRecords = maxPollRecords
        configuration.group = "g\(maxPollRecords)"
        configuration.enableAutoCommit = false
        let consumer = try broker.consumer(configuration)
        try consumer.assign([t0])
        var read = 0
        while read < 5 {
          read += try await consumer.poll(timeout: .zero).count
          #expect(try consumer.position(t0) == (read < 5 ? Int64(read) : 6))
        }
        try await consumer.commit()
        try broker.expectCommitted(by: "g\(maxPollRecords)", [t0: 6])
      }
      try producer.beginTransaction()
      try await producer.send("t", value: "aborted")
      try await producer.abortTransaction()
      try await broker.settle()
      var configuration = ConsumerConfiguration()
      configuration.isolation = .readCommitted
      let consumer = try broker.consumer(configuration)
      try consumer.assign([t0])
      try consumer.seek(t0, to: 4)
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      #expect(try consumer.lag(of: t0) == 0)
    }
  }

  @Test("stands at a damaged batch, and not behind it, where it follows what a poll returned")
  func beforeDamage() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      for value in ["a", "b", "c"] { try await broker.produce("t", values: [value, value]) }
      try broker.corrupt("t", offset: 4)
      for maxPollRecords in [1, 3, 500] {
        var configuration = ConsumerConfiguration()
        configuration.maxPollRecords = maxPollRecords
        let consumer = try broker.consumer(configuration)
        try consumer.assign([t0])
        try consumer.seekToBeginning([t0])
        var read: Int64 = 0
        while read < 4 {
          read += Int64(try await consumer.poll(timeout: .zero).count)
          #expect(try consumer.position(t0) == read)
        }
        #expect(await code { _ = try await consumer.poll(timeout: .zero) } == .corruptMessage)
        #expect(try consumer.position(t0) == 4)
      }
    }
  }

  @Test("can be asked for by time: of read_committed only what it may read")
  func byTimeOfTransactions() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      try await broker.producer().send("t", value: "a", timestamp: 10)
      let producer = try await broker.transactionalProducer("x")
      try producer.beginTransaction()
      try await producer.send("t", value: "b", timestamp: 20)
      // Within a transaction a send does not wait for the disk; this one does.
      try await broker.produce("t", values: ["c"])
      for (isolation, offset) in [(Isolation.readCommitted, nil), (.readUncommitted, Int64(1))] {
        var configuration = ConsumerConfiguration()
        configuration.isolation = isolation
        let consumer = try broker.consumer(configuration)
        #expect(try consumer.offsetsForTimes([t0: 5])[t0]??.offset == 0)
        #expect(try consumer.offsetsForTimes([t0: 15])[t0]??.offset == offset)
      }
      try await producer.commitTransaction()
    }
  }

  @Test("can be asked for by time")
  func byTime() async throws {
    let broker = try await broker()
    let consumer = try broker.consumer()
    #expect(
      try consumer.offsetsForTimes([t0: 35]) == [t0: OffsetAndTimestamp(offset: 4, timestamp: 40, leaderEpoch: 0)])
    #expect(try consumer.offsetsForTimes([t0: 91]) == [t0: nil])
    #expect(throws: EventLogError.self) { try consumer.offsetsForTimes([t0: -1]) }
    #expect(try consumer.beginningOffsets([t0]) == [t0: 0])
    #expect(try consumer.endOffsets([t0]) == [t0: 10])
    try broker.close()
  }

  @Test("is waited for: a poll ends when a record comes, when it is woken, and when its task is cancelled")
  func waits() async throws {
    let broker = try await broker(records: 0)
    let consumer = try broker.consumer()
    try consumer.assign([t0])
    try consumer.seekToBeginning()
    let waiting = Task { try await consumer.poll(timeout: .seconds(600)) }
    try await broker.producer().send("t", value: "x")
    #expect(try await waiting.value.count == 1)
    consumer.wakeup()
    let woken = await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .seconds(600)) }
    #expect(woken?.code == .wakeup)
    let cancelled = Task { try await consumer.poll(timeout: .seconds(600)) }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    try await consumer.close()
    try await consumer.close()
    await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
    try broker.close()
  }
}

@Suite("A rebalance listener")
struct RebalanceListenerTests {
  private final class Log: RebalanceListener {
    let events = Mutex<[String]>([])

    func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
      // Still its own: a commit is allowed here.
      #expect(consumer.assignment.isSuperset(of: partitions))
      try await consumer.commit(Dictionary(uniqueKeysWithValues: partitions.map { ($0, OffsetAndMetadata(7)) }))
      events.withLock { $0.append("revoked \(partitions.map(\.partition))") }
    }

    func partitionsAssigned(_ partitions: [TopicPartition], to consumer: Consumer) async throws {
      #expect(consumer.assignment.isSuperset(of: partitions))
      events.withLock { $0.append("assigned \(partitions.map(\.partition))") }
    }
  }

  private func run(_ assignors: [GroupAssignor]) async throws -> ([String], TestBroker) {
    let broker = try TestBroker(clock: TestClock())
    try broker.admin.createTopic("t", partitions: 4)
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.assignors = assignors
    let log = Log()
    let first = try broker.consumer(configuration)
    try first.subscribe(["t"], listener: log)
    let second = try broker.consumer(configuration)
    try second.subscribe(["t"])
    _ = try await first.poll(timeout: .zero)
    for _ in 0..<4 {
      _ = try await second.poll(timeout: .zero)
      _ = try await first.poll(timeout: .zero)
    }
    #expect(first.assignment.count == 2)
    #expect(second.assignment.count == 2)
    #expect(first.assignment.isDisjoint(with: second.assignment))
    return (log.events.withLock { $0 }, broker)
  }

  @Test("is told of everything with an eager assignor: all is given up, and then comes what the group gives")
  func eager() async throws {
    let (events, broker) = try await run([.range])
    #expect(events == ["assigned [0, 1, 2, 3]", "revoked [0, 1, 2, 3]", "assigned [0, 1]"])
    #expect(try broker.admin.listConsumerGroupOffsets("g").count == 4)
    try broker.close()
  }

  @Test("is told only of what moves with the cooperative one")
  func cooperative() async throws {
    let (events, broker) = try await run([.cooperativeSticky])
    #expect(events.prefix(2) == ["assigned [0, 1, 2, 3]", "revoked [2, 3]"])
    #expect(events.dropFirst(2).allSatisfy { $0 == "assigned []" })
    try broker.close()
  }
}
