import EventLog
import EventLogTesting
import Testing

/// What becomes of partitions whose topic was deleted, and maybe made again: they have the names of others by then.
@Suite("A consumer of a topic that is deleted")
struct DeletedTopicTests {
  private let a0 = TopicPartition("a", 0)
  private let b0 = TopicPartition("b", 0)

  private func configuration(
    autoCommit: Bool = false, _ assignors: [GroupAssignor] = [.range], _ groupProtocol: GroupProtocol = .classic
  ) -> ConsumerConfiguration {
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.autoOffsetReset = .earliest
    configuration.enableAutoCommit = autoCommit
    configuration.assignors = assignors
    configuration.groupProtocol = groupProtocol
    return configuration
  }

  private func values(_ prefix: String, _ count: Int) -> [String] { (0..<count).map { "\(prefix)\($0)" } }

  @Test(
    "reads the one that is made in its place from its beginning: what it had read of the old one is not committed for it",
    arguments: [
      ([GroupAssignor.range], GroupProtocol.classic), ([.cooperativeSticky], .classic), ([.range], .consumer),
    ])
  func madeAgain(assignors: [GroupAssignor], groupProtocol: GroupProtocol) async throws {
    try await withTestBroker { broker in
      try await broker.produce("a", values: values("old", 5))
      let consumer = try broker.consumer(configuration(autoCommit: true, assignors, groupProtocol))
      try consumer.subscribe(["a"])
      #expect(try await consumer.poll(timeout: .zero).count == 5)
      try broker.admin.deleteTopic("a")
      try await broker.produce("a", values: values("new", 10))
      var seen: [String?] = []
      for _ in 0..<3 { seen += try await consumer.poll(timeout: .zero).map(\.valueString) }
      #expect(seen == values("new", 10))
      try await consumer.close()
      try broker.expectCommitted(by: "g", [a0: 10])
    }
  }

  @Test(
    "commits before the rebalance what it has read of the other topics, which does not come again",
    arguments: [[GroupAssignor.range], [.cooperativeSticky]])
  func otherTopics(assignors: [GroupAssignor]) async throws {
    try await withTestBroker { broker in
      for topic in ["a", "b"] { try await broker.produce(topic, values: values(topic, 2)) }
      let consumer = try broker.consumer(configuration(autoCommit: true, assignors))
      try consumer.subscribe(["a", "b"])
      #expect(try await consumer.poll(timeout: .zero).count == 4)
      try broker.admin.deleteTopic("b")
      for _ in 0..<3 { #expect(try await consumer.poll(timeout: .zero).isEmpty) }
      try broker.expectCommitted(by: "g", [a0: 2])
      try await consumer.close()
      #expect(broker.warnings.isEmpty)
    }
  }

  enum Commit: CaseIterable { case waitedFor, inBackground, told, automatic, closing }

  @Test(
    "of which it has assigned itself a partition commits its other positions all the same, and only those",
    arguments: Commit.allCases, [false, true])
  func assigned(commit: Commit, isMadeAgain: Bool) async throws {
    try await withTestBroker { broker in
      for topic in ["a", "b"] { try await broker.produce(topic, values: values(topic, 5)) }
      let consumer = try broker.consumer(configuration(autoCommit: commit == .automatic || commit == .closing))
      try consumer.assign([a0, b0])
      #expect(try await consumer.poll(timeout: .zero).count == 10)
      if commit == .inBackground { try consumer.commitAsync() }
      try broker.admin.deleteTopic("b")
      if isMadeAgain { try await broker.produce("b", values: values("new", 1)) }
      try await broker.produce("a", values: ["one more"])
      #expect(try await consumer.poll(timeout: .zero).map(\.valueString) == ["one more"])
      switch commit {
      case .waitedFor: try await consumer.commit()
      case .inBackground: for _ in 0..<3 { try consumer.commitAsync() }
      case .told: try consumer.commitAsync { error in #expect(error == nil) }
      // What it had is committed before it takes others.
      case .automatic: try consumer.assign([a0])
      case .closing: break
      }
      try await consumer.close()
      try broker.expectCommitted(by: "g", [a0: 6])
    }
  }

  @Test("of which it has assigned itself a partition reads its other partitions, and is told in between")
  func othersAreRead() async throws {
    try await withTestBroker { broker in
      for topic in ["a", "b"] { try await broker.produce(topic, values: values(topic, 1)) }
      let consumer = try broker.consumer(configuration())
      try consumer.assign([a0, b0])
      #expect(try await consumer.poll(timeout: .zero).count == 2)
      try broker.admin.deleteTopic("b")
      var (read, errors) = (0, 0)
      for _ in 0..<3 {
        try await broker.produce("a", values: ["x"])
        for _ in 0..<2 {
          do { read += try await consumer.poll(timeout: .zero).count } catch let error as EventLogError {
            #expect(error.code == .unknownTopicOrPartition)
            errors += 1
          }
        }
      }
      #expect(read == 3)
      #expect(errors == 3)
    }
  }

  @Test("and assigns its partition again begins the new one as any other, and goes on with the rest where it was")
  func assignedAgain() async throws {
    try await withTestBroker { broker in
      for topic in ["a", "b"] { try await broker.produce(topic, values: values(topic, 3)) }
      let consumer = try broker.consumer(configuration())
      try consumer.assign([a0, b0])
      #expect(try await consumer.poll(timeout: .zero).count == 6)
      try broker.admin.deleteTopic("b")
      try await broker.produce("b", values: values("new", 2))
      try consumer.assign([a0, b0])
      #expect(try consumer.position(a0) == 3)
      #expect(try await consumer.poll(timeout: .zero).map(\.valueString) == ["new0", "new1"])
    }
  }
}
