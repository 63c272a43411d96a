import EventLog
import Foundation
import Testing

@Suite("Topics, many at a time")
struct AdminTopicsTests {
  @Test("are created each by itself: one that is refused does not keep the others from it")
  func createsEach() throws {
    let fixture = try AdminFixture()
    let results = try fixture.admin.createTopics(each: [
      NewTopic("good", partitions: 3, configs: ["retention.ms": "5"]), NewTopic("default"),
      NewTopic("one", replicationFactor: 1), NewTopic("two", replicationFactor: 2),
      NewTopic("zero", replicationFactor: 0),
      NewTopic("twice"), NewTopic("twice", partitions: 2), NewTopic("none", partitions: 0), NewTopic("a/b"),
      NewTopic("__offsets"), NewTopic("wrong", configs: ["retention.ms": "soon"]),
      NewTopic("assigned", replicasAssignments: [0: [0], 1: [0]]),
      NewTopic("both", partitions: 2, replicasAssignments: [0: [0], 1: [0]]),
      NewTopic("gap", replicasAssignments: [0: [0], 2: [0]]), NewTopic("elsewhere", replicasAssignments: [0: [1]]),
      NewTopic("copies", replicasAssignments: [0: [0, 0]]), NewTopic("nowhere", replicasAssignments: [0: []]),
    ])
    #expect(try results["good"]?.get().partitions.count == 3)
    #expect(try results["good"]?.get().configs == ["retention.ms": "5"])
    #expect(try results["default"]?.get().partitions.count == 1)
    #expect(try results["assigned"]?.get().partitions.count == 2)
    for (name, code) in [
      ("two", EventLogError.Code.invalidReplicationFactor), ("zero", .invalidReplicationFactor),
      ("twice", .invalidRequest), ("none", .invalidPartitions), ("a/b", .invalidTopic), ("__offsets", .invalidTopic),
      ("wrong", .invalidConfig), ("both", .invalidRequest), ("gap", .invalidReplicaAssignment),
      ("elsewhere", .invalidReplicaAssignment), ("copies", .invalidReplicaAssignment),
      ("nowhere", .invalidReplicaAssignment),
    ] {
      #expect(errorCode(results[name]) == code, "\(name)")
    }
    #expect(try fixture.admin.listTopics() == ["assigned", "default", "good", "one"])
    let again = try fixture.admin.createTopics(each: [NewTopic("good"), NewTopic("new")])
    #expect(errorCode(again["good"]) == .topicAlreadyExists)
    #expect(errorCode(again["new"]) == nil)
  }

  @Test("are only checked with validateOnly: nothing is made, added or changed")
  func validateOnly() throws {
    let fixture = try AdminFixture { $0.defaultPartitions = 7 }
    let results = try fixture.admin.createTopics(each: [NewTopic("t"), NewTopic("..")], validateOnly: true)
    #expect(try results["t"]?.get().partitions.count == 7)
    #expect(errorCode(results[".."]) == .invalidTopic)
    #expect(try fixture.admin.listTopics().isEmpty)
    #expect(try fixture.directory.files("store").allSatisfy { !$0.hasPrefix("t-") })
    try fixture.admin.createTopic("t", partitions: 2)
    try fixture.admin.createPartitions("t", to: 5, validateOnly: true)
    #expect(errorCode { try fixture.admin.createPartitions("t", to: 2, validateOnly: true) } == .invalidPartitions)
    #expect(try fixture.admin.describeTopic("t").partitions.count == 2)
  }

  @Test("grow, are described and deleted each by itself")
  func growAndGo() throws {
    let fixture = try AdminFixture()
    _ = try fixture.admin.createTopics(each: [NewTopic("a"), NewTopic("b", partitions: 2)])
    let grown = try fixture.admin.createPartitions(each: ["a": 3, "b": 1, "c": 2])
    #expect(errorCode(grown["a"]) == nil)
    #expect(errorCode(grown["b"]) == .invalidPartitions)
    #expect(errorCode(grown["c"]) == .unknownTopicOrPartition)
    try fixture.reopen()
    let described = try fixture.admin.describeTopics(each: ["a", "b", "c"])
    #expect(try described["a"]?.get().partitions.map(\.partition) == [0, 1, 2])
    #expect(try described["a"]?.get().isInternal == false)
    #expect(try described["b"]?.get().partitions.count == 2)
    #expect(errorCode(described["c"]) == .unknownTopicOrPartition)
    let deleted = try fixture.admin.deleteTopics(each: ["a", "c"])
    #expect(errorCode(deleted["a"]) == nil)
    #expect(errorCode(deleted["c"]) == .unknownTopicOrPartition)
    #expect(try fixture.admin.listTopics() == ["b"])
  }

  @Test("that metrics could not tell apart are made, with a warning")
  func collisions() throws {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("a.b")
    #expect(fixture.warnings.all.isEmpty)
    try fixture.admin.createTopic("a_b")
    #expect(fixture.warnings.all.map(\.topic) == ["a_b"])
    #expect(fixture.warnings.all.first?.message.contains("a.b") == true)
    try fixture.admin.createTopic("axb")
    #expect(fixture.warnings.all.count == 1)
  }

  @Test("that could not be made, or grown, leave nothing behind; the next try goes well")
  func failures() async throws {
    let fixture = try AdminFixture()
    let stray = fixture.directory("store/t-2")
    try FileManager.default.createDirectory(atPath: stray, withIntermediateDirectories: false)
    #expect(errorCode { try fixture.admin.createTopic("t", partitions: 4) } == .storageError)
    #expect(try fixture.admin.listTopics().isEmpty)
    #expect(try fixture.directory.files("store").filter { $0.hasPrefix("t-") } == ["t-2"])
    try fixture.admin.createTopic("t", partitions: 2)
    #expect(errorCode { try fixture.admin.createPartitions("t", to: 3) } == .storageError)
    #expect(try fixture.admin.describeTopic("t").partitions.count == 2)
    try FileManager.default.removeItem(atPath: stray)
    try fixture.admin.createPartitions("t", to: 4)
    try await fixture.broker.producer().send("t", partition: 3, value: "v")
    try fixture.reopen()
    #expect(try fixture.admin.describeTopic("t").partitions.map(\.logEndOffset) == [0, 0, 0, 1])
  }
}
