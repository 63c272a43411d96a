@testable import EventLog
import EventLogTesting
import Foundation
import SegmentStore
import Synchronization
import Testing

/// What a commit of the positions has to keep to that its own thread writes, past those that wait.
@Suite("A commit that its caller writes")
struct CommitAtOnceTests {
  private static let t0 = TopicPartition("t", 0)

  private func open(
    _ directory: TemporaryDirectory, values: Int, maxPollRecords: Int = 1, isDurable: Bool = true
  ) throws -> (Broker, Consumer) {
    let broker = try Broker.open(directory.path)
    try broker.admin.createTopic("t", partitions: 1)
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    for value in 0..<values { try producer.append(ProducerRecord(topic: "t", value: "\(value)")) }
    if isDurable { try broker.topicTable.find("t")?.logIfUsed(0)?.flush() }
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.enableAutoCommit = false
    configuration.autoOffsetReset = .earliest
    configuration.maxPollRecords = maxPollRecords
    let consumer = try broker.consumer(configuration)
    try consumer.assign([Self.t0])
    return (broker, consumer)
  }

  private func durableOffset(_ broker: Broker) -> Int64? {
    broker.topicTable.find("t")?.logIfUsed(0)?.durableOffset
  }

  private func committedAtNextOpening(_ directory: TemporaryDirectory) throws -> Int64? {
    let broker = try Broker.open(directory.path)
    let offset = broker.offsets.committed("g", Self.t0)?.offset
    try broker.close()
    return offset
  }

  /// Until no offset or generation waits to be written.
  private func untilIdle(_ broker: Broker) async {
    await withCheckedContinuation { done in broker.offsets.whenIdle { done.resume() } }
  }

  /// Whether the caller has written the commit, on a disk that is quick.
  private func commitAtOnce(_ consumer: Consumer, _ broker: Broker) throws -> Bool {
    broker.offsets.state.withLock { $0.lastWriteTook = 0 }
    return try consumer.commitAtOnce()
  }

