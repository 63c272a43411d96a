import EventLog
import EventLogTesting
import Testing

/// `max.request.size` is about a record, as in Kafka, whichever call it comes by.
@Suite("The largest record that a producer sends")
struct RequestSizeTests {
  private static let t0 = TopicPartition("t", 0)

  @Test("is the same in all calls, before compression; none of it is written", arguments: CompressionType.allCases)
  func refused(compression: CompressionType) async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      var configuration = ProducerConfiguration()
      configuration.maxRequestSize = 1000
      configuration.compression = compression
      let producer = try broker.producer(configuration)
      let small = Record(value: [UInt8](repeating: 1, count: 100))
      for large in [
        Record(value: [UInt8](repeating: 1, count: 5000)),
        Record(value: [1], headers: [RecordHeader("h", [UInt8](repeating: 1, count: 5000))]),
      ] {
        let records = [small, large, small]
        #expect(await code { try await producer.send(ProducerRecord(topic: "t", record: large)) } == .messageTooLarge)
        #expect(await code { try producer.append(ProducerRecord(topic: "t", record: large)) } == .messageTooLarge)
        #expect(await code { try Self.append(large, with: producer) } == .messageTooLarge)
        #expect(await code { try producer.append(records, to: Self.t0) } == .messageTooLarge)
        #expect(await code { try producer.append(records, to: Self.t0, sequence: 0) } == .messageTooLarge)
        #expect(await code { try producer.append(records, to: "t") } == .messageTooLarge)
        #expect(await code { try await producer.send(records, to: "t") } == .messageTooLarge)
      }
      #expect(try await broker.drain("t").isEmpty)
    }
  }

  private static func append(_ record: Record, with producer: Producer) throws {
    let value = record.value ?? []
    try producer.append(to: t0, value: value.span.bytes, headers: record.headers)
  }

  @Test("says nothing of a batch of small ones")
  func many() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      var configuration = ProducerConfiguration()
      configuration.maxRequestSize = 1000
      let producer = try broker.producer(configuration)
      let records = (0..<20).map { Record(value: [UInt8](repeating: $0, count: 200)) }
      #expect(try producer.append(records, to: Self.t0).recordCount == 20)
      #expect(try producer.append(records, to: Self.t0, sequence: 20).baseOffset == 20)
      // Those that the producer divides into batches itself are none larger than that.
      try producer.append(records, to: "t")
      try await producer.send(records, to: "t")
      let all = try await broker.drain("t")
      #expect(all.count == 80)
    }
  }
}
