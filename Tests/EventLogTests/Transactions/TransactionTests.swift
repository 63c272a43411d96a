import EventLog
import EventLogTesting
import MetadataStore
import RecordFormat
import Testing

extension TestBroker {
  /// A producer with a `transactional.id` that is ready to begin.
  func transactionalProducer(_ id: String, timeout: Duration = .seconds(60)) async throws -> Producer {
    var configuration = ProducerConfiguration()
    configuration.transactionalID = id
    configuration.transactionTimeout = timeout
    let producer = try producer(configuration)
    try await producer.initTransactions()
    return producer
  }

  func values(_ topic: String, _ isolation: Isolation) async throws -> [String] {
    try await drain(topic, isolation: isolation).map { $0.valueString ?? "" }
  }

  func committed(_ group: String) -> [TopicPartition: Int64] {
    ((try? admin.listConsumerGroupOffsets(group)) ?? [:]).mapValues(\.offset)
  }
}

@Suite("A transaction")
struct TransactionTests {
  private static let outsider = ConsumerGroupMetadata(group: "g")

  @Test("is seen as a whole once it is committed, with its offsets, and never where it is aborted")
  func endings() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a", partitions: 2)
      try broker.admin.createTopic("b")
      let a0 = TopicPartition("a", 0)
      let producer = try await broker.transactionalProducer("t")
      try producer.beginTransaction()
      try await producer.send(ProducerRecord(topic: "a", partition: 0, value: "1"))
      try await producer.send(ProducerRecord(topic: "a", partition: 1, value: "2"))
      try await producer.send(ProducerRecord(topic: "b", value: "3"))
      try producer.sendOffsets([a0: OffsetAndMetadata(1, metadata: "m")], to: Self.outsider)
      try await producer.flush()
      #expect(try await broker.values("a", .readUncommitted) == ["1", "2"])
      #expect(try await broker.values("a", .readCommitted) == [])
      #expect(broker.committed("g").isEmpty)
      try await producer.commitTransaction()
      #expect(try await broker.values("a", .readCommitted) == ["1", "2"])
      #expect(try await broker.values("b", .readCommitted) == ["3"])
      #expect(broker.committed("g") == [a0: 1])

