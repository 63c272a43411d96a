import EventLog
import EventLogTesting
import Testing

@Suite("Typed producers and consumers")
struct TypedConsumerTests {
  private struct Order: Codable, Hashable, Sendable {
    var customer: String
    var total: Int
  }

  private enum Status: String, Sendable {
    case created, paid
  }

  private enum Level: Int16, Sendable {
    case low = 1
    case high = -2
  }

  private let t0 = TopicPartition("t", 0)

  /// What comes back of keys and values that were sent.
  private func roundTrip<Key: Hashable, Value: Hashable>(
    _ records: [(Key?, Value?)], _ key: some Serializer<Key> & Deserializer<Key>,
    _ value: some Serializer<Value> & Deserializer<Value>
  ) async throws -> [[UInt8]?] {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let producer = try broker.broker.producer(key: key, value: value)
      for record in records { try await producer.send("t", key: record.0, value: record.1) }
      let consumer = try broker.broker.consumer(group: "g", topics: ["t"], key: key, value: value)
      let read = try await consumer.poll(timeout: .zero)
      #expect(read.map(\.key) == records.map(\.0))
      #expect(read.map(\.value) == records.map(\.1))
      return read.map(\.record.value)
    }
  }

  @Test("give back what was sent, with null keys and tombstones, in the bytes that Kafka's serializers write")
  func roundTrips() async throws {
    _ = try await roundTrip([("a", Order(customer: "x", total: 1)), (nil, nil)], StringSerde(), JSONSerde<Order>())
    #expect(
      try await roundTrip([([1], 1), ([], -2), (nil, .max)], BytesSerde(), IntegerSerde<Int32>())
        == [[0, 0, 0, 1], [255, 255, 255, 254], [127, 255, 255, 255]])
    #expect(
      try await roundTrip([(7, 1.0), (.min, -0.5)], IntegerSerde<Int64>(), DoubleSerde())
        == [[0x3F, 0xF0, 0, 0, 0, 0, 0, 0], [0xBF, 0xE0, 0, 0, 0, 0, 0, 0]])
    #expect(
      try await roundTrip([(.max, .min), (1 << 64, 0x0102 << 72)], IntegerSerde<UInt128>(), IntegerSerde<Int128>())
        == [
          [0x80] + [UInt8](repeating: 0, count: 15), [0, 0, 0, 0, 0, 1, 2] + [UInt8](repeating: 0, count: 9),
        ])
    #expect(
      try await roundTrip([(.max, .min), (0x80, 0x0102)], IntegerSerde<UInt8>(), IntegerSerde<Int16>())
        == [[0x80, 0], [1, 2]])
    #expect(
      try await roundTrip([(Status.paid, Level.high)], RawSerde(StringSerde()), RawSerde(IntegerSerde()))
        == [[255, 254]])
    let reversed = Serde<String> {
      Array($0.utf8.reversed())
    } deserialize: {
      String(decoding: $0.reversed(), as: UTF8.self)
    }
    #expect(try await roundTrip([("k", "abc")], StringSerde(), reversed) == [Array("cba".utf8)])
  }

  @Test("stop at a record that can't be deserialized: what precedes it comes first, and then the error, at its place")
  func poisonPill() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["created", "paid", "lost", "paid"])
      let consumer = try broker.broker.consumer(group: "g", topics: ["t"], key: .string, value: .raw(Status.self))
      #expect(try await consumer.poll(timeout: .zero).map(\.value) == [.created, .paid])
      for _ in 0..<2 {
        let error = await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
        #expect(error?.code == .deserialization)
        #expect(error?.topic == "t" && error?.partition == 0 && error?.offset == 2)
        #expect(error?.isFatal == false)
      }
      #expect(try consumer.consumer.position(t0) == 2)
      try await consumer.commit()
      try broker.expectCommitted(by: "g", [t0: 2])
      try consumer.consumer.seek(t0, to: 3)
      #expect(try await consumer.poll(timeout: .zero).map(\.value) == [.paid])
    }
  }

  @Test("that meet a bad record lose nothing of other partitions, and tell of it though those never run dry")
  func otherPartitions() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 2)
      let producer = try broker.producer()
      for number in 0..<6 { try await producer.send("t", partition: 0, value: number == 3 ? "bad" : "created") }
      for _ in 0..<6 { try await producer.send("t", partition: 1, value: "paid") }
      var configuration = ConsumerConfiguration()
      configuration.group = "g"
      configuration.autoOffsetReset = .earliest
      configuration.maxPollRecords = 4
      let consumer = try broker.broker.consumer(configuration, key: .string, value: .raw(Status.self))
      try consumer.consumer.subscribe(["t"])
      var offsets: [TopicPartition: [Int64]] = [:]
      var errors: [Int64] = []
      for _ in 0..<8 {
        do {
          for record in try await consumer.poll(timeout: .zero) {
            offsets[record.topicPartition, default: []].append(record.offset)
          }
        } catch let error as EventLogError {
          errors.append(try #require(error.offset))
          try consumer.consumer.seek(t0, to: 4)
        }
      }
      #expect(errors == [3])
      #expect(offsets == [t0: [0, 1, 2, 4, 5], TopicPartition("t", 1): [0, 1, 2, 3, 4, 5]])
    }
  }

  @Test("in a loop hand a bad record out as an error, and go on when it was passed over")
  func loop() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["created", "lost", "paid"])
      let consumer = try broker.broker.consumer(group: "g", topics: ["t"], key: .string, value: .raw(Status.self))
      var seen: [String] = []
      for try await result in consumer.results {
        switch result {
        case .success(let record): seen.append(record.value?.rawValue ?? "")
        case .failure(let error):
          seen.append("\(error.code.name) at \(error.offset ?? -1)")
          if seen.count == 3 { try consumer.consumer.seek(t0, to: 2) }
        }
        if seen.count == 4 { break }
      }
      #expect(seen == ["created", "DESERIALIZATION at 1", "DESERIALIZATION at 1", "paid"])
      // A loop that threw goes on at the same record.
      try consumer.consumer.seek(t0, to: 0)
      for _ in 0..<2 {
        let error = await #expect(throws: EventLogError.self) { for try await _ in consumer.records {} }
        #expect(error?.offset == 1)
      }
    }
  }

  @Test("tell what can't be serialized, and quote no data in their errors")
  func errors() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      struct Secret: Error {}
      let failing = Serde<Int> { _ in
        throw Secret()
      } deserialize: { _ in
        0
      }
      let producer = try broker.broker.producer(key: .string, value: failing)
      let error = await #expect(throws: EventLogError.self) { try await producer.send("t", value: 1) }
      #expect(error?.code == .serialization)
      try await broker.produce("t", values: ["{\"customer\": \"secret\"}", "secret", "secret!"])
      let consumer = try broker.broker.consumer(group: "g", topics: ["t"], key: .string, value: .json(Order.self))
      for (offset, hint) in [(0, "no total"), (1, "damaged data")] {
        let error = await #expect(throws: EventLogError.self) { try await consumer.poll(timeout: .zero) }
        #expect(error?.message.contains("secret") == false)
        #expect(error?.message.contains(hint) == true, "\(error?.message ?? "")")
        try consumer.consumer.seek(t0, to: Int64(offset) + 1)
      }
      let numbers = try broker.broker.consumer(group: "h", topics: ["t"], key: .string, value: .integer(Int32.self))
      let size = await #expect(throws: EventLogError.self) { try await numbers.poll(timeout: .zero) }
      #expect(size?.message.contains("22 bytes, and Int32 has 4") == true, "\(size?.message ?? "")")
    }
  }
}
