import EventLog
import EventLogTesting
import Synchronization
import Testing

/// Notes what it is told, and does what a test wants done meanwhile.
final class ListenerLog: RebalanceListener {
  private let events = Mutex<[String]>([])
  private let onRevoked: @Sendable (Consumer, [TopicPartition]) async throws -> Void
  private let onAssigned: @Sendable (Consumer, [TopicPartition]) async throws -> Void

  init(
    onRevoked: @escaping @Sendable (Consumer, [TopicPartition]) async throws -> Void = { _, _ in },
    onAssigned: @escaping @Sendable (Consumer, [TopicPartition]) async throws -> Void = { _, _ in }
  ) {
    self.onRevoked = onRevoked
    self.onAssigned = onAssigned
  }

  func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
    note("revoked", partitions, consumer)
    try await onRevoked(consumer, partitions)
  }

  func partitionsAssigned(_ partitions: [TopicPartition], to consumer: Consumer) async throws {
    note("assigned", partitions, consumer)
    try await onAssigned(consumer, partitions)
  }

  func partitionsLost(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
    note("lost", partitions, consumer)
  }

  private func note(_ what: String, _ partitions: [TopicPartition], _ consumer: Consumer) {
    // Whatever is said of partitions, the consumer has them then.
    let isThere = consumer.assignment.isSuperset(of: partitions)
    events.withLock { $0.append("\(what) \(partitions.map(\.partition))" + (isThere ? "" : " that are gone")) }
  }

  func take() -> [String] {
    events.withLock { events in
      defer { events = [] }
      return events
    }
  }
}

@Suite("A consumer in a group")
struct ConsumerGroupTests {
  private let t0 = TopicPartition("t", 0)

  private func configuration(
    _ assignors: [GroupAssignor] = [.range], _ groupProtocol: GroupProtocol = .classic
  ) -> ConsumerConfiguration {
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.autoOffsetReset = .earliest
    configuration.enableAutoCommit = false
    configuration.assignors = assignors
    configuration.groupProtocol = groupProtocol
    return configuration
  }

  /// Both poll in turn until nothing moves any more.
  private func settle(_ consumers: Consumer...) async throws {
    for _ in 0..<5 { for consumer in consumers { _ = try await consumer.poll(timeout: .zero) } }
  }