      try producer.beginTransaction()
      try await producer.send(ProducerRecord(topic: "b", value: "4"))
      try producer.sendOffsets([a0: OffsetAndMetadata(0)], to: Self.outsider)
      try await producer.abortTransaction()
      try producer.beginTransaction()
      try await producer.send(ProducerRecord(topic: "b", value: "5"))
      try await producer.commitTransaction()
      #expect(try await broker.values("b", .readCommitted) == ["3", "5"])
      #expect(try await broker.values("b", .readUncommitted) == ["3", "4", "5"])
      #expect(broker.committed("g") == [a0: 1])
      #expect(try broker.admin.listTransactions().map(\.state) == [.completeCommit])
    }
  }

  @Test("can be led by callers without Swift concurrency, appends of every kind included")
  func synchronous() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      let partition = TopicPartition("a", 0)
      try synchronously(broker.broker, partition)
      #expect(try await broker.values("a", .readCommitted) == ["1", "2", "3", "4"])
    }
  }

  private func synchronously(_ broker: Broker, _ partition: TopicPartition) throws {
    var configuration = ProducerConfiguration()
    configuration.transactionalID = "t"
    let producer = try broker.producer(configuration)
    try producer.initTransactions()
    for ending in [true, false] {
      try producer.beginTransaction()
      try producer.append(ProducerRecord(topic: "a", value: ending ? "1" : "no"))
      let bytes = Array((ending ? "2" : "no").utf8)
      try producer.append(to: partition, value: bytes.span.bytes)
      try producer.append([Record(value: ending ? "3" : "no")], to: partition)
      try producer.append([Record(value: ending ? "4" : "no")], to: "a")
      if ending { try producer.commitTransaction() } else { try producer.abortTransaction() }
    }
  }

  @Test("waits for nothing while it is filled: no sync is made before the commit")
  func syncs() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("a", partitions: 4)
      let producer = try await broker.transactionalProducer("t")
      func transaction() async throws {
        try producer.beginTransaction()
        for number in 0..<100 {
          try await producer.send(ProducerRecord(topic: "a", partition: number % 4, value: "\(number)"))
        }
      }
      try await transaction()
      let before = broker.faults.count(of: .sync)
      try await producer.commitTransaction()
      try await transaction()
      #expect(broker.faults.count(of: .sync) - before == 4, "one for each partition, and none for the markers")
      try await producer.commitTransaction()
      #expect(broker.faults.count(of: .sync) - before == 8)
    }
  }

  @Test("is kept in Kafka's order of calls")
  func order() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "t"
      let producer = try broker.producer(configuration)
      let record = ProducerRecord(topic: "a", value: "x")
      #expect(await code { try producer.beginTransaction() } == .illegalState)
      #expect(await code { try await producer.send(record) } == .illegalState)
      #expect(await code { try await producer.commitTransaction() } == .illegalState)
      try await producer.initTransactions()
      #expect(await code { try await producer.initTransactions() } == .illegalState)
      #expect(await code { try await producer.send(record) } == .illegalState)
      #expect(await code { try await producer.abortTransaction() } == .illegalState)
      #expect(
        await code { try producer.sendOffsets([TopicPartition("a", 0): .init(0)], to: Self.outsider) } == .illegalState)
      try producer.beginTransaction()
      #expect(await code { try producer.beginTransaction() } == .illegalState)
      try await producer.commitTransaction()
      #expect(await code { try await producer.commitTransaction() } == .illegalState)
      let plain = try broker.producer()
      #expect(await code { try await plain.initTransactions() } == .illegalState)
      #expect(await code { try plain.beginTransaction() } == .illegalState)
      #expect(try broker.admin.describeTransaction("t").state == .empty, "what is empty was never begun")
      try await producer.close()
      #expect(await code { try producer.beginTransaction() } == .illegalState)
    }
  }

  @Test("can only be aborted where something could not be sent")
  func abortOnly() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a", configs: ["max.message.bytes": "1000"])
      let producer = try await broker.transactionalProducer("t")
      let tooLarge = ProducerRecord(topic: "a", value: String(repeating: "x", count: 2000))
      let unknown = ProducerRecord(topic: "nowhere", value: "x")
      for (record, expected) in [(tooLarge, EventLogError.Code.messageTooLarge), (unknown, .unknownTopicOrPartition)] {
        try producer.beginTransaction()
        try await producer.send(ProducerRecord(topic: "a", value: "before"))
        #expect(await code { try await producer.send(record) } == expected)
        #expect(await code { try await producer.send("a", value: "after") } == .transactionAbortable)
        #expect(await code { try await producer.commitTransaction() } == .transactionAbortable)
        try await producer.abortTransaction()
      }
      try await producer.withTransaction { try await $0.send("a", value: "good") }
      #expect(try await broker.values("a", .readCommitted) == ["good"])
    }
  }

  @Test("takes lingering records with it, or gives them up")
  func linger() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("a")
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "t"
      configuration.linger = .seconds(10)
      let producer = try broker.producer(configuration)
      try await producer.initTransactions()
      try producer.beginTransaction()
      let first = try producer.enqueue(ProducerRecord(topic: "a", value: "1"))
      try await producer.commitTransaction()
      #expect(try await first.metadata.offset == 0)
      try producer.beginTransaction()
      let second = try producer.enqueue(ProducerRecord(topic: "a", value: "2"))
      try await producer.abortTransaction()
      #expect(await code { _ = try await second.metadata } == .transactionAbortable)
      #expect(try await broker.values("a", .readUncommitted) == ["1"])
    }
  }

  @Test("is committed by a closure that returns, and aborted by one that throws")
  func closure() async throws {
    struct Failure: Error {}
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "t"
      let producer = try broker.producer(configuration)
      let answer = try await producer.withTransaction { producer in
        try await producer.send("a", value: "1")
        return 42
      }
      #expect(answer == 42)
      await #expect(throws: Failure.self) {
        try await producer.withTransaction { producer in
          try await producer.send("a", value: "2")
          throw Failure()
        }
      }
      #expect(try await broker.values("a", .readCommitted) == ["1"])
    }
  }

  @Test("of an older producer with the same id is fenced, and aborted")
  func fencing() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      let old = try await broker.transactionalProducer("t")
      try old.beginTransaction()
      try await old.send("a", value: "old")
      let new = try await broker.transactionalProducer("t")
      #expect(await code { try await old.send("a", value: "old again") } == .invalidProducerEpoch)
      #expect(await code { try await old.commitTransaction() } == .invalidProducerEpoch)
      #expect(await code { try await old.abortTransaction() } == .invalidProducerEpoch)
      try await new.withTransaction { try await $0.send("a", value: "new") }
      #expect(try await broker.values("a", .readCommitted) == ["new"])

      let third = try await broker.transactionalProducer("t")
      try new.beginTransaction()
      #expect(await code { try await new.send("a", value: "x") } == .producerFenced)
      #expect(await code { try await new.abortTransaction() } == .producerFenced)
      try await third.withTransaction { try await $0.send("a", value: "third") }
      #expect(try await broker.values("a", .readCommitted) == ["new", "third"])
      #expect(try broker.admin.describeTransaction("t").producerEpoch == 3, "one of them was to abort the first")
    }
  }

  @Test("that takes longer than its timeout is aborted, and its producer fenced")
  func timeout() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("a", partitions: 2)
      let slow = try await broker.transactionalProducer("slow", timeout: .seconds(10))
      let slower = try await broker.transactionalProducer("slower", timeout: .seconds(15))
      for producer in [slow, slower] { try producer.beginTransaction() }
      try await broker.advance(by: .seconds(60))
      // Only what was sent counts.
      for producer in [slow, slower] { try await producer.send(ProducerRecord(topic: "a", partition: 0, value: "x")) }
      try await broker.advance(by: .milliseconds(9_999))
      try await slow.send(ProducerRecord(topic: "a", partition: 1, value: "x"))
      #expect(try broker.admin.listTransactions(openLongerThan: .seconds(9)).count == 2)
      try await broker.advance(by: .milliseconds(1))
      #expect(try broker.admin.listTransactions().map(\.state) == [.completeAbort, .ongoing])
      #expect(await code { try await slow.commitTransaction() } == .producerFenced)
      #expect(await code { try await slow.send("a", value: "x") } == .producerFenced)
      try await slower.commitTransaction()
      try await broker.advance(by: .seconds(60))
      #expect(try await broker.values("a", .readCommitted) == ["x"])
      #expect(try await broker.values("a", .readUncommitted) == ["x", "x", "x"])
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "t"
      configuration.transactionTimeout = .seconds(901)
      let producer = try broker.producer(configuration)
      #expect(await code { try await producer.initTransactions() } == .invalidTransactionTimeout)
    }
  }

  @Test("gets a new producer id when the epochs are used up")
  func epochs() async throws {
    let directory = try TemporaryDirectory()
    let id: Int64 = 500
    try await withTestBroker(.directory(directory.path)) { broker in
      try broker.admin.createTopic("a")
      try await broker.transactionalProducer("other").withTransaction { try await $0.send("a", value: "first") }
    }
    let metadata = try MetadataStore(path: directory(MetadataStore.fileName))
    var change = MetadataChange()
    change.transactions = [
      StoredTransaction(
        id: "t", producerID: id, epoch: 32_765, state: .completeCommit, timeout: 60_000, updatedAt: 1_700_000_000_000)
    ]
    try metadata.write(change)
    try metadata.close()
    try await withTestBroker(.directory(directory.path)) { broker in
      let last = try await broker.transactionalProducer("t")
      #expect(try broker.admin.describeTransaction("t").producerEpoch == 32_766)
      #expect(try broker.admin.describeTransaction("t").producerID == id)
      try last.beginTransaction()
      try await last.send("a", value: "last")
      let fresh = try await broker.transactionalProducer("t")
      #expect(try broker.admin.describeTransaction("t").producerEpoch == 0)
      #expect(try broker.admin.describeTransaction("t").producerID != id)
      try await fresh.withTransaction { try await $0.send("a", value: "fresh") }
      #expect(await code { try await last.commitTransaction() } == .invalidProducerIDMapping)
      #expect(try await broker.values("a", .readCommitted) == ["first", "fresh"])
    }
  }

  @Test(
    "that is committed at a broker's death is there afterwards, and one that was open is not",
    arguments: TestBroker.Stop.allCases)
  func restart(stop: TestBroker.Stop) async throws {
    try await withTestBroker(powerCuts: true) { broker in
      try broker.admin.createTopic("a", partitions: 2)
      let producer = try await broker.transactionalProducer("t")
      for number in 0..<3 {
        try await producer.withTransaction { producer in
          for partition in 0..<2 {
            try await producer.send(ProducerRecord(topic: "a", partition: partition, value: "\(number)"))
          }
          try producer.sendOffsets(
            [TopicPartition("a", 0): OffsetAndMetadata(Int64(number))], to: Self.outsider)
        }
      }
      try producer.beginTransaction()
      try await producer.send(ProducerRecord(topic: "a", partition: 0, value: "open"))
      try await producer.flush()
      try producer.sendOffsets([TopicPartition("a", 0): OffsetAndMetadata(7)], to: Self.outsider)
      try broker.restart(after: stop)
      #expect(try await broker.values("a", .readCommitted) == ["0", "1", "2", "0", "1", "2"])
      #expect(broker.committed("g") == [TopicPartition("a", 0): 2])
      #expect(try broker.admin.listTransactions().map(\.state) == [.completeAbort])
      #expect(try broker.admin.findHangingTransactions().isEmpty)
      let next = try await broker.transactionalProducer("t")
      try await next.withTransaction { try await $0.send(ProducerRecord(topic: "a", partition: 0, value: "3")) }
      #expect(try await broker.values("a", .readCommitted) == ["0", "1", "2", "3", "0", "1", "2"])
      try broker.restart(after: .kill)
      #expect(try await broker.values("a", .readCommitted) == ["0", "1", "2", "3", "0", "1", "2"])
    }
  }

  @Test("of a topic that is deleted meanwhile is committed without it")
  func deletedTopic() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      try broker.admin.createTopic("b")
      let producer = try await broker.transactionalProducer("t")
      try producer.beginTransaction()
      try await producer.send("a", value: "1")
      try await producer.send("b", value: "2")
      try broker.admin.deleteTopic("b")
      try await producer.commitTransaction()
      #expect(try await broker.values("a", .readCommitted) == ["1"])
      try await producer.withTransaction { try await $0.send("a", value: "2") }
      #expect(try await broker.values("a", .readCommitted) == ["1", "2"])
    }
  }

  @Test("holds offsets until it ends: nobody who begins there meanwhile gets those of before, and a later commit wins")
  func offsets() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      let a0 = TopicPartition("a", 0)
      try await broker.produce("a", ["k": "v"])
      let producer = try await broker.transactionalProducer("t")
      var configuration = ConsumerConfiguration()
      configuration.group = "g"
      configuration.isolation = .readCommitted
      configuration.autoOffsetReset = .earliest
      let reader = try broker.consumer(configuration)
      try reader.assign([a0])
      try producer.beginTransaction()
      try producer.sendOffsets([a0: OffsetAndMetadata(1)], to: Self.outsider)
      // Whoever takes the partition over waits for the outcome.
      #expect(try await reader.poll(timeout: .zero).isEmpty)
      #expect(await code { _ = try reader.position(a0) } == .unstableOffsetCommit)
      try await producer.commitTransaction()
      #expect(try reader.position(a0) == 1)
      // A plain commit that comes later wins.
      try producer.beginTransaction()
      try producer.sendOffsets([a0: OffsetAndMetadata(0)], to: Self.outsider)
      try broker.admin.alterConsumerGroupOffsets("g", [a0: OffsetAndMetadata(1, metadata: "later")])
      try await producer.commitTransaction()
      #expect(broker.committed("g") == [a0: 1])
      let left = ConsumerGroupMetadata(group: "g", memberID: "gone", generation: 3)
      try producer.beginTransaction()
      #expect(await code { try producer.sendOffsets([a0: OffsetAndMetadata(0)], to: left) } == .commitFailed)
      #expect(await code { try await producer.commitTransaction() } == .transactionAbortable)
      try await producer.abortTransaction()
    }
  }
}
