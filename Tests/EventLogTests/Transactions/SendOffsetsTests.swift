import EventLog
import EventLogTesting
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
}
