import EventLog
import EventLogTesting
import Synchronization
import Testing

/// Many consumers that come and go while others write.
@Suite("A storm of consumers")
struct GroupStormTests {
  /// What was delivered, and how often.
  private final class Deliveries: Sendable {
    private let counts = Mutex<[TopicPartition: [Int64: Int]]>([:])
    private let total = Atomic<Int>(0)

    func add(_ record: ConsumerRecord) {
      let isNew = counts.withLock { counts -> Bool in
        counts[record.topicPartition, default: [:]][record.offset, default: 0] += 1
        return counts[record.topicPartition]?[record.offset] == 1
      }
      if isNew { total.add(1, ordering: .acquiringAndReleasing) }
    }

    var distinct: Int { total.load(ordering: .acquiring) }
    var repeated: [TopicPartition: [Int64]] {
      counts.withLock { $0.mapValues { $0.filter { $0.value > 1 }.keys.sorted() }.filter { !$0.value.isEmpty } }
    }
  }

  /// Commits what was read of a partition before it is taken away.
  private struct CommitsInRevoked: RebalanceListener {
    func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
      try await consumer.commit()
    }
    func partitionsLost(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
      Issue.record("nobody was away for too long, and yet \(partitions) were lost")
    }
  }

  struct Storm: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var assignors: [GroupAssignor] = [.range]
    var groupProtocol = GroupProtocol.classic
    /// Whether consumers also vanish without closing, and tasks are cancelled.
    var crashes = false
  }

  private static let storms = [
    Storm(testDescription: "eager"),
    Storm(testDescription: "cooperative", assignors: [.cooperativeSticky]),
    Storm(testDescription: "KIP-848", groupProtocol: .consumer),
    Storm(testDescription: "eager, with crashes", crashes: true),
    Storm(testDescription: "cooperative, with crashes", assignors: [.cooperativeSticky], crashes: true),
    Storm(testDescription: "KIP-848, with crashes", groupProtocol: .consumer, crashes: true),
  ]

  private static let partitions = 12
  private static let records = 1200
  private static let producers = 4

  @Test(
    "delivers each record, and each once where consumers commit inside revoked and never crash", arguments: storms)
  func storm(storm: Storm) async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: Self.partitions)
      let deliveries = Deliveries()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<Self.producers { group.addTask { try await Self.produce(broker.broker, number) } }
        for number in 0..<100 { group.addTask { try await Self.consume(broker.broker, number, storm, deliveries) } }
        try await group.waitForAll()
      }
      #expect(deliveries.distinct == Self.records)
      if !storm.crashes {
        #expect(deliveries.repeated.isEmpty, "delivered more than once")
        let committed = try broker.admin.listConsumerGroupOffsets("g").values.reduce(0) { $0 + $1.offset }
        #expect(committed == Int64(Self.records))
      }
      #expect(try broker.admin.describeGroup("g").members.isEmpty)
    }
  }

  private static func produce(_ broker: Broker, _ number: Int) async throws {
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    for record in 0..<(records / producers) {
      try await producer.send("t", partition: (record + number) % partitions, value: "\(number)-\(record)")
      if record % 10 == 0 { await Task.yield() }
    }
    try await producer.close()
  }

  /// Joins, reads for a while and leaves, again and again, until everything was read by somebody.
  private static func consume(
    _ broker: Broker, _ number: Int, _ storm: Storm, _ deliveries: Deliveries
  ) async throws {
    var generator = SystemRandomNumberGenerator()
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.autoOffsetReset = .earliest
    configuration.assignors = storm.assignors
    configuration.groupProtocol = storm.groupProtocol
    configuration.enableAutoCommit = storm.crashes
    configuration.maxPollRecords = 20
    var lives = 0
    while deliveries.distinct < records {
      // The first ones stay until the end, so that what the others left behind is read.
      let polls = number < 3 ? Int.max : Int.random(in: 1...6, using: &generator)
      // The others come and go a few times.
      guard number < 3 || lives < 4 else { return }
      lives += 1
      let consumer = try broker.consumer(configuration)
      try consumer.subscribe(["t"], listener: storm.crashes ? nil : CommitsInRevoked())
      var count = 0
      while count < polls, deliveries.distinct < records {
        count += 1
        if storm.crashes, number >= 3, Int.random(in: 0..<4, using: &generator) == 0 {
          let poll = Task { try await consumer.poll(timeout: .milliseconds(20)).forEach(deliveries.add) }
          await Task.yield()
          poll.cancel()
          do { try await poll.value } catch is CancellationError {}
        } else {
          try await consumer.poll(timeout: .milliseconds(20)).forEach(deliveries.add)
        }
        if Int.random(in: 0..<4, using: &generator) == 0 { await Task.yield() }
      }
      let vanishes = storm.crashes && Bool.random(using: &generator)
      if !vanishes { try await consumer.close() }
    }
  }
}
