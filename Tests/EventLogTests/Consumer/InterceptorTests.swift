import EventLog
import EventLogTesting
import Synchronization
import Testing

/// Notes what interceptors are told.
private final class Notes: Sendable {
  private let list = Mutex<[String]>([])

  func add(_ note: String) { list.withLock { $0.append(note) } }
  func take() -> [String] {
    list.withLock { list in
      defer { list = [] }
      return list
    }
  }
}

@Suite("Interceptors")
struct InterceptorTests {
  private struct Failure: Error {}

  private struct Sender: ProducerInterceptor {
    let name: String
    let notes: Notes
    var fails = false

    func onSend(_ record: ProducerRecord) throws -> ProducerRecord {
      if fails { throw Failure() }
      var record = record
      record.record.headers.append(RecordHeader("by", Array(name.utf8)))
      return record
    }

    func onAcknowledgement(_ metadata: RecordMetadata, _ error: (any Error)?) throws {
      let place = "\(metadata.topicPartition.topic)-\(metadata.topicPartition.partition)@\(metadata.offset)"
      notes.add("\(name) \(place)" + (error == nil ? "" : " failed"))
      if fails { throw Failure() }
    }

    func close() { notes.add("\(name) closed") }
  }

  private struct Reader: ConsumerInterceptor {
    let name: String
    let notes: Notes
    var fails = false
    var leavesOut: String?

    func onConsume(_ records: ConsumerRecords) throws -> ConsumerRecords {
      notes.add("\(name) \(records.map { $0.valueString ?? "" })")
      if fails { throw Failure() }
      return records.filter { $0.valueString != leavesOut }
    }

    func onCommit(_ offsets: [TopicPartition: OffsetAndMetadata]) throws {
      notes.add("\(name) committed \(offsets.values.map(\.offset))")
      if fails { throw Failure() }
    }

    func close() { notes.add("\(name) closed") }
  }

  @Test("of a producer form a chain; one that throws is warned of and passed over; errors are acknowledged too")
  func producer() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let notes = Notes()
      var configuration = ProducerConfiguration()
      configuration.interceptors = [
        Sender(name: "a", notes: notes), Sender(name: "b", notes: notes, fails: true), Sender(name: "c", notes: notes),
      ]
      configuration.maxRequestSize = 1000
      let producer = try broker.producer(configuration)
      try await producer.send("t", value: "x")
      let records = try await broker.drain("t")
      #expect(records[0].headers.map { String(decoding: $0.value ?? [], as: UTF8.self) } == ["a", "c"])
      #expect(notes.take() == ["a t-0@0", "b t-0@0", "c t-0@0"])
      #expect(broker.warnings.count == 2)

      _ = try? await producer.send("missing", value: "x")
      #expect(notes.take() == ["a missing--1@-1 failed", "b missing--1@-1 failed", "c missing--1@-1 failed"])
      let large = ProducerRecord(topic: "t", partition: 0, value: String(repeating: "x", count: 2000))
      try producer.send(large) { _ in notes.add("callback") }
      #expect(notes.take() == ["a t-0@-1 failed", "b t-0@-1 failed", "c t-0@-1 failed", "callback"])

      // Each way to send.
      try producer.append(ProducerRecord(topic: "t", value: "y"))
      try producer.append(to: TopicPartition("t", 0), value: Array("y".utf8).span.bytes)
      try producer.append([Record(value: "y"), Record(value: "y")], to: TopicPartition("t", 0))
      try producer.append([Record(value: "y")], to: "t")
      try await producer.send([Record(value: "y")], to: "t")
      _ = try await producer.enqueue(ProducerRecord(topic: "t", value: "y")).metadata
      let sequence = try producer.nextSequence(of: TopicPartition("t", 0))
      try producer.append([Record(value: "y")], to: TopicPartition("t", 0), sequence: sequence)
      #expect(notes.take().filter { $0.hasPrefix("a") } == (1...8).map { "a t-0@\($0)" })
      #expect(try await broker.drain("t").allSatisfy { $0.headers.count == 2 })
      try await producer.close()
      try await producer.close()
      #expect(notes.take() == ["a closed", "b closed", "c closed"])
      _ = try? await producer.send("t", value: "x")
      #expect(notes.take().first == "a t--1@-1 failed")
    }
  }

  @Test("of a consumer see what polls return and what is committed, and can leave records out")
  func consumer() async throws {
    // By its own clock: on a busy machine an automatic commit would come between.
    try await withTestBroker(clock: TestClock()) { broker in
      try await broker.produce("t", values: ["x", "y", "z"])
      let notes = Notes()
      var configuration = ConsumerConfiguration()
      configuration.group = "g"
      configuration.autoOffsetReset = .earliest
      configuration.interceptors = [
        Reader(name: "a", notes: notes, leavesOut: "y"), Reader(name: "b", notes: notes, fails: true),
      ]
      let consumer = try broker.consumer(configuration)
      try consumer.subscribe(["t"])
      try broker.expect(try await consumer.poll(timeout: .zero), toBe: ["x", "z"])
      #expect(notes.take() == ["a [\"x\", \"y\", \"z\"]", "b [\"x\", \"z\"]"])
      #expect(try consumer.position(TopicPartition("t", 0)) == 3)
      try await consumer.commit()
      #expect(notes.take() == ["a committed [3]", "b committed [3]"])
      try consumer.commitAsync()
      try await broker.settle()
      #expect(notes.take().isEmpty, "as the callbacks, in the next poll")
      _ = try await consumer.poll(timeout: .zero)
      #expect(notes.take() == ["a committed [3]", "b committed [3]"])
      try await consumer.close()
      #expect(notes.take() == ["a committed [3]", "b committed [3]", "a closed", "b closed"])
      #expect(broker.warnings.count == 4, "\(broker.warnings)")
    }
  }

  @Test("can leave out any records of a batch")
  func filter() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      try await broker.producer().send((0..<6).map { Record(value: "\($0)") }, to: "t")
      let consumer = try broker.consumer()
      try consumer.assign([TopicPartition("t", 0)])
      try consumer.seekToBeginning()
      let records = try await consumer.poll(timeout: .zero)
      for mask in 0..<64 {
        let kept = records.filter { mask >> $0.offset & 1 == 1 }
        #expect(kept.map(\.offset) == (0..<6).filter { mask >> $0 & 1 == 1 })
        #expect(kept.count == mask.nonzeroBitCount)
      }
    }
  }
}
