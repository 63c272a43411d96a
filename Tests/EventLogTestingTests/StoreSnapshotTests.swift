import EventLog
import EventLogTesting
import Foundation
import Testing
import SegmentStore

@Suite("A snapshot of a store")
struct StoreSnapshotTests {
  private func fill(_ broker: TestBroker) async throws {
    try broker.admin.createTopic("orders", partitions: 2, configs: ["retention.ms": "1000"])
    try await broker.produce("orders", ["customer-42": "created", "customer-7": "paid"], partition: 0)
    try await broker.produce(
      "orders", [Record(key: [0, 0xff], value: nil, headers: [.init("trace", [0x7f]), .init("none", nil)])],
      partition: 1)
    try broker.admin.alterConsumerGroupOffsets(
      "billing", [TopicPartition("orders", 0): OffsetAndMetadata(1, metadata: "by \"hand\"")])
  }

  @Test("is a text that a golden file holds")
  func golden() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try await fill(broker)
      try await broker.expectGolden("orders")
      try await broker.produce("orders", values: ["more"], partition: 0)
      let failure = await #expect(throws: ExpectationFailure.self) { try await broker.expectGolden("orders") }
      #expect(failure?.description.contains("\n+     2 1700000000000 null \"more\"\n") == true)
      #expect(failure?.description.contains("\n-   partition 0 from 0 to 2\n") == true)
    }
  }

  @Test("is written where there is no golden file yet, and the test fails that once")
  func writesGolden() async throws {
    try await withTestBroker { broker in
      try await fill(broker)
      let path = broker.path + "/golden.txt"
      await #expect(throws: ExpectationFailure.self) { try await broker.expectGolden(path, timestamps: false) }
      try await broker.expectGolden(path, timestamps: false)
      #expect(try String(contentsOfFile: path, encoding: .utf8).contains("0 - \"customer-42\" \"created\""))
    }
  }

  @Test("can be replayed: another broker then gives the same one")
  func replay() async throws {
    let snapshot = try await withTestBroker(clock: TestClock()) { broker in
      try await fill(broker)
      try broker.admin.deleteRecords([TopicPartition("orders", 0): 1])
      return try await broker.snapshot()
    }
    #expect(snapshot.topics[0].partitions[0].logStartOffset == 1)
    try await withTestBroker { broker in
      try await broker.replay(snapshot)
      #expect(try await broker.snapshot() == snapshot)
      await #expect(throws: EventLogError.self) { try await broker.replay(snapshot) }
    }
    var gap = snapshot
    gap.topics[0].partitions[0].highWatermark += 1
    try await withTestBroker { broker in
      let error = await #expect(throws: EventLogError.self) { try await broker.replay(gap) }
      #expect(error?.code == .invalidRecord)
    }
  }

  @Test("reads back from its text to what it was, whatever the bytes", arguments: UInt64(0)..<50)
  func roundTrip(seed: UInt64) throws {
    var generator = SplitMix(seed: seed)
    func bytes() -> [UInt8] {
      let alphabet: [UInt8] = Array("ab \"\\\n\t=é∅\u{200d}".utf8) + [0, 0x7f, 0xff, 0xc3]
      return (0..<Int.random(in: 0..<8, using: &generator)).map { _ in
        Bool.random(using: &generator)
          ? alphabet[Int.random(in: alphabet.indices, using: &generator)] : UInt8.random(in: 0...255, using: &generator)
      }
    }
    func maybe() -> [UInt8]? { Int.random(in: 0..<4, using: &generator) == 0 ? nil : bytes() }
    var snapshot = StoreSnapshot()
    for topic in 0..<Int.random(in: 0..<3, using: &generator) {
      let partitions = (0..<Int.random(in: 1..<4, using: &generator)).map { _ in
        let count = Int64.random(in: 0..<6, using: &generator)
        return StoreSnapshot.Partition(
          logStartOffset: 0, highWatermark: count,
          records: (0..<count).map { offset in
            StoreSnapshot.RecordAtOffset(
              offset: offset,
              record: Record(
                key: maybe(), value: maybe(),
                headers: (0..<Int.random(in: 0..<3, using: &generator)).map { _ in
                  RecordHeader(String(decoding: bytes(), as: UTF8.self), maybe())
                }, timestamp: Bool.random(using: &generator) ? nil : Int64.random(in: -1...1 << 50, using: &generator)))
          })
      }
      snapshot.topics.append(.init(name: "t\(topic)", configs: ["cleanup.policy": "compact"], partitions: partitions))
      let offset = OffsetAndMetadata(7, metadata: String(decoding: bytes(), as: UTF8.self))
      snapshot.groups.append(.init(id: "g \(topic)", offsets: [TopicPartition("t\(topic)", 0): offset]))
    }
    #expect(try StoreSnapshot(text: snapshot.text) == snapshot, "seed \(seed)\n\(snapshot.text)")
  }

  @Test(
    "refuses a text that is none, and says in which line",
    arguments: [
      ("", 1), ("nonsense", 1), ("EventLog snapshot 1\nnonsense", 2), ("EventLog snapshot 1\n\n  config a b", 3),
      ("EventLog snapshot 1\ntopic t\n  partition 1 from 0 to 0", 3),
      ("EventLog snapshot 1\ntopic t\n  partition 0 from 3 to 0", 3),
      ("EventLog snapshot 1\ntopic t\n  partition 0 from 0 to 1\n    0 - \"a", 4),
      ("EventLog snapshot 1\ntopic t\n  partition 0 from 0 to 1\n    0 - \"\\q\" null", 4),
      ("EventLog snapshot 1\ngroup g\n  t x 0 \"\"", 3),
    ])
  func refuses(text: String, line: Int) {
    let error = #expect(throws: EventLogError.self) { try StoreSnapshot(text: text) }
    #expect(error?.message.hasPrefix("line \(line):") == true, "\(error.map { "\($0)" } ?? "")")
  }
}
