import RecordFormat
import Testing

@testable import EventLog

@Suite("The range assignor")
struct RangeAssignorTests {
  static let scenarios: [AssignorScenario] = [
    .init("gives a member without topics nothing", ["t": 3], .init("a", "", gets: "")),
    .init("passes over a topic that does not exist", [:], .init("a", "t", gets: "")),
    .init("gives a lone member everything", ["t": 3], .init("a", "t", gets: "t:0,1,2")),
    .init("leaves alone what nobody subscribed to", ["t": 3, "other": 3], .init("a", "t", gets: "t:0,1,2")),
    .init("gives all topics of a lone member", ["t1": 1, "t2": 2], .init("a", "t1 t2", gets: "t1:0 t2:0,1")),
    .init(
      "gives the first member the only partition", ["t": 1], .init("a", "t", gets: "t:0"), .init("b", "t", gets: "")),
    .init("gives one each", ["t": 2], .init("a", "t", gets: "t:0"), .init("b", "t", gets: "t:1")),
    .init(
      "takes each topic by itself where subscriptions differ", ["t1": 3, "t2": 2],
      .init("a", "t1", gets: "t1:0"), .init("b", "t1 t2", gets: "t1:1 t2:0,1"), .init("c", "t1", gets: "t1:2")),
    .init(
      "gives the same numbers of topics with as many partitions to the same member", ["t1": 3, "t2": 3],
      .init("a", "t1 t2", gets: "t1:0,1 t2:0,1"), .init("b", "t1 t2", gets: "t1:2 t2:2")),
    .init(
      "goes by the instance ids of static members, not by member ids", ["t1": 3, "t2": 3],
      .init("b", "t1 t2", instance: "i1", gets: "t1:0,1 t2:0,1"),
      .init("a", "t1 t2", instance: "i2", gets: "t1:2 t2:2")),
    .init(
      "takes static members before dynamic ones", ["t1": 3, "t2": 3],
      .init("b", "t1 t2", instance: "i1", gets: "t1:0,1 t2:0,1"), .init("a", "t1 t2", gets: "t1:2 t2:2")),
    .init(
      "keeps static members in place when a dynamic one is replaced", ["t1": 5, "t2": 4],
      .init("m1", "t1 t2", instance: "i1", gets: "t1:0,1 t2:0"),
      .init("m2", "t1 t2", instance: "i2", gets: "t1:2 t2:1"),
      .init("m3", "t1 t2", instance: "i3", gets: "t1:3 t2:2"), .init("m0", "t1 t2", gets: "t1:4 t2:3")),
    .init(
      "orders ids as strings, not as numbers", ["t": 3],
      .init("c10", "t", gets: "t:0,1"), .init("c2", "t", gets: "t:2")),
    .init(
      "has no regard for what members had", ["t1": 4, "t2": 3],
      .init("a", "t1 t2", has: "t1:2,3", gets: "t1:0,1 t2:0,1"), .init("b", "t1 t2", has: "t1:0,1", gets: "t1:2 t2:2"),
      .init("c", "t1", gets: "t1:3")),
    .init(
      "deals with more members than partitions", ["t1": 3, "t3": 2],
      .init("a", "t1 t3", gets: "t1:0 t3:0"), .init("b", "t1 t3", gets: "t1:1 t3:1"), .init("c", "t1 t3", gets: "t1:2")),
    .init(
      "gives topics to those who want them now", ["t1": 3, "t2": 3, "t3": 2],
      .init("a", "t1", has: "t1:0,1,2 t2:0", gets: "t1:0,1"),
      .init("b", "t1 t2 t3", has: "t2:1", gets: "t1:2 t2:0,1 t3:0,1"),
      .init("c", "t2", has: "t2:2 t3:0,1", gets: "t2:2")),
  ]

  @Test("of the classic protocol", arguments: scenarios)
  func classic(scenario: AssignorScenario) {
    #expect(
      GroupAssignor.range.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }

  @Test("of the new protocol", arguments: scenarios)
  func server(scenario: AssignorScenario) {
    #expect(ServerAssignor.range.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }
}
