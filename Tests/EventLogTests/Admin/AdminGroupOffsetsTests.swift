import EventLog
import Testing

@Suite("Offsets of groups")
struct AdminGroupOffsetsTests {
  private let parts = (0..<3).map { TopicPartition("t", $0) }

  private func fixture() throws -> AdminFixture {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t", partitions: 3)
    let producer = try fixture.broker.producer(ProducerConfiguration(acks: .leader))
    for partition in parts {
      try producer.append((0..<10).map { Record(value: "v", timestamp: Int64($0) * 100) }, to: partition)
    }
    return fixture
  }

  @Test("are set, listed and forgotten each by itself, with Kafka's errors")
  func each() throws {
    let fixture = try fixture()
    let set = try fixture.admin.alterConsumerGroupOffsets(
      "g",
      each: [
        parts[0]: OffsetAndMetadata(3, leaderEpoch: 0, metadata: "m"), parts[1]: OffsetAndMetadata(-1),
        parts[2]: OffsetAndMetadata(1, metadata: String(repeating: "x", count: 4097)),
        TopicPartition("t", 3): OffsetAndMetadata(1), TopicPartition("none", 0): OffsetAndMetadata(1),
      ])
    #expect(errorCode(set[parts[0]]) == nil)
    #expect(errorCode(set[parts[1]]) == .illegalArgument)
    #expect(errorCode(set[parts[2]]) == .offsetMetadataTooLarge)
    #expect(errorCode(set[TopicPartition("t", 3)]) == .unknownTopicOrPartition)
    #expect(errorCode(set[TopicPartition("none", 0)]) == .unknownTopicOrPartition)
    try fixture.reopen()
    try fixture.admin.alterConsumerGroupOffsets("h", [parts[0]: OffsetAndMetadata(7), parts[1]: OffsetAndMetadata(8)])
    let listed = try fixture.admin.listConsumerGroupOffsets(each: ["g", "h", "none"])
    #expect(try listed["g"]?.get() == [parts[0]: OffsetAndMetadata(3, leaderEpoch: 0, metadata: "m")])
    #expect(try listed["h"]?.get().count == 2)
    #expect(errorCode(listed["none"]) == .groupIDNotFound)
    #expect(
      try fixture.admin.listConsumerGroupOffsets("h", of: [parts[1], parts[2]]) == [parts[1]: OffsetAndMetadata(8)])
    let gone = try fixture.admin.deleteConsumerGroupOffsets(
      "h", each: [parts[0], parts[2], TopicPartition("none", 0)])
    #expect(errorCode(gone[parts[0]]) == nil)
    #expect(errorCode(gone[parts[2]]) == nil, "nothing was committed, and nothing is")
    #expect(errorCode(gone[TopicPartition("none", 0)]) == .unknownTopicOrPartition)
    try fixture.reopen()
    #expect(try fixture.admin.listConsumerGroupOffsets("h") == [parts[1]: OffsetAndMetadata(8)])
    let deleted = try fixture.admin.deleteConsumerGroups(each: ["g", "none"])
    #expect(errorCode(deleted["g"]) == nil)
    #expect(errorCode(deleted["none"]) == .groupIDNotFound)
    #expect(try fixture.admin.listGroups().map(\.id) == ["h"])
  }

  @Test("set all together are set all, or none")
  func allOrNone() throws {
    let fixture = try fixture()
    let offsets = [parts[0]: OffsetAndMetadata(1), TopicPartition("none", 0): OffsetAndMetadata(1)]
    #expect(
      errorCode { try fixture.admin.alterConsumerGroupOffsets("g", offsets) } == .unknownTopicOrPartition)
    #expect(errorCode { _ = try fixture.admin.listConsumerGroupOffsets("g") } == .groupIDNotFound)
    #expect(errorCode { try fixture.admin.alterConsumerGroupOffsets("", [:]) } == .invalidGroupID)
  }

  @Test("are the members' alone while there are any")
  func members() async throws {
    let fixture = try fixture()
    try fixture.admin.alterConsumerGroupOffsets("g", [parts[0]: OffsetAndMetadata(2)])
    let consumer = try fixture.broker.consumer(group: "g", topics: ["t"])
    _ = try await consumer.poll(timeout: .zero)
    let admin = fixture.admin
    #expect(errorCode { try admin.alterConsumerGroupOffsets("g", [:]) } == .unknownMemberID)
    #expect(errorCode { _ = try admin.alterConsumerGroupOffsets("g", each: [:]) } == .unknownMemberID)
    #expect(errorCode { try admin.resetConsumerGroupOffsets("g", to: .earliest) } == .nonEmptyGroup)
    #expect(errorCode { try admin.resetConsumerGroupOffsets("g", to: .earliest, dryRun: true) } == .nonEmptyGroup)
    #expect(errorCode { try admin.deleteConsumerGroupOffsets("g", [parts[0]]) } == .groupSubscribedToTopic)
    #expect(
      errorCode(try admin.deleteConsumerGroupOffsets("g", each: [parts[0]])[parts[0]]) == .groupSubscribedToTopic)
    #expect(errorCode(try admin.deleteConsumerGroups(each: ["g"])["g"]) == .nonEmptyGroup)
    try await consumer.close()
    try admin.resetConsumerGroupOffsets("g", to: .earliest)
    #expect(try admin.listConsumerGroupOffsets("g")[parts[0]]?.offset == 0)
  }

  @Test(
    "are reset to where is asked, but not beyond the log",
    arguments: [
      (.earliest, [4, 0, 0]), (.latest, [10, 10, 10]), (.offset(7), [7, 7, 7]), (.offset(1), [4, 1, 1]),
      (.offset(99), [10, 10, 10]), (.offset(-5), [4, 0, 0]), (.datetime(250), [4, 3, 3]), (.datetime(801), [9, 9, 9]),
      (.datetime(901), [10, 10, 10]), (.duration(.zero), [10, 10, 10]), (.current, [6, 10, 10]),
      (.offsets([TopicPartition("t", 0): 5, TopicPartition("t", 1): 1, TopicPartition("t", 2): 11]), [5, 1, 10]),
    ] as [(OffsetResetTarget, [Int64])])
  func reset(target: OffsetResetTarget, expected: [Int64]) throws {
    let fixture = try fixture()
    try fixture.admin.deleteRecords(parts[0], before: 4)
    try fixture.admin.alterConsumerGroupOffsets("g", [parts[0]: OffsetAndMetadata(6)])
    let reader = try fixture.openReadOnly()
    let dry = try reader.admin.resetConsumerGroupOffsets("g", of: parts, to: target, dryRun: true)
    try reader.close()
    #expect(dry.changes.map(\.newOffset) == expected)
    #expect(dry.changes.map(\.currentOffset) == [6, nil, nil])
    #expect(!dry.isExecuted)
    #expect(try fixture.admin.listConsumerGroupOffsets("g") == [parts[0]: OffsetAndMetadata(6)])
    let plan = try fixture.admin.resetConsumerGroupOffsets("g", of: parts, to: target)
    #expect(plan.changes == dry.changes)
    #expect(plan.isExecuted)
    #expect(try fixture.admin.listConsumerGroupOffsets("g").mapValues(\.offset) == plan.offsets)
  }

  @Test("are shifted from what is committed, kept within the log, and refused where nothing is")
  func shift() throws {
    let fixture = try fixture()
    let admin = fixture.admin
    #expect(errorCode { try admin.resetConsumerGroupOffsets("g", to: .latest) } == .invalidRequest)
    #expect(errorCode { try admin.resetConsumerGroupOffsets("", of: parts, to: .latest) } == .invalidGroupID)
    try admin.alterConsumerGroupOffsets("g", [parts[0]: OffsetAndMetadata(5)])
    for (distance, expected) in [(3, 8), (-9, 0), (9, 10), (.min, 0), (.max, 10)] as [(Int64, Int64)] {
      let plan = try admin.resetConsumerGroupOffsets("g", to: .shift(by: distance), dryRun: true)
      #expect(plan.changes.map(\.newOffset) == [expected])
      #expect((plan.changes[0].wantedOffset == nil) == (distance == 3))
    }
    #expect(errorCode { try admin.resetConsumerGroupOffsets("g", of: parts, to: .shift(by: 1)) } == .illegalArgument)
    #expect(try admin.listConsumerGroupOffsets("g").count == 1)
    let ages = Duration.seconds(200_000_000_000)
    #expect(errorCode { try admin.resetConsumerGroupOffsets("g", to: .duration(ages)) } == .illegalArgument)
    #expect(
      errorCode { try admin.resetConsumerGroupOffsets("g", of: [TopicPartition("t", 7)], to: .latest) }
        == .unknownTopicOrPartition)
  }

  @Test("are taken to a file and back, also in the forms that Kafka's tool writes")
  func csv() throws {
    let fixture = try fixture()
    let plan = try fixture.admin.resetConsumerGroupOffsets("g", of: parts, to: .offset(4), dryRun: true)
    #expect(plan.csv == "t,0,4\nt,1,4\nt,2,4\n")
    #expect(try OffsetResetPlan.offsets(csv: plan.csv, group: "g") == plan.offsets)
    #expect(
      try OffsetResetPlan.offsets(csv: "\"t\",0,4\r\n\n g , \"t\" , 1, 5\nother,t,2,6", group: "g")
        == [parts[0]: 4, parts[1]: 5])
    for wrong in ["t,0", "t,x,1", "t,0,1,2,3", "t,-1,4", "t,0,4\nt,0,5"] {
      #expect(errorCode { _ = try OffsetResetPlan.offsets(csv: wrong, group: "g") } == .illegalArgument, "\(wrong)")
    }
  }
}
