import EventLog
import EventLogTesting
import SegmentStore
import Testing

@Suite("Records that linger")
struct RecordAccumulatorTests {
  @Test("share no batch that the topic refuses", arguments: ["max.message.bytes": "10000", "segment.bytes": "14000"])
  func limits(name: String, value: String) async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", configs: [name: value])
      var configuration = ProducerConfiguration()
      configuration.linger = .seconds(3600)
      let producer = try broker.producer(configuration)
      let deliveries = try (0..<100).map { number in
        try producer.enqueue(ProducerRecord(topic: "t", value: [UInt8](repeating: UInt8(number), count: 500)))
      }
      try await producer.flush()
      for (number, delivery) in deliveries.enumerated() {
        #expect(try await delivery.metadata.offset == Int64(number))
      }
      // One that is too large by itself is refused, and no other with it.
      let large = try producer.enqueue(ProducerRecord(topic: "t", value: [UInt8](repeating: 1, count: 15_000)))
      let small = try producer.enqueue(ProducerRecord(topic: "t", value: "small"))
      try await producer.flush()
      await #expect(throws: EventLogError.self) { try await large.metadata }
      #expect(try await small.metadata.offset == 100)
    }
  }

  /// Bytes that no codec makes less of, in records that just fit, or fit several times.
  @Test("are all written that would be alone, whatever they are like", arguments: 0..<40 as Range<UInt64>)
  func model(seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    let limit = Int.random(in: 300...20_000, using: &random)
    let large = Int.random(in: 1...5, using: &random)
    let broker = try TestBroker()
    defer { try? broker.close() }
    try broker.admin.createTopic("t", configs: ["max.message.bytes": "\(limit)"])
    var configuration = ProducerConfiguration()
    configuration.linger = .seconds(3600)
    configuration.batchSize = 1 << 20
    configuration.compression = CompressionType.allCases.randomElement(using: &random) ?? .none
    let producer = try broker.producer(configuration)
    var deliveries: [Delivery] = []
    for _ in 0..<100 {
      func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }
      let count = Int.random(in: 0...max(1, (limit - 200) / large), using: &random)
      let hasHeaders = Int.random(in: 0..<4, using: &random) == 0
      deliveries.append(
        try producer.enqueue(
          ProducerRecord(
            topic: "t", key: Bool.random(using: &random) ? nil : [1, 2], value: bytes(count),
            headers: hasHeaders ? (0..<3).map { RecordHeader("\($0)", bytes($0)) } : [],
            timestamp: Bool.random(using: &random) ? nil : Int64.random(in: 0..<(1 << 40), using: &random))))
    }
    try await producer.flush()
    for (number, delivery) in deliveries.enumerated() {
      #expect(try await delivery.metadata.offset == Int64(number), "seed \(seed)")
    }
  }

  @Test("do not spoil the transaction that they belong to")
  func transaction() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", configs: ["max.message.bytes": "10000"])
      var configuration = ProducerConfiguration()
      configuration.linger = .seconds(3600)
      configuration.transactionalID = "x"
      let producer = try broker.producer(configuration)
      try await producer.withTransaction { producer in
        for number in 0..<100 {
          _ = try producer.enqueue(ProducerRecord(topic: "t", value: [UInt8](repeating: UInt8(number), count: 500)))
        }
      }
      #expect(try await broker.drain("t", isolation: .readCommitted).count == 100)
    }
  }
}
