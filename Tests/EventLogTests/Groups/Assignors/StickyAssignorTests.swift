import RecordFormat
import Testing

@testable import EventLog

@Suite("The sticky assignor")
struct StickyAssignorTests {
  static let equalTopics: [AssignorScenario] = [
    .init("gives a member without topics nothing", [:], .init("consumer", "", gets: "")),
    .init("passes over a topic that does not exist", [:], .init("consumer", "t", has: "t:0,1", gets: "")),
    .init(
      "takes away what is no longer subscribed", ["t": 2], .init("consumer", "t", has: "t:0,1 o:0,1", gets: "t:0,1")),
    .init("forgets partitions that are gone", ["t": 2], .init("consumer", "t", has: "t:0,1,2,3", gets: "t:0,1")),
    .init(
      "deals in turn", ["t1": 3, "t2": 3], .init("consumer1", "t1 t2", gets: "t1:0,2 t2:1"),
      .init("consumer2", "t1 t2", gets: "t1:1 t2:0,2")),
    .init(
      "gives one more to a member with its even share", ["t1": 2, "t2": 3],
      .init("consumer1", "t1 t2", has: "t1:0 t2:1", gets: "t1:0 t2:0,1"),
      .init("consumer2", "t1 t2", has: "t1:1 t2:2", gets: "t1:1 t2:2")),
    .init(
      "takes from the member that Kafka would, of two that have one too many", ["t1": 2, "t2": 2],
      .init("consumer1", "t1 t2", has: "t1:0 t2:0", gets: "t1:0"),
      .init("consumer2", "t1 t2", has: "t1:1 t2:1", gets: "t1:1 t2:1"),
      .init("consumer3", "t1 t2", gets: "t2:0")),
    .init(
      "fills those that have too few", ["t1": 2, "t2": 3],
      .init("consumer1", "t1 t2", has: "t1:0", gets: "t1:0 t2:1"),
      .init("consumer2", "t1 t2", has: "t1:1", gets: "t1:1 t2:2"), .init("consumer3", "t1 t2", gets: "t2:0")),
    .init(
      "takes the last from a member that was alone", ["t": 3],
      .init("consumer1", "t", has: "t:0,1,2", gets: "t:0,1"), .init("consumer2", "t", gets: "t:2")),
    .init(
      "gives all to the one that is left", ["t": 3], .init("consumer2", "t", has: "t:2", gets: "t:0,1,2")),
    .init(
      "spreads two members' topics over four", ["t1": 3, "t2": 4],
      .init("consumer1", "t1 t2", has: "t1:0,2 t2:1,3", gets: "t1:0 t2:1"),
      .init("consumer2", "t1 t2", has: "t1:1 t2:0,2", gets: "t1:1 t2:0"),
      .init("consumer3", "t1 t2", gets: "t1:2 t2:3"), .init("consumer4", "t1 t2", gets: "t2:2")),
    .init(
      "gives two members what two others left", ["t1": 3, "t2": 4],
      .init("consumer3", "t1 t2", has: "t1:2 t2:3", gets: "t1:0,2 t2:1,3"),
      .init("consumer4", "t1 t2", has: "t2:2", gets: "t1:1 t2:0,2")),
    .init(
      "knows when all have their share", ["t": 4], .init("consumer1", "t", has: "t:0,1", gets: "t:0,1"),
      .init("consumer2", "t", has: "t:2", gets: "t:2"), .init("consumer3", "t", gets: "t:3")),
    .init(
      "lets the newer generation's claim win", ["t": 3, "t2": 3],
      .init("consumer1", "t t2", has: "t:0,2 t2:1", generation: 10, gets: "t:0,2 t2:1"),
      .init("consumer2", "t t2", has: "t:0,2 t2:1", generation: 9, gets: "t:1 t2:0,2")),
    .init(
      "lets any generation win over none", ["t": 3, "t2": 3],
      .init("consumer1", "t t2", has: "t:0,2 t2:1", generation: 10, gets: "t:0,2 t2:1"),
      .init("consumer2", "t t2", has: "t:0,2 t2:1", generation: -1, gets: "t:1 t2:0,2")),
    .init(
      "takes from an older claim only what is disputed", ["t": 3, "t2": 3],
      .init("consumer1", "t t2", has: "t:0,1 t2:1", generation: 10, gets: "t:0,1 t2:1"),
      .init("consumer2", "t t2", has: "t:0 t2:1,2", generation: 8, gets: "t:2 t2:0,2")),
    .init(
      "believes neither of two claims of one generation", ["t": 3],
      .init("consumer1", "t", has: "t:0,1", gets: "t:1"), .init("consumer2", "t", has: "t:0,2", gets: "t:2"),
      .init("consumer3", "t", gets: "t:0")),
    .init(
      "decides between three generations", ["t": 3, "t2": 3, "t3": 3],
      .init("consumer1", "t t2 t3", has: "t:0 t2:0 t3:0", generation: 10, gets: "t:0 t2:0 t3:0"),
      .init("consumer2", "t t2 t3", has: "t:1 t2:1 t3:1", generation: 9, gets: "t:1 t2:1 t3:1"),
      .init("consumer3", "t t2 t3", has: "t2:1 t3:0,2", generation: 8, gets: "t:2 t2:2 t3:2")),
    .init(
      "leaves the old members alone when a new one comes", ["t": 3, "t1": 3, "t2": 3, "t3": 3],
      .init("consumer1", "t t1 t2 t3", generation: -1, gets: "t1:2 t2:1 t3:0"),
      .init("consumer2", "t t1 t2 t3", has: "t:0 t1:0 t2:0", generation: 9, gets: "t:0 t1:0 t2:0"),
      .init("consumer3", "t t1 t2 t3", has: "t1:1 t2:2 t3:2", generation: 8, gets: "t1:1 t2:2 t3:2"),
      .init("consumer4", "t t1 t2 t3", has: "t:1,2 t3:1", generation: 7, gets: "t:1,2 t3:1")),
    .init(
      "deals three topics to three members", ["t1": 6, "t2": 7, "t3": 2],
      .init("consumer0", "t1 t2 t3", gets: "t1:0,3 t2:0,3,6"),
      .init("consumer1", "t1 t2 t3", gets: "t1:1,4 t2:1,4 t3:0"),
      .init("consumer2", "t1 t2 t3", gets: "t1:2,5 t2:2,5 t3:1")),
    .init(
      "takes from each topic when a member has to give up half", ["t1": 4, "t2": 4],
      .init("consumer1", "t1 t2", has: "t1:0,1,2,3 t2:0,1,2,3", gets: "t1:0,1 t2:0,1"),
      .init("consumer2", "t1 t2", gets: "t1:2,3 t2:2,3")),
  ]

