import EventLog
import EventLogTesting
import Synchronization
import Testing

@Suite("Group control")
struct GroupControlTests {
  private final class Log: RebalanceListener {
    private let events = Mutex<[String]>([])

    func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws { add("revoked") }
    func partitionsAssigned(_ partitions: [TopicPartition], to consumer: Consumer) async throws { add("assigned") }
    func partitionsLost(_ partitions: [TopicPartition], from consumer: Consumer) async throws { add("lost") }

    private func add(_ event: String) { events.withLock { $0.append(event) } }

    func take() -> [String] {
      events.withLock { events in
        defer { events = [] }
        return events
      }
    }
  }

  private func member(_ broker: TestBroker, _ log: Log? = nil) throws -> Consumer {
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.autoOffsetReset = .earliest
    configuration.enableAutoCommit = false
    let consumer = try broker.consumer(configuration)
    try consumer.subscribe(["t"], listener: log)
    return consumer
  }

  @Test("evicts a member: its commits are refused, its partitions are lost, and it joins again")
  func evicts() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a"])
      let log = Log()
      let consumer = try member(broker, log)
      #expect(throws: EventLogError.self) { try broker.evict(consumer) }
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      #expect(log.take() == ["assigned"])
      try broker.evict(consumer)
      let error = await #expect(throws: EventLogError.self) { try await consumer.commit() }
      #expect(error?.code == .commitFailed)
      try broker.expectCommitted(by: "g", [:])
      // What it had read and could not commit comes again.
      try broker.expect(try await consumer.poll(timeout: .zero), toBe: ["a"])
      #expect(log.take() == ["lost", "assigned"])
      try await consumer.commit()
      try broker.expectCommitted(by: "g", [TopicPartition("t", 0): 1])
    }
  }

  @Test("forces a rebalance: everybody gives up and gets again")
  func rebalances() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 4)
      #expect(throws: EventLogError.self) { try broker.rebalance(group: "g") }
      let log = Log()
      let first = try member(broker, log)
      let second = try member(broker)
      for _ in 0..<3 { for consumer in [first, second] { _ = try await consumer.poll(timeout: .zero) } }
      #expect(first.assignment.count == 2)
      let generation = try broker.admin.describeGroup("g").generation
      _ = log.take()
      try broker.rebalance(group: "g")
      for _ in 0..<3 { for consumer in [first, second] { _ = try await consumer.poll(timeout: .zero) } }
      #expect(try broker.admin.describeGroup("g").generation > generation)
      #expect(log.take() == ["revoked", "assigned"])
      #expect(first.assignment.count == 2 && second.assignment.count == 2)
    }
  }
}
