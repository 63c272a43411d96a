import EventLog
import EventLogTesting
import Testing

/// `offset.metadata.max.bytes`
@Suite("Metadata that is too large")
struct OffsetMetadataTests {
  private let small = TopicPartition("t", 0)
  private let large = TopicPartition("t", 1)
  private var offsets: [TopicPartition: OffsetAndMetadata] {
    [
      small: OffsetAndMetadata(3, metadata: String(repeating: "x", count: 4096)),
      large: OffsetAndMetadata(4, metadata: String(repeating: "é", count: 2049)),
    ]
  }

  private func consumer(_ broker: TestBroker) throws -> Consumer {
    try broker.admin.createTopic("t", partitions: 2)
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.enableAutoCommit = false
    let consumer = try broker.consumer(configuration)
    try consumer.assign([small, large])
    return consumer
  }

  @Test("fails the commit, and keeps nobody else's offset from being committed, for good")
  func commit() async throws {
    try await withTestBroker(powerCuts: true) { broker in
      let consumer = try consumer(broker)
      // After a power cut an offset beyond the log end would be brought back.
      try await broker.produce("t", (0..<3).map { Record(value: "\($0)") }, partition: 0)
      do {
        try await consumer.commit(offsets)
        Issue.record("it was not refused")
      } catch let error as EventLogError {
        #expect(error.code == .offsetMetadataTooLarge && error.partition == 1 && error.topic == "t")
      }
      #expect(broker.committed("g") == [small: 3])
      try broker.restart(after: .powerCut)
      #expect(try broker.admin.listConsumerGroupOffsets("g") == offsets.filter { $0.key == small })
    }
  }

  @Test("alone fails the commit, and makes no group")
  func alone() async throws {
    try await withTestBroker { broker in
      let consumer = try consumer(broker)
      let only = offsets.filter { $0.key == large }
      #expect(await code { try await consumer.commit(only) } == .offsetMetadataTooLarge)
      #expect(errorCode { _ = try broker.admin.listConsumerGroupOffsets("g") } == .groupIDNotFound)
    }
  }

  @Test("is told to the callback once the others are committed")
  func callback() async throws {
    try await withTestBroker { broker in
      let consumer = try consumer(broker)
      let outcome = AsyncStream<EventLogError.Code?>.makeStream()
      try consumer.commitAsync(offsets) { error in
        outcome.continuation.yield((error as? EventLogError)?.code)
        outcome.continuation.finish()
      }
      try await broker.settle()
      _ = try await consumer.poll(timeout: .zero)
      var codes: [EventLogError.Code?] = []
      for await code in outcome.stream { codes.append(code) }
      #expect(codes == [.offsetMetadataTooLarge])
      #expect(broker.committed("g") == [small: 3])
    }
  }

  @Test("set by the administrator fails by itself")
  func admin() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 2)
      let outcome = try broker.admin.alterConsumerGroupOffsets("g", each: offsets)
      #expect(errorCode(outcome[small]) == nil && errorCode(outcome[large]) == .offsetMetadataTooLarge)
      #expect(broker.committed("g") == [small: 3])
      // Together they are set all or none.
      #expect(errorCode { try broker.admin.alterConsumerGroupOffsets("h", offsets) } == .offsetMetadataTooLarge)
      #expect(broker.committed("h").isEmpty)
    }
  }

  @Test("in a transaction leaves it to be aborted; until then the others are held")
  func transaction() async throws {
    try await withTestBroker { broker in
      let reader = try consumer(broker)
      try await broker.produce("t", values: ["x"])
      let producer = try await broker.transactionalProducer("p")
      let metadata = ConsumerGroupMetadata(group: "g")
      try producer.beginTransaction()
      #expect(await code { try producer.sendOffsets(offsets, to: metadata) } == .offsetMetadataTooLarge)
      #expect(try broker.admin.describeTransaction("p").state == .ongoing)
      #expect(await code { try await producer.commitTransaction() } == .transactionAbortable)
      try await producer.abortTransaction()
      #expect(broker.committed("g").isEmpty)
      try await producer.withTransaction {
        try $0.sendOffsets(offsets.filter { $0.key == small }, to: metadata)
      }
      #expect(broker.committed("g") == [small: 3])
      try await reader.close()
    }
  }
}