  @Test("is there for all to see, and at the next opening")
  func kept() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, values: 3)
    for offset in 1...3 as ClosedRange<Int64> {
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      #expect(try commitAtOnce(consumer, broker))
      #expect(broker.offsets.committed("g", Self.t0)?.offset == offset)
      #expect(broker.offsets.isIdle)
    }
    try broker.close()
    #expect(try committedAtNextOpening(directory) == 3)
  }

  @Test("is not, where its log is not on the disk so far: that comes first")
  func durable() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, values: 1, isDurable: false)
    #expect(try await consumer.poll(timeout: .zero).count == 1)
    #expect(durableOffset(broker) == 0)
    #expect(try !commitAtOnce(consumer, broker))
    #expect(broker.offsets.committed("g", Self.t0) == nil)
    try await consumer.commit()
    #expect(durableOffset(broker) == 1)
    #expect(broker.offsets.committed("g", Self.t0)?.offset == 1)
    try broker.close()
  }

  @Test("is not, where the disk is slow, the consumer is in use or woken, or a position is not known")
  func somethingElse() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, values: 1)
    #expect(try !commitAtOnce(consumer, broker))
    #expect(try await consumer.poll(timeout: .zero).count == 1)
    broker.offsets.state.withLock { $0.lastWriteTook = 2 }
    #expect(try !consumer.commitAtOnce())
    try consumer.beginExclusively()
    #expect(try !commitAtOnce(consumer, broker))
    consumer.endExclusively()
    consumer.wakeup()
    #expect(try !commitAtOnce(consumer, broker))
    await #expect(throws: EventLogError.self) { try await consumer.commit() }
    #expect(try commitAtOnce(consumer, broker))
    try consumer.seekToBeginning()
    #expect(try !commitAtOnce(consumer, broker))
    #expect(broker.offsets.committed("g", Self.t0)?.offset == 1)
    try broker.admin.deleteTopic("t")
    #expect(try !commitAtOnce(consumer, broker))
    try broker.close()
    #expect(try !commitAtOnce(consumer, broker))
  }

  @Test("is a member's, as long as the group knows it")
  func member() async throws {
    let directory = try TemporaryDirectory()
    let (broker, other) = try open(directory, values: 2)
    try await other.close()
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.autoOffsetReset = .earliest
    let consumer = try broker.consumer(configuration)
    try consumer.subscribe(["t"])
    #expect(try await consumer.poll(timeout: .zero).count == 2)
    // The group's generation is on the disk too.
    await untilIdle(broker)
    #expect(try commitAtOnce(consumer, broker))
    #expect(broker.offsets.committed("g", Self.t0)?.offset == 2)
    broker.groups.leave("g", try #require(consumer.memberID), instanceID: nil)
    #expect(try !commitAtOnce(consumer, broker))
    await #expect(throws: EventLogError.self) { try await consumer.commit() }
    try broker.close()
  }

  @Test("comes behind those that wait to be written, and is not overwritten by them")
  func order() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, values: 2)
    // As after one of many, when the next ones are given a moment to become more.
    broker.offsets.state.withLock { $0.phase = .paused }
    try consumer.commitAsync([Self.t0: OffsetAndMetadata(0)])
    #expect(broker.offsets.state.withLock { $0.pending.count } == 1)
    for _ in 0..<2 { #expect(try await consumer.poll(timeout: .zero).count == 1) }
    #expect(try !commitAtOnce(consumer, broker))
    try await consumer.commit()
    try broker.close()
    #expect(try committedAtNextOpening(directory) == 2)
  }

  @Test("within a loop is of what the loop was given, and not of what the poll before it returned")
  func loop() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, values: 3, maxPollRecords: 3)
    var offset: Int64 = 0
    for try await record in consumer.records {
      #expect(record.offset == offset)
      offset += 1
      #expect(try !commitAtOnce(consumer, broker))
      try await consumer.commit()
      #expect(broker.offsets.committed("g", Self.t0)?.offset == offset)
      if offset == 3 { break }
    }
    try broker.close()
  }

  @Test("is not undone by a transaction that was begun before it")
  func transaction() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, values: 1)
    var configuration = ProducerConfiguration()
    configuration.transactionalID = "x"
    let producer = try broker.producer(configuration)
    try await producer.initTransactions()
    try producer.beginTransaction()
    try producer.sendOffsets([Self.t0: OffsetAndMetadata(0)], to: ConsumerGroupMetadata(group: "g"))
    #expect(try await consumer.poll(timeout: .zero).count == 1)
    await untilIdle(broker)
    #expect(try commitAtOnce(consumer, broker))
    try await producer.commitTransaction()
    #expect(broker.offsets.committed("g", Self.t0)?.offset == 1)
    try broker.close()
  }

  @Test("tells what became of those before it")
  func callbacks() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, values: 1)
    let told = Mutex(0)
    try consumer.commitAsync([Self.t0: OffsetAndMetadata(0)]) { _ in told.withLock { $0 += 1 } }
    await untilIdle(broker)
    #expect(try await consumer.poll(timeout: .zero).count == 1)
    #expect(told.withLock { $0 } == 1)
    try consumer.commitAsync([Self.t0: OffsetAndMetadata(0)]) { _ in told.withLock { $0 += 1 } }
    await untilIdle(broker)
    #expect(try !commitAtOnce(consumer, broker))
    try await consumer.commit()
    #expect(told.withLock { $0 } == 2)
    #expect(broker.offsets.committed("g", Self.t0)?.offset == 1)
    try broker.close()
  }

  @Test("gives the metadata store's error, and what was committed before stays")
  func failure() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, values: 2)
    #expect(try await consumer.poll(timeout: .zero).count == 1)
    #expect(try commitAtOnce(consumer, broker))
    #expect(try await consumer.poll(timeout: .zero).count == 1)
    try broker.metadata.close()
    for _ in 0..<2 {
      #expect(throws: EventLogError.self) { try commitAtOnce(consumer, broker) }
      #expect(broker.offsets.committed("g", Self.t0)?.offset == 1)
    }
    #expect(broker.offsets.isIdle)
    #expect(throws: EventLogError.self) { try broker.close() }
  }
}
