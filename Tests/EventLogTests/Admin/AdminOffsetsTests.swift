import EventLog
import Foundation
import Testing
import SegmentStore

@Suite("Offsets of partitions")
struct AdminOffsetsTests {
  private let partition = TopicPartition("t", 0)

  /// Batches of random sizes with timestamps that go up and down, in small segments; gives the timestamps.
  private func fill(_ broker: Broker, _ random: inout SplitMix) throws -> [Int64] {
    try broker.admin.createTopic("t", configs: ["segment.bytes": "2000", "index.interval.bytes": "150"])
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    var timestamps: [Int64] = []
    for _ in 0..<Int.random(in: 1...60, using: &random) {
      let batch = (0..<Int.random(in: 1...8, using: &random)).map { _ in Int64.random(in: 0...500, using: &random) }
      try producer.append(batch.map { Record(value: "value", timestamp: $0) }, to: partition)
      timestamps += batch
    }
    return timestamps
  }

  @Test(
    "are what a plain list of the records says, for the owner and for one that only looks",
    arguments: 0..<12 as Range<UInt64>)
  func model(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let fixture = try AdminFixture()
    let timestamps = try fill(fixture.broker, &random)
    for round in 0..<3 {
      let start = round == 0 ? 0 : Int64.random(in: 0...Int64(timestamps.count), using: &random)
      let low = try fixture.admin.deleteRecords(partition, before: start)
      let reader = try fixture.openReadOnly()
      defer { try? reader.close() }
      let visible = timestamps.indices.dropFirst(Int(low))
      let largest = visible.map { timestamps[$0] }.max()
      var expected: [OffsetSpec: Int64?] = [
        .earliest: low, .latest: Int64(timestamps.count),
        .maxTimestamp: visible.first { timestamps[$0] == largest }.map(Int64.init),
      ]
      for _ in 0..<20 {
        let target = Int64.random(in: 0...510, using: &random)
        expected.updateValue(visible.first { timestamps[$0] >= target }.map(Int64.init), forKey: .timestamp(target))
      }
      for (spec, offset) in expected {
        for admin in [fixture.admin, reader.admin] {
          let found = try admin.listOffset(partition, spec)
          #expect(found?.offset == offset, "seed \(seed), round \(round), \(spec)")
          if let found, let time = found.timestamp { #expect(time == timestamps[Int(found.offset)]) }
          if found != nil { #expect(found?.leaderEpoch == 0) }
        }
      }
    }
  }

  @Test("are found or refused each by itself")
  func each() throws {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t", partitions: 5)
    let parts = (0..<6).map { TopicPartition("t", $0) }
    let results = try fixture.admin.listOffsets(each: [
      parts[0]: .latest, parts[1]: .timestamp(-1), parts[2]: .earliestLocal, parts[3]: .maxTimestamp,
      parts[4]: .latestTiered, parts[5]: .latest,
    ])
    #expect(try results[parts[0]]?.get()?.offset == 0)
    #expect(errorCode(results[parts[1]]) == .illegalArgument)
    #expect(errorCode(results[parts[2]]) == .invalidRequest)
    #expect(try results[parts[3]]?.get() == nil)
    #expect(errorCode(results[parts[4]]) == .invalidRequest)
    #expect(errorCode(results[parts[5]]) == .unknownTopicOrPartition)
  }

  @Test("carry the leader epoch, which grows with an unclean stop")
  func epochs() async throws {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t")
    try await fixture.broker.producer().send("t", value: "before")
    let after = try fixture.openCopy()
    try await after.producer().send("t", value: "after")
    #expect(try after.admin.listOffset(partition, .earliest)?.leaderEpoch == 0)
    #expect(try after.admin.listOffset(partition, .latest)?.leaderEpoch == 1)
    try after.close()
  }

  @Test("are the same with read_committed for the owner and for one that only looks")
  func readCommitted() throws {
    let fixture = try AdminFixture()
    let source = Bundle.module.bundleURL.appendingPathComponent("kafka-segments/transactions-0").path
    try fixture.admin.importPartition(from: source)
    let reader = try fixture.openReadOnly()
    let imported = TopicPartition("transactions", 0)
    for spec in [OffsetSpec.latest, .maxTimestamp, .timestamp(1_700_000_001_400), .earliest] {
      let owner = try fixture.admin.listOffset(imported, spec, isolation: .readCommitted)
      #expect(owner != nil)
      #expect(try reader.admin.listOffset(imported, spec, isolation: .readCommitted) == owner, "\(spec)")
    }
    try reader.close()
  }
}

@Suite("Deleting records")
struct DeleteRecordsTests {
  @Test("succeeds or fails for each partition by itself, and is durable when it returns")
  func each() throws {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t", partitions: 4)
    try fixture.admin.createTopic("c", configs: ["cleanup.policy": "compact"])
    try fixture.admin.createTopic("both", configs: ["cleanup.policy": "compact,delete"])
    let producer = try fixture.broker.producer(ProducerConfiguration(acks: .leader))
    let parts = (0..<4).map { TopicPartition("t", $0) }
    for partition in parts + [TopicPartition("c", 0), TopicPartition("both", 0)] {
      try producer.append((0..<10).map { Record(key: "k", value: "\($0)") }, to: partition)
    }
    let results = try fixture.admin.deleteRecords(each: [
      parts[0]: 4, parts[1]: 11, parts[2]: -2, parts[3]: -1, TopicPartition("c", 0): 1, TopicPartition("both", 0): 1,
      TopicPartition("t", 9): 0, TopicPartition("none", 0): 0,
    ])
    #expect(try results[parts[0]]?.get() == 4)
    #expect(errorCode(results[parts[1]]) == .offsetOutOfRange)
    #expect(errorCode(results[parts[2]]) == .offsetOutOfRange)
    #expect(try results[parts[3]]?.get() == 10)
    #expect(errorCode(results[TopicPartition("c", 0)]) == .policyViolation)
    #expect(try results[TopicPartition("both", 0)]?.get() == 1)
    #expect(errorCode(results[TopicPartition("t", 9)]) == .unknownTopicOrPartition)
    #expect(errorCode(results[TopicPartition("none", 0)]) == .unknownTopicOrPartition)
    let copy = try fixture.openCopy()
    #expect(try copy.admin.describeTopic("t").partitions.map(\.logStartOffset) == [4, 0, 0, 10])
    #expect(try copy.admin.describeTopic("t").partitions.map(\.logEndOffset) == [10, 10, 10, 10])
    try copy.close()
    #expect(try fixture.admin.deleteRecords(parts[0], before: 2) == 4, "never back")
  }

  @Test("of several at once is refused as a whole where one is wrong")
  func allOrNone() throws {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t", partitions: 2)
    let producer = try fixture.broker.producer()
    for number in 0..<2 { try producer.append([Record(value: "v")], to: TopicPartition("t", number)) }
    #expect(
      errorCode {
        try fixture.admin.deleteRecords([TopicPartition("t", 0): 1, TopicPartition("t", 1): 2])
      } == .offsetOutOfRange)
    #expect(try fixture.admin.describeTopic("t").partitions.map(\.logStartOffset) == [0, 0])
  }

  @Test("needs the owner of the directory")
  func readOnly() throws {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t")
    let reader = try fixture.openReadOnly()
    #expect(errorCode { _ = try reader.admin.deleteRecords(each: [TopicPartition("t", 0): 0]) } == .readOnly)
    try reader.close()
  }
}
