@testable import EventLog
import EventLogTesting
import Foundation
import MetadataStore
import RecordFormat
import SegmentStore
import Synchronization
import Testing

@Suite("Commits that are written together")
struct OffsetStoreWritingTests {
  private static let t0 = TopicPartition("t", 0)

  private func open(_ directory: TemporaryDirectory, _ group: String) throws -> (Broker, Consumer) {
    let broker = try Broker.open(directory.path)
    if try broker.admin.listTopics().isEmpty { try broker.admin.createTopic("t", partitions: 1) }
    return (broker, try consumer(broker, group))
  }

  private func consumer(_ broker: Broker, _ group: String) throws -> Consumer {
    var configuration = ConsumerConfiguration()
    configuration.group = group
    configuration.enableAutoCommit = false
    configuration.autoOffsetReset = .earliest
    let consumer = try broker.consumer(configuration)
    try consumer.assign([Self.t0])
    return consumer
  }

  /// What a group has committed in a directory that is opened anew.
  private func committed(_ directory: TemporaryDirectory, _ group: String) throws -> Int64? {
    let broker = try Broker.open(directory.path)
    defer { try? broker.close() }
    return broker.offsets.committed(group, Self.t0)?.offset
  }

  @Test("of a consumer that goes on, those that wait are one, the last; closing the consumer has it written")
  func joined() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, "g")
    for offset in 1...1000 as ClosedRange<Int64> {
      try consumer.commitAsync([Self.t0: OffsetAndMetadata(offset)])
      #expect(broker.offsets.state.withLock { $0.pending.count } <= 1)
    }
    try await consumer.close()
    #expect(broker.offsets.isIdle)
    #expect(broker.offsets.committed("g", Self.t0)?.offset == 1000)
    try broker.close()
    #expect(try committed(directory, "g") == 1000)
  }

  @Test("of two consumers are not mixed up")
  func notJoined() async throws {
    let directory = try TemporaryDirectory()
    let (broker, first) = try open(directory, "one")
    let second = try consumer(broker, "two")
    for offset in 1...100 as ClosedRange<Int64> {
      try first.commitAsync([Self.t0: OffsetAndMetadata(offset)])
      try second.commitAsync([Self.t0: OffsetAndMetadata(1000 - offset)])
    }
    // Closed while they wait to be written: the broker writes them.
    try broker.close()
    #expect(try committed(directory, "one") == 100)
    #expect(try committed(directory, "two") == 900)
  }

  @Test("are written without anybody asking for it")
  func paced() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, "g")
    for offset in 1...50 as ClosedRange<Int64> { try consumer.commitAsync([Self.t0: OffsetAndMetadata(offset)]) }
    // No time is told: it ends, or the test's own limit is met.
    while broker.offsets.committed("g", Self.t0)?.offset != 50 { await Task.yield() }
    try await consumer.close()
    try broker.close()
  }

  @Test("last in the order of the calls, whichever of the ways they take", arguments: 0..<6 as Range<UInt64>)
  func model(seed: UInt64) async throws {
    let directory = try TemporaryDirectory()
    let (broker, first) = try open(directory, "g0")
    let consumers = try [first] + (1..<4).map { try consumer(broker, "g\($0)") }
    let last = try await withThrowingTaskGroup(of: (Int, Int64).self) { group in
      for (number, consumer) in consumers.enumerated() {
        group.addTask {
          var random = SplitMix(seed: seed &* 31 &+ UInt64(number))
          let told = Mutex<[Int64]>([])
          var called: [Int64] = []
          var offset: Int64 = 0
          for _ in 0..<150 {
            offset = Int64.random(in: 0..<1_000_000, using: &random)
            let offsets = [Self.t0: OffsetAndMetadata(offset)]
            switch Int.random(in: 0..<5, using: &random) {
            case 0:
              try await consumer.commit(offsets)
              let found = broker.offsets.committed("g\(number)", Self.t0)?.offset
              #expect(found == offset, "seed \(seed), group \(number)")
            case 1: try consumer.commitAsync(offsets)
            case 2, 3:
              // The position; often while the one before it still waits.
              try consumer.seek(Self.t0, to: offset)
              try consumer.commitAsync()
            default:
              called.append(offset)
              let offset = offset
              try consumer.commitAsync(offsets) { _ in told.withLock { $0.append(offset) } }
            }
          }
          try await consumer.close()
          #expect(told.withLock { $0 } == called, "seed \(seed), group \(number)")
          return (number, offset)
        }
      }
      return try await group.reduce(into: [Int: Int64]()) { $0[$1.0] = $1.1 }
    }
    try broker.close()
    for (number, offset) in last {
      #expect(try committed(directory, "g\(number)") == offset, "seed \(seed), group \(number)")
    }
  }

  @Test(
    "of several consumers of one group are one each, and last in the order of the calls",
    arguments: 0..<10 as Range<UInt64>)
  func oneGroup(seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory.path)
    try broker.admin.createTopic("t", partitions: 4)
    let partitions = (0..<4).map { TopicPartition("t", $0) }
    let consumers = try (0..<3).map { _ in try consumer(broker, "g") }
    for consumer in consumers { try consumer.assign(partitions) }
    var expected: [TopicPartition: OffsetAndMetadata] = [:]
    for step in 0..<400 {
      let consumer = consumers[Int.random(in: 0..<3, using: &random)]
      switch Int.random(in: 0..<4, using: &random) {
      case 0, 1:
        for partition in partitions {
          let offset = Int64.random(in: 0..<1_000_000, using: &random)
          try consumer.seek(partition, to: offset)
          expected[partition] = OffsetAndMetadata(offset)
        }
        try consumer.commitAsync()
      case 2:
        var some: [TopicPartition: OffsetAndMetadata] = [:]
        for partition in partitions where Bool.random(using: &random) {
          some[partition] = OffsetAndMetadata(Int64.random(in: 0..<1_000_000, using: &random), metadata: "step \(step)")
        }
        try consumer.commitAsync(some)
        expected.merge(some) { $1 }
      default:
        let some = [partitions[step % 4]: OffsetAndMetadata(Int64(step))]
        if Bool.random(using: &random) {
          try await consumer.commit(some)
          #expect(broker.offsets.committed("g") == expected.merging(some) { $1 }, "seed \(seed), step \(step)")
        } else {
          try consumer.commitAsync(some) { _ in }
        }
        expected.merge(some) { $1 }
      }
    }
    for consumer in consumers { try await consumer.close() }
    #expect(broker.offsets.committed("g") == expected, "seed \(seed)")
    try broker.close()
  }

  @Test("of consumers that share a group's partitions don't end each other's waiting")
  func sideBySide() async throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory.path)
    try broker.admin.createTopic("t", partitions: 2)
    let partitions = (0..<2).map { TopicPartition("t", $0) }
    let consumers = try partitions.map { partition in
      let consumer = try consumer(broker, "g")
      try consumer.assign([partition])
      return consumer
    }
    for offset in 1...1000 as ClosedRange<Int64> {
      for (consumer, partition) in zip(consumers, partitions) {
        try consumer.seek(partition, to: offset)
        try consumer.commitAsync()
        #expect(broker.offsets.state.withLock { $0.pending.count } <= 2)
      }
    }
    for consumer in consumers { try await consumer.close() }
    for partition in partitions { #expect(broker.offsets.committed("g", partition)?.offset == 1000) }
    try broker.close()
  }

  @Test("of positions are those of the call, also where they wait beside later reads")
  func positions() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, "g")
    let producer = try broker.producer()
    for number in 0..<20 { try producer.append([Record(value: "\(number)")], to: Self.t0) }
    for offset in 0..<20 as Range<Int64> {
      try consumer.seek(Self.t0, to: offset)
      try consumer.commitAsync()
      _ = try await consumer.poll()
    }
    try await consumer.close()
    try broker.close()
    #expect(try committed(directory, "g") == 19)
  }

  @Test("of positions are refused like all others once the group has members, or the topic is gone")
  func refused() async throws {
    let directory = try TemporaryDirectory()
    let (broker, outsider) = try open(directory, "g")
    try outsider.seek(Self.t0, to: 1)
    for _ in 0..<3 { try outsider.commitAsync() }
    let member = try broker.consumer(group: "g", topics: ["t"])
    _ = try await member.poll(timeout: .zero)
    try outsider.seek(Self.t0, to: 2)
    for _ in 0..<3 { try outsider.commitAsync() }
    try await outsider.close()
    #expect(broker.offsets.committed("g", Self.t0)?.offset == 1)
    try await member.close()

    try broker.admin.createTopic("u", partitions: 2)
    let u1 = TopicPartition("u", 1)
    let other = try consumer(broker, "other")
    try other.assign([u1])
    try other.seek(u1, to: 1)
    for _ in 0..<3 { try other.commitAsync() }
    try broker.admin.deleteTopic("u")
    try broker.admin.createTopic("u", partitions: 1)
    for _ in 0..<3 { try other.commitAsync() }
    try await other.close()
    #expect(broker.offsets.committed("other").isEmpty)
    try broker.close()
  }

  @Test("are not written where they are refused for want of room, nor is what a transaction decided with them")
  func noRoom() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, "g")
    try await consumer.commit([Self.t0: OffsetAndMetadata(1)])
    // There is room for the offsets and the decision, and none for the generation that is to be kept beside them.
    _ = try broker.metadata.pragma("max_page_count = 1")
    let gate = Latch()
    broker.offsets.writer.submit { gate.wait() }
    broker.offsets.noteGeneration("g", 1, assignor: String(repeating: "x", count: 100_000))
    let topic = try #require(broker.topicTable.find("t")).id
    var change = MetadataChange()
    change.offsets = [("g", [PartitionID(topic, 0): CommittedOffset(offset: 2, committedAt: 0)])]
    change.transactions = [
      StoredTransaction(id: "t", producerID: 5, epoch: 0, state: .prepareCommit, timeout: 1, updatedAt: 0)
    ]
    let error = FailureBox()
    let told = Latch()
    try broker.offsets.write(change, awaitedBy: .another) { failure in
      error.set(failure)
      told.open()
    }
    gate.open()
    told.wait()
    #expect(error.get()?.code == .diskFull)
    _ = try broker.metadata.pragma("max_page_count = 1000000")
    #expect(try broker.metadata.committedOffsets()["g"]?.values.map(\.offset) == [1])
    #expect(try broker.metadata.transactions().isEmpty)
    #expect(broker.offsets.committed("g", Self.t0)?.offset == 1)
    // Once there is room, all is as ever.
    broker.offsets.noteGeneration("g", 2, assignor: "range")
    try await consumer.commit([Self.t0: OffsetAndMetadata(3)])
    try await consumer.close()
    try broker.close()
    #expect(try committed(directory, "g") == 3)
  }

  @Test("are refused once the broker is closed, and leave nothing waiting")
  func closed() async throws {
    let directory = try TemporaryDirectory()
    let (broker, consumer) = try open(directory, "g")
    try broker.close()
    let error = await #expect(throws: EventLogError.self) { try await consumer.commit([Self.t0: OffsetAndMetadata(1)]) }
    #expect(error?.code == .illegalState)
    #expect(broker.offsets.isIdle)
    try await consumer.close()
  }
}
