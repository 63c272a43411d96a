import EventLog
import EventLogTesting
import Foundation
import SegmentStore
import Synchronization
import Testing

@Suite("A producer")
struct ProducerTests {
  private func open(partitions: Int = 1) throws -> TestBroker {
    let broker = try TestBroker()
    try broker.admin.createTopic("t", partitions: partitions)
    return broker
  }

  private func values(_ broker: TestBroker) async throws -> [String?] {
    try await broker.drain("t").map(\.valueString)
  }

  @Test("says where each record went, with every acks", arguments: Acks.allCases)
  func metadata(acks: Acks) async throws {
    let broker = try open()
    let producer = try broker.producer(ProducerConfiguration(acks: acks))
    for number in 0..<5 {
      let metadata = try await producer.send("t", key: "k", value: "\(number)", timestamp: 77)
      #expect(metadata.offset == (acks == .none ? -1 : Int64(number)))
      #expect(metadata.topicPartition == TopicPartition("t", 0))
      #expect(metadata.timestamp == 77)
      #expect(metadata.serializedKeySize == 1)
    }
    try await producer.flush()
    #expect(try await values(broker) == ["0", "1", "2", "3", "4"])
    try broker.close()
  }

  @Test("keeps null and empty apart, and headers in order, with every codec", arguments: CompressionType.allCases)
  func exact(compression: CompressionType) async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.compression = compression
    let producer = try broker.producer(configuration)
    let records = [
      Record(key: nil as [UInt8]?, value: nil), Record(key: [], value: []), Record(key: [0xff, 0], value: [0x0d]),
      Record(
        value: [UInt8](repeating: 7, count: 50_000), headers: [.init("a", [1]), .init("a", nil), .init("", [])],
        timestamp: 5),
    ]
    try await producer.send(records, to: "t")
    let consumer = try broker.consumer()
    try consumer.assign([TopicPartition("t", 0)])
    try consumer.seekToBeginning()
    let read = Array(try await consumer.poll(timeout: .zero))
    #expect(read.map(\.key) == records.map(\.key))
    #expect(read.map(\.value) == records.map(\.value))
    #expect(read.map(\.headers) == records.map(\.headers))
    #expect(read.last?.timestamp == 5)
    #expect(read[0].isTombstone && !read[1].isTombstone)
    try broker.close()
  }

  @Test("puts records that linger into one batch, and calls back in order")
  func linger() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.linger = .seconds(3600)
    configuration.batchSize = 100_000
    let producer = try broker.producer(configuration)
    let offsets = Collected<Int64>()
    for number in 0..<100 {
      try producer.send(ProducerRecord(topic: "t", value: "\(number)")) { offsets.add((try? $0.get().offset) ?? -99) }
    }
    #expect(offsets.all.isEmpty)
    try await producer.flush()
    #expect(offsets.all == Array(0..<100))
    let consumer = try broker.consumer()
    try consumer.assign([TopicPartition("t", 0)])
    try consumer.seekToBeginning()
    #expect(try await consumer.poll(timeout: .zero).batches.count == 1)
    try await producer.close()
    await #expect(throws: EventLogError.self) { try await producer.send("t", value: "late") }
    try broker.close()
  }

  @Test("flushes until every callback has returned, whoever makes the call", arguments: [Acks.all, .leader])
  func flushWaitsForCallbacks(_ acks: Acks) async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.acks = acks
    configuration.linger = .seconds(3600)
    configuration.batchSize = 1000
    let producer = try broker.producer(configuration)
    let events = Collected<String>()
    let (entered, gate, sent) = (Latch(), Latch(), Latch())
    // The third record fills the batch: this thread appends it, and with acks=1 makes the calls.
    Thread.detachNewThread {
      for number in 0..<3 {
        let record = ProducerRecord(topic: "t", value: String(repeating: "x", count: number == 2 ? 1000 : 1))
        try? producer.send(record) { _ in
          if number == 0 {
            entered.open()
            gate.wait()
          }
          events.add("\(number)")
        }
      }
      sent.open()
    }
    while !entered.wait(milliseconds: 0) { await Task.yield() }
    let flush = Task {
      try await producer.flush()
      events.add("flushed")
    }
    // It gets every chance to return too early.
    for _ in 0..<1000 { await Task.yield() }
    gate.open()
    try await flush.value
    #expect(events.all == ["0", "1", "2", "flushed"])
    while !sent.wait(milliseconds: 0) { await Task.yield() }
    try broker.close()
  }

  @Test("gives up what lingers when it is aborted, and says so")
  func abort() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.linger = .seconds(3600)
    let producer = try broker.producer(configuration)
    let delivery = try producer.enqueue(ProducerRecord(topic: "t", value: "x"))
    producer.abort()
    await #expect(throws: EventLogError.self) { try await delivery.metadata }
    #expect(try await values(broker).isEmpty)
    try broker.close()
  }

  @Test("waits for room in its buffer, and only so long")
  func backPressure() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.linger = .seconds(3600)
    configuration.bufferMemory = 1000
    configuration.maxBlock = .zero
    let producer = try broker.producer(configuration)
    let record = ProducerRecord(topic: "t", value: String(repeating: "x", count: 500))
    _ = try producer.enqueue(record)
    let error = #expect(throws: EventLogError.self) { try producer.enqueue(record) }
    #expect(error?.code == .bufferExhausted)
    try await producer.flush()
    _ = try producer.enqueue(record)
    try await producer.flush()
    #expect(try await values(broker).count == 2)
    try broker.close()
  }

  @Test("commits no transaction that a record is missing from because there was no room for it in the buffer")
  func backPressureInTransaction() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.transactionalID = "x"
    configuration.linger = .seconds(3600)
    configuration.bufferMemory = 1000
    configuration.maxBlock = .zero
    let producer = try broker.producer(configuration)
    // No time is given to this either: it goes on all the same.
    try? await producer.initTransactions()
    while await code({ try producer.beginTransaction() }) != nil { await Task.yield() }
    try await producer.abortTransaction()
    let record = ProducerRecord(topic: "t", value: String(repeating: "x", count: 500))
    let calls: [() async throws -> Void] = [
      { _ = try producer.enqueue(record) }, { _ = try await producer.send(record) },
    ]
    for second in calls {
      try producer.beginTransaction()
      _ = try producer.enqueue(record)
      #expect(await code(second) == .bufferExhausted)
      #expect(await code { try await producer.commitTransaction() } == .transactionAbortable)
      try await producer.abortTransaction()
    }
    #expect(try await broker.drain("t", isolation: .readCommitted).isEmpty)
    try broker.close()
  }

  @Test("need not be kept for records that wait for the disk: nor is it, or the broker, by those")
  func droppedWhileSyncing() async throws {
    let broker = try open()
    let gate = broker.faults.hold(.sync)
    weak var kept: Producer?
    func send() throws -> Delivery {
      let producer = try broker.producer()
      kept = producer
      return try producer.enqueue(ProducerRecord(topic: "t", value: "x"))
    }
    let delivery = try send()
    try await gate.reached()
    #expect(kept == nil)
    gate.open()
    #expect(try await delivery.metadata.offset == 0)
    try broker.close()
  }

  @Test("refuses bad calls by name, and writes nothing")
  func refusals() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.maxRequestSize = 1000
    let producer = try broker.producer(configuration)
    func code(_ record: ProducerRecord) async -> EventLogError.Code? {
      do {
        try await producer.send(record)
        return nil
      } catch { return (error as? EventLogError)?.code }
    }
    #expect(await code(ProducerRecord(topic: "nope", value: "x")) == .unknownTopicOrPartition)
    #expect(await code(ProducerRecord(topic: "../x", value: "x")) == .invalidTopic)
    #expect(await code(ProducerRecord(topic: "t", partition: -1, value: "x")) == .illegalArgument)
    #expect(await code(ProducerRecord(topic: "t", partition: 1, value: "x")) == .unknownTopicOrPartition)
    #expect(await code(ProducerRecord(topic: "t", value: String(repeating: "x", count: 1000))) == .messageTooLarge)
    #expect(throws: EventLogError.self) { try ProducerConfiguration(properties: ["compression.type": "brotli"]) }
    #expect(throws: EventLogError.self) { try ProducerConfiguration(properties: ["no.such": "1"]) }
    #expect(throws: EventLogError.self) { try ProducerConfiguration(properties: ["transactional.id": ""]) }
    #expect(try ProducerConfiguration(properties: ["acks": "1", "linger.ms": "5", "client.id": "x"]).acks == .leader)
    #expect(try await values(broker).isEmpty)
    try broker.close()
  }

  @Test("of 64 tasks that wait for the disk together, none loses a record, and they share syncs")
  func groupCommit() async throws {
    let broker = try open()
    let producer = try broker.producer()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<64 {
        group.addTask { for number in 0..<10 { try await producer.send("t", value: "\(task):\(number)") } }
      }
      try await group.waitForAll()
    }
    let read = try await values(broker)
    for task in 0..<64 {
      #expect(read.filter { $0?.hasPrefix("\(task):") == true } == (0..<10).map { "\(task):\($0)" })
    }
    try broker.close()
  }

  @Test("of 64 records that wait for the disk together, the first has a sync of its own, and the others share the next")
  func sharedSyncs() async throws {
    let broker = try open()
    let producer = try broker.producer()
    let gate = broker.faults.hold(.sync)
    let before = broker.faults.count(of: .sync)
    let deliveries = try (0..<64).map { try producer.enqueue(ProducerRecord(topic: "t", value: "\($0)")) }
    try await gate.reached()
    #expect(deliveries.allSatisfy { $0.result == nil })
    #expect(try await values(broker).isEmpty)
    gate.open()
    for (number, delivery) in deliveries.enumerated() { #expect(try await delivery.metadata.offset == Int64(number)) }
    #expect(broker.faults.count(of: .sync) <= before + 2)
    try broker.close()
  }

  @Test("that is cancelled while it waits stops waiting")
  func cancelled() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.linger = .seconds(3600)
    let producer = try broker.producer(configuration)
    let task = Task { try await producer.send("t", value: "x") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    try broker.close()
  }
}

final class Collected<Element: Sendable>: Sendable {
  private let list = Mutex<[Element]>([])
  func add(_ element: Element) { list.withLock { $0.append(element) } }
  var all: [Element] { list.withLock { $0 } }
}
