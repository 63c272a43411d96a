@testable import EventLog
import EventLogTesting
import MetadataStore
import RecordFormat
import Testing

@Suite("Offsets that are sent to a transaction")
struct SendOffsetsTests {
  private static let a0 = TopicPartition("a", 0)

  @Test("count without a member too, as in Kafka", arguments: [GroupProtocol.classic, .consumer])
  func withoutMember(_ groupProtocol: GroupProtocol) async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      try await broker.produce("a", values: ["1", "2"])
      var configuration = ConsumerConfiguration()
      configuration.group = "g"
      configuration.groupProtocol = groupProtocol
      configuration.autoOffsetReset = .earliest
      configuration.enableAutoCommit = false
      let consumer = try broker.consumer(configuration)
      try consumer.subscribe(["a"])
      while try await consumer.poll(timeout: .zero).isEmpty {}
      let producer = try await broker.transactionalProducer("t")
      try await producer.withTransaction { producer in
        try producer.sendOffsets([Self.a0: OffsetAndMetadata(2)], to: ConsumerGroupMetadata(group: "g"))
      }
      #expect(broker.committed("g") == [Self.a0: 2])
      // Who says that it is a member is held to it.
      for metadata in [
        ConsumerGroupMetadata(group: "g", memberID: "gone", generation: 1),
        ConsumerGroupMetadata(group: "g", generation: 1), ConsumerGroupMetadata(group: "g", instanceID: "i"),
      ] {
        try producer.beginTransaction()
        #expect(await code { try producer.sendOffsets([Self.a0: OffsetAndMetadata(0)], to: metadata) } != nil)
        #expect(await code { try await producer.commitTransaction() } == .transactionAbortable)
        try await producer.abortTransaction()
      }
      #expect(broker.committed("g") == [Self.a0: 2])
      try await consumer.close()
    }
  }

  @Test("are held before their member is looked at, so that nobody takes those of before; and let go if it is none")
  func heldFirst() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "t"
      let producer = try broker.producer(configuration)
      try await producer.initTransactions()
      try producer.beginTransaction()
      let transaction = try #require(producer.transaction)
      let offsets = broker.broker.offsets
      func stable() throws(EventLogError) { _ = try offsets.stableOffset("g", Self.a0) {} }
      let refused = await code {
        try transaction.add([Self.a0: OffsetAndMetadata(1)], of: "g") { () throws(EventLogError) in
          #expect(throws: EventLogError.self) { try stable() }
          throw EventLogError(.commitFailed, "evicted")
        }
      }
      #expect(refused == .commitFailed)
      try stable()
      #expect(await code { try await producer.commitTransaction() } == .transactionAbortable)
      try await producer.abortTransaction()
      #expect(broker.committed("g").isEmpty)
    }
  }
}