  static let differentTopics: [AssignorScenario] = [
    .init(
      "spares the one who alone can have a topic", ["t1": 3, "t2": 2],
      .init("consumer1", "t1", gets: "t1:0,2"), .init("consumer2", "t1 t2", gets: "t2:0,1"),
      .init("consumer3", "t1", gets: "t1:1")),
    .init(
      "does well where round robin does badly", ["topic1": 2, "topic2": 1, "topic3": 2, "topic4": 1, "topic5": 2],
      .init("consumer1", "topic1 topic2 topic3 topic4 topic5", gets: "topic2:0 topic3:0"),
      .init("consumer2", "topic1 topic3 topic5", gets: "topic1:0 topic3:1"),
      .init("consumer3", "topic1 topic3 topic5", gets: "topic1:1 topic5:0"),
      .init("consumer4", "topic1 topic2 topic3 topic4 topic5", gets: "topic4:0 topic5:1")),
    .init(
      "deals to members one of which lacks a topic", ["t1": 6, "t2": 7, "t3": 2],
      .init("consumer0", "t1 t2 t3", gets: "t1:5 t2:0,2,4,6"),
      .init("consumer1", "t1 t2 t3", gets: "t1:3 t2:1,3,5 t3:0"), .init("consumer2", "t1 t3", gets: "t1:0,1,2,4 t3:1")),
    .init(
      "moves nothing that is even", ["t1": 6, "t2": 7, "t3": 2],
      .init("consumer0", "t1 t2 t3", has: "t1:5 t2:0,2,4,6", gets: "t1:5 t2:0,2,4,6"),
      .init("consumer1", "t1 t2 t3", has: "t1:3 t2:1,3,5 t3:0", gets: "t1:3 t2:1,3,5 t3:0"),
      .init("consumer2", "t1 t3", has: "t1:0,1,2,4 t3:1", gets: "t1:0,1,2,4 t3:1")),
    .init(
      "takes away from a member the topic that it no longer wants", ["t1": 6, "t2": 7, "t3": 2],
      .init("consumer0", "t1 t2 t3", has: "t1:0,1,2,3,4", gets: "t1:2,3,4 t2:4,6"),
      .init("consumer1", "t1 t2 t3", has: "t1:5 t2:0,1,2,3", gets: "t2:0,1,2,3,5"),
      .init("consumer2", "t1 t3", has: "t2:4,5,6 t3:0,1", gets: "t1:0,1,5 t3:0,1")),
  ]

  @Test("of members with the same topics", arguments: equalTopics)
  func equal(scenario: AssignorScenario) {
    #expect(
      GroupAssignor.sticky.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }

  @Test("of members with different topics", arguments: differentTopics)
  func unequal(scenario: AssignorScenario) {
    #expect(
      GroupAssignor.sticky.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }

  @Test("gives no members nothing")
  func nobody() {
    #expect(GroupAssignor.sticky.assign(partitionCounts: ["t": 3], members: []).isEmpty)
  }

  @Test("keeps topics spread as members come and go")
  func topicBalance() {
    let counts = ["t1": 12, "t2": 12]
    var owned: [String: [TopicPartition]] = [:]
    for ids in [["c1"], ["c1", "c2"], ["c1", "c2", "c3", "c4"], ["c3", "c4"]] {
      let members = ids.map { AssignorMember(id: $0, topics: ["t1", "t2"], owned: owned[$0] ?? [], generation: 1) }
      owned = GroupAssignor.sticky.assign(partitionCounts: counts, members: members)
      for partitions in owned.values {
        #expect(partitions.count { $0.topic == "t1" } == 12 / ids.count)
        #expect(partitions.count { $0.topic == "t2" } == 12 / ids.count)
      }
    }
  }

  @Test(
    "of three claims of three generations, and different topics, gives everybody its share",
    arguments: [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] as [[Int32]])
  func threeGenerations(generations: [Int32]) {
    let scenario = AssignorScenario(
      "", ["t": 6, "t1": 1], .init("consumer1", "t", has: "t:0,2", generation: generations[0], gets: ""),
      .init("consumer2", "t", has: "t:1,2,3", generation: generations[1], gets: ""),
      .init("consumer3", "t", has: "t:2,4,5", generation: generations[2], gets: ""),
      .init("consumer4", "t1", has: "t1:0", generation: 2, gets: ""))
    let result = GroupAssignor.sticky.assign(partitionCounts: scenario.topics, members: scenario.input)
    #expect(result.values.allSatisfy { (1...2).contains($0.count) })
    #expect(Set(result.values.joined()).count == 7)
  }
}
