import RecordFormat
import Testing

@testable import EventLog

@Suite("A custom assignor's answer")
struct AssignmentValidatorTests {
  private struct Fixed: PartitionAssignor {
    let name = "fixed"
    var isCooperative = false
    var answer: [String: String]

    func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
      answer.mapValues(AssignorScenario.partitions)
    }
  }

  private let members = [
    AssignorMember(id: "a", topics: ["t", "u"], owned: [TopicPartition("t", 0)], generation: 1),
    AssignorMember(id: "b", topics: ["t"]),
  ]

  private func assign(_ answer: [String: String], isCooperative: Bool = false) throws -> [String: [TopicPartition]] {
    try GroupAssignor(Fixed(isCooperative: isCooperative, answer: answer))
      .checkedAssign(partitionCounts: ["t": 2, "u": 1], members: members)
  }

  @Test("is taken when it is valid, also if it leaves something out")
  func valid() throws {
    #expect(try assign(["a": "t:0 u:0", "b": "t:1"]).values.joined().count == 3)
    #expect(try assign(["b": "t:1"]).keys.sorted() == ["b"])
    #expect(try assign([:]).isEmpty)
  }

  @Test(
    "is refused when it names",
    arguments: [
      ("nobody in the group", ["c": "t:0"], "no member"),
      ("a partition that does not exist", ["a": "t:2"], "does not exist"),
      ("a topic that does not exist", ["a": "v:0"], "does not exist"),
      ("a topic that the member did not subscribe to", ["b": "u:0"], "did not subscribe"),
      ("two members for a partition", ["a": "t:0,1", "b": "t:1"], "both a and b"),
      ("a partition twice", ["a": "t:1,1"], "a twice"),
    ] as [(String, [String: String], String)])
  func refused(what: String, answer: [String: String], message: String) {
    let error = #expect(throws: EventLogError.self) { try assign(answer) }
    #expect(error?.code == .illegalState)
    #expect(error?.message.contains(message) == true && error?.message.contains("fixed") == true)
    #expect(error?.topic != nil)
  }

  @Test("is refused in the cooperative protocol when it gives what another member still has")
  func handover() throws {
    let error = #expect(throws: EventLogError.self) { try assign(["b": "t:0"], isCooperative: true) }
    #expect(error?.partition == 0)
    #expect(try assign(["b": "t:0"]).count == 1)
    #expect(try assign(["a": "t:0", "b": "t:1"], isCooperative: true).count == 2)
  }

  @Test("decides under the name by which members agree on it")
  func names() throws {
    let custom = GroupAssignor(Fixed(answer: [:]))
    #expect(custom == GroupAssignor(Fixed(isCooperative: true, answer: ["a": "t:0"])))
    #expect(GroupAssignor.allBuiltIn.map(\.name) == ["range", "roundrobin", "sticky", "cooperative-sticky"])
    #expect(GroupAssignor.allBuiltIn.map(\.isCooperative) == [false, false, false, true])
    #expect(GroupAssignor(name: "roundrobin") == .roundRobin)
    #expect(GroupAssignor(name: "fixed") == nil)
  }

  @Test("needs a name of its own")
  func ownName() throws {
    struct Impostor: PartitionAssignor {
      let name: String
      func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] { [:] }
    }
    var configuration = ConsumerConfiguration()
    for wrong: [GroupAssignor] in [
      [], [.range, .range], [GroupAssignor(Impostor(name: "sticky"))], [GroupAssignor(Impostor(name: ""))],
    ] {
      configuration.assignors = wrong
      let error = #expect(throws: EventLogError.self) { try configuration.validate() }
      #expect(error?.code == .invalidConfig)
    }
    configuration.assignors = [GroupAssignor(Impostor(name: "own")), .range]
    try configuration.validate()
  }
}
