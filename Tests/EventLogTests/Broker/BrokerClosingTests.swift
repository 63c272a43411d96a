import EventLog
import EventLogTesting
import Foundation
import SegmentStore
import Synchronization
import Testing

@Suite("Closing a broker", .timeLimit(.minutes(2)))
struct BrokerClosingTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func open() throws -> Broker {
    let broker = try Broker.open(directory.path)
    if (try? broker.admin.describeTopic("t")) == nil { try broker.admin.createTopic("t") }
    return broker
  }

  private func untilWaiting(_ consumer: Consumer) async throws {
    let shot = OneShot<Void>()
    consumer.whenWaiting { shot.complete(.success(())) }
    try await shot.value()
  }

  @Test("ends the poll of a member that has no partition, however long it was to wait", arguments: [3600, Int64.max])
  func memberWithoutPartition(seconds: Int64) async throws {
    let broker = try open()
    let first = try broker.consumer(group: "g", topics: ["t"])
    _ = try await first.poll(timeout: .zero)
    let second = try broker.consumer(group: "g", topics: ["t"])
    let poll = Task { try await second.poll(timeout: .seconds(seconds)) }
    while second.groupMetadata?.memberID == nil {
      _ = try await first.poll(timeout: .zero)
      await Task.yield()
    }
    try await untilWaiting(second)
    try broker.close()
    await #expect(throws: EventLogError.self) { try await poll.value }
  }

  @Test("ends the poll of a consumer beside the owner")
  func readOnly() async throws {
    let owner = try open()
    defer { try? owner.close() }
    let broker = try Broker.openReadOnly(directory.path)
    let consumer = try broker.consumer()
    try consumer.assign([TopicPartition("t", 0)])
    let poll = Task { try await consumer.poll(timeout: .seconds(3600)) }
    try await untilWaiting(consumer)
    try broker.close()
    await #expect(throws: EventLogError.self) { try await poll.value }
  }

  @Test("appends what lingers; what comes later is refused")
  func lingering() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.linger = .seconds(3600)
    let producer = try broker.producer(configuration)
    let delivery = try producer.enqueue(ProducerRecord(topic: "t", value: "lingers"))
    try broker.close()
    #expect(try await delivery.metadata.offset == 0)
    await #expect(throws: EventLogError.self) { try await producer.send("t", value: "late") }
    let again = try open()
    #expect(try again.admin.listOffset(TopicPartition("t", 0), .latest)?.offset == 1)
    try again.close()
  }

  @Test("ends though who is told of a record that lingered sends the next one")
  func sendingAgain() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration(acks: .leader)
    configuration.linger = .seconds(3600)
    let producer = try broker.producer(configuration)
    let refused = OneShot<Void>()
    @Sendable func send() {
      do {
        try producer.send(ProducerRecord(topic: "t", value: "value")) { _ in send() }
      } catch {
        _ = refused.complete(.success(()))
      }
    }
    send()
    try broker.close()
    try await refused.value()
    let again = try open()
    #expect(try again.admin.listOffset(TopicPartition("t", 0), .latest)?.offset == 1)
    try again.close()
  }

  @Test("ends the wait for room in the producer's buffer")
  func fullBuffer() async throws {
    let broker = try open()
    var configuration = ProducerConfiguration()
    configuration.linger = .seconds(3600)
    configuration.bufferMemory = 1000
    configuration.maxBlock = .seconds(3600)
    let producer = try broker.producer(configuration)
    let first = try producer.enqueue(ProducerRecord(topic: "t", value: String(repeating: "x", count: 600)))
    let second = Task { try await producer.send("t", value: String(repeating: "x", count: 600)) }
    await Task.yield()
    try broker.close()
    _ = try await first.metadata
    _ = await second.result
  }

  @Test("a broker that is let go of last by who is told of a delivery is closed all the same")
  func lastReference() async throws {
    let mayGoOn = Latch()
    do {
      let broker = try open()
      let producer = try broker.producer()
      try producer.send(ProducerRecord(topic: "t", value: "value")) { _ in
        mayGoOn.wait()
        withExtendedLifetime((broker, producer)) {}
      }
    }
    mayGoOn.open()
    // Its thread closes it in its own time.
    while true {
      do {
        let again = try Broker.open(directory.path)
        #expect(try again.admin.listOffset(TopicPartition("t", 0), .latest)?.offset == 1)
        return try again.close()
      } catch let error as EventLogError where error.code == .directoryLocked {
        await Task.yield()
      }
    }
  }

  @Test("a topic is deleted though those are being told who wait for its records, and they may make it anew")
  func deletedTopic() async throws {
    var configuration = BrokerConfiguration()
    configuration.autoCreateTopics = true
    let broker = try Broker.open(directory.path, configuration)
    try broker.admin.createTopic("t")
    let producer = try broker.producer()
    let (isTold, mayGoOn) = (Latch(), Latch())
    try producer.send(ProducerRecord(topic: "t", value: "told")) { _ in
      isTold.open()
      mayGoOn.wait()
    }
    isTold.wait()
    let outcome = OneShot<RecordMetadata>()
    try producer.send(ProducerRecord(topic: "t", value: "in flight")) { result in
      guard case .failure = result else {
        _ = outcome.complete(result)
        return
      }
      do {
        try producer.send(ProducerRecord(topic: "t", value: "again")) { outcome.complete($0) }
      } catch {
        outcome.complete(.failure(error))
      }
    }
    try broker.admin.deleteTopic("t")
    mayGoOn.open()
    #expect(try await outcome.value().offset == 0)
    #expect(try broker.admin.listOffset(TopicPartition("t", 0), .latest)?.offset == 1)
    try broker.close()
  }

  @Test("makes no topic once it has begun")
  func changes() throws {
    let broker = try open()
    try broker.close()
    #expect(throws: EventLogError.self) { try broker.admin.createTopic("u") }
    #expect(throws: EventLogError.self) { try broker.admin.createPartitions("t", to: 2) }
    #expect(throws: EventLogError.self) { try broker.admin.deleteTopic("t") }
  }
}