  @Test("is told of partitions while it has them: revoked before they go, lost when the group went on without it")
  func order() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 2)
      let log = ListenerLog()
      let consumer = try broker.consumer(configuration())
      try consumer.subscribe(["t"], listener: log)
      _ = try await consumer.poll(timeout: .zero)
      #expect(log.take() == ["assigned [0, 1]"])
      try broker.evict(consumer)
      _ = try await consumer.poll(timeout: .zero)
      #expect(log.take() == ["lost [0, 1]", "assigned [0, 1]"])
      try broker.rebalance(group: "g")
      _ = try await consumer.poll(timeout: .zero)
      #expect(log.take() == ["revoked [0, 1]", "assigned [0, 1]"])
      try await consumer.close()
      #expect(log.take() == ["revoked [0, 1]"])
    }
  }

  @Test("of KIP-848's protocol is told only of what moves, and of each new assignment")
  func consumerProtocol() async throws {
    // By its own clock: on a machine that takes minutes for this, sessions would end.
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t", partitions: 4)
      let log = ListenerLog { consumer, _ in try await consumer.commit() }
      let first = try broker.consumer(configuration([.range], .consumer))
      try first.subscribe(["t"], listener: log)
      _ = try await first.poll(timeout: .zero)
      #expect(log.take() == ["assigned [0, 1, 2, 3]"])
      let second = try broker.consumer(configuration([.range], .consumer))
      try second.subscribe(["t"])
      try await settle(second, first)
      #expect(first.assignment.count == 2 && second.assignment.count == 2)
      let events = log.take()
      #expect(events.count == 2 && events[0].hasPrefix("revoked [") && events[1] == "assigned []", "\(events)")
      #expect(try broker.admin.describeGroup("g").state == .stable)
    }
  }

  @Test(
    "goes on where its listener throws: poll throws that, once, and the rebalance is carried through",
    arguments: [[GroupAssignor.range], [.cooperativeSticky]])
  func throwing(assignors: [GroupAssignor]) async throws {
    struct Refused: Error {}
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 4)
      let isAngry = Atomic(false)
      let angry = ListenerLog { _, _ in
        if isAngry.load(ordering: .acquiring) { throw Refused() }
      }
      let first = try broker.consumer(configuration(assignors))
      try first.subscribe(["t"], listener: angry)
      _ = try await first.poll(timeout: .zero)
      isAngry.store(true, ordering: .releasing)
      let second = try broker.consumer(configuration(assignors))
      try second.subscribe(["t"])
      var thrown = 0
      for _ in 0..<6 {
        do { _ = try await first.poll(timeout: .zero) } catch is Refused { thrown += 1 }
        _ = try await second.poll(timeout: .zero)
      }
      #expect(thrown == 1)
      #expect(first.assignment.count == 2 && second.assignment.count == 2)
    }
  }

  @Test("that waits in a poll is not late, however long it waits", arguments: [GroupProtocol.classic, .consumer])
  func longPoll(groupProtocol: GroupProtocol) async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("t")
      let log = ListenerLog()
      let consumer = try broker.consumer(configuration([.range], groupProtocol))
      try consumer.subscribe(["t"], listener: log)
      _ = try await consumer.poll(timeout: .zero)
      let poll = Task { try await consumer.poll(timeout: .seconds(7200)) }
      try await clock.untilTimer(in: .seconds(7200))
      try await broker.advance(by: .seconds(3600))
      try await broker.produce("t", values: ["x"])
      #expect(try await poll.value.count == 1)
      #expect(log.take() == ["assigned [0]"])
      try await consumer.commit()

      // Who stays away from poll is late.
      try await broker.advance(by: .seconds(299))
      #expect(try broker.admin.describeGroup("g").members.count == 1)
      try await broker.advance(by: .seconds(1))
      #expect(try broker.admin.describeGroup("g").members.isEmpty)
      #expect(await code { try await consumer.commit() } == .commitFailed)
      _ = try await consumer.poll(timeout: .zero)
      #expect(log.take() == ["lost [0]", "assigned [0]"])
    }
  }

  @Test("keeps what it keeps: position and pause survive a cooperative rebalance, and an eager one forgets the pause")
  func pause() async throws {
    for (assignors, isKept) in [([GroupAssignor.cooperativeSticky], true), ([.range], false)] {
      try await withTestBroker { broker in
        try await broker.produce("t", values: ["a", "b", "c"])
        let consumer = try broker.consumer(configuration(assignors))
        try consumer.subscribe(["t"])
        _ = try await consumer.poll(timeout: .zero)
        try consumer.seek(t0, to: 1)
        try consumer.pause([t0])
        try consumer.enforceRebalance()
        let again = try await consumer.poll(timeout: .zero)
        #expect(consumer.paused == (isKept ? [t0] : []))
        #expect(again.count == (isKept ? 0 : 3), "an eager member begins where the group committed: nowhere")
        #expect(try consumer.position(t0) == (isKept ? 1 : 3))
      }
    }
  }

  @Test("may seek in assigned, and begins there")
  func seekInCallback() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a", "b", "c"])
      let consumer = try broker.consumer(configuration())
      try consumer.subscribe(
        ["t"],
        listener: ListenerLog(onAssigned: { consumer, partitions in
          for partition in partitions { try consumer.seek(partition, to: 2) }
        }))
      try broker.expect(try await consumer.poll(timeout: .zero), toBe: ["c"])
      #expect(try consumer.currentLag(t0) == 0)
    }
  }

  @Test("is refused a commit while the group divides its partitions, but not inside revoked")
  func midRebalance() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a", "b"])
      let consumer = try broker.consumer(configuration([.cooperativeSticky]))
      try consumer.subscribe(["t"])
      #expect(try await consumer.poll(timeout: .zero).count == 2)
      let other = try broker.consumer(configuration([.cooperativeSticky]))
      try other.subscribe(["t"])
      _ = try await other.poll(timeout: .zero)
      try await settle(consumer, other)
      try broker.rebalance(group: "g")
      // It has joined, and the other one has not.
      _ = try await consumer.poll(timeout: .zero)
      #expect(await code { try await consumer.commit() } == .rebalanceInProgress)
      try await settle(consumer, other)
      try await consumer.commit()
      try broker.expectCommitted(by: "g", [t0: 2])
    }
  }

  @Test(
    "leaves in the middle of a rebalance with all that it had read committed",
    arguments: [[GroupAssignor.range], [.cooperativeSticky]])
  func leavesMidRebalance(assignors: [GroupAssignor]) async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a", "b"])
      var auto = configuration(assignors)
      auto.enableAutoCommit = true
      let first = try broker.consumer(auto)
      try first.subscribe(["t"])
      #expect(try await first.poll(timeout: .zero).count == 2)
      let second = try broker.consumer(auto)
      try second.subscribe(["t"])
      _ = try await second.poll(timeout: .zero)
      _ = try await first.poll(timeout: .zero)
      // The rebalance is over, and the first one was not told yet.
      try await first.close()
      try broker.expectCommitted(by: "g", [t0: 2])
      _ = try await second.poll(timeout: .zero)
      #expect(second.assignment == [t0])
      #expect(try second.position(t0) == 2)
    }
  }

  @Test("that its loop alone holds leaves when the loop ends, with all committed but the record in hand")
  func breaks() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a", "b", "c"])
      for try await record in try broker.consumer(group: "g", topics: ["t"]).records where record.offset == 1 { break }
      let next = try broker.consumer(group: "g", topics: ["t"])
      try broker.expect(try await next.poll(timeout: .seconds(10)), toBe: ["b", "c"])
    }
  }

  @Test("gives out tombstones, and goes on after an error that does not end it")
  func results() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let producer = try broker.producer()
      for value in [Array("a".utf8), nil, Array("c".utf8)] {
        try await producer.send("t", key: [1], value: value)
      }
      try broker.corrupt("t", offset: 0)
      let consumer = try broker.consumer(group: "g", topics: ["t"])
      var seen: [String] = []
      for try await result in consumer.results {
        switch result {
        case .success(let record): seen.append(record.isTombstone ? "tombstone" : record.valueString ?? "")
        case .failure(let error):
          seen.append(error.code.name)
          try consumer.seek(t0, to: 1)
        }
        if seen.count == 3 { break }
      }
      #expect(seen == ["CORRUPT_MESSAGE", "tombstone", "c"])
    }
  }

  @Test("with a damaged partition reads the others")
  func damagedNeighbour() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 2)
      let producer = try broker.producer()
      for number in 0..<6 { try await producer.send("t", partition: number % 2, value: "\(number)") }
      try broker.corrupt("t", partition: 0, offset: 0)
      let consumer = try broker.consumer(configuration())
      try consumer.subscribe(["t"])
      var (read, errors) = (0, 0)
      for _ in 0..<4 {
        do { read += try await consumer.poll(timeout: .zero).count } catch let error as EventLogError {
          #expect(error.code == .corruptMessage)
          errors += 1
        }
      }
      #expect(read == 3)
      #expect(errors == 3)
    }
  }

  @Test("looks at partitions in turn, and a batch larger than all limits holds up none")
  func fairness() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 3)
      let producer = try broker.producer()
      let large = String(repeating: "x", count: 5000)
      for partition in 0..<3 {
        for _ in 0..<4 { try await producer.send("t", partition: partition, value: partition == 1 ? large : "x") }
      }
      var configuration = configuration()
      configuration.maxPollRecords = 1
      configuration.fetchMaxBytes = 100
      configuration.maxPartitionFetchBytes = 100
      let consumer = try broker.consumer(configuration)
      try consumer.subscribe(["t"])
      var order: [Int] = []
      for _ in 0..<12 { order += try await consumer.poll(timeout: .zero).map(\.partition) }
      #expect(order == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
    }
  }

  @Test("is static with group.instance.id: it comes back to its partitions without a rebalance, the older is fenced")
  func staticMember() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("t", partitions: 2)
      var one = configuration()
      one.groupInstanceID = "one"
      var two = configuration()
      two.groupInstanceID = "two"
      let log = ListenerLog()
      let other = try broker.consumer(two)
      try other.subscribe(["t"], listener: log)
      let first = try broker.consumer(one)
      try first.subscribe(["t"])
      try await settle(first, other)
      let before = first.assignment
      #expect(before.count == 1)
      _ = log.take()
      try await first.close()
      let again = try broker.consumer(one)
      try again.subscribe(["t"])
      _ = try await again.poll(timeout: .zero)
      _ = try await other.poll(timeout: .zero)
      #expect(again.assignment == before)
      #expect(log.take().isEmpty, "nobody else notices")
      let newest = try broker.consumer(one)
      try newest.subscribe(["t"])
      _ = try await newest.poll(timeout: .zero)
      #expect(newest.assignment == before)
      #expect(await code { try await again.commit() } == .fencedInstanceID)
      for _ in 0..<2 { #expect(await code { _ = try await again.poll(timeout: .zero) } == .fencedInstanceID) }
      // Its place is given away when its session is over, or when an administrator says so.
      try await newest.close()
      try broker.admin.removeMembers(from: "g", ["one"])
      _ = try await other.poll(timeout: .zero)
      #expect(other.assignment.count == 2)
    }
  }

  @Test("is put out of its group by an administrator, and joins anew")
  func removed() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let log = ListenerLog()
      let consumer = try broker.consumer(configuration())
      try consumer.subscribe(["t"], listener: log)
      _ = try await consumer.poll(timeout: .zero)
      let id = try #require(consumer.memberID)
      let outcome = try broker.admin.removeMembers(from: "g", [id, "nobody"])
      guard case .success? = outcome[id], case .failure(let error)? = outcome["nobody"] else {
        Issue.record("\(outcome)")
        return
      }
      #expect(error.code == .unknownMemberID)
      #expect(await code { try broker.admin.removeMembers(from: "unknown") } == .groupIDNotFound)
      _ = try await consumer.poll(timeout: .zero)
      #expect(log.take() == ["assigned [0]", "lost [0]", "assigned [0]"])
      #expect(consumer.memberID != id)
    }
  }
}
