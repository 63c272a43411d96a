import RecordFormat
import Testing

@testable import EventLog

@Suite("The round-robin assignor")
struct RoundRobinAssignorTests {
  static let scenarios: [AssignorScenario] = [
    .init("gives a member without topics nothing", ["t": 3], .init("a", "", gets: "")),
    .init("passes over a topic that does not exist", [:], .init("a", "t", gets: "")),
    .init("leaves alone what nobody subscribed to", ["t": 3, "other": 3], .init("a", "t", gets: "t:0,1,2")),
    .init("gives all topics of a lone member", ["t1": 1, "t2": 2], .init("a", "t1 t2", gets: "t1:0 t2:0,1")),
    .init(
      "gives the first member the only partition", ["t": 1], .init("a", "t", gets: "t:0"), .init("b", "t", gets: "")),
    .init("gives one each", ["t": 2], .init("a", "t", gets: "t:0"), .init("b", "t", gets: "t:1")),
    .init(
      "passes over who did not subscribe", ["t1": 3, "t2": 2],
      .init("a", "t1", gets: "t1:0"), .init("b", "t1 t2", gets: "t1:1 t2:0,1"), .init("c", "t1", gets: "t1:2")),
    .init(
      "goes on with the next topic where it stopped", ["t1": 3, "t2": 3],
      .init("a", "t1 t2", gets: "t1:0,2 t2:1"), .init("b", "t1 t2", gets: "t1:1 t2:0,2")),
    .init(
      "may leave somebody with nothing", ["t1": 2, "t2": 1, "t3": 2, "t4": 1, "t5": 2],
      .init("c1", "t1 t2 t3 t4 t5", gets: "t1:0 t3:0 t5:0"), .init("c2", "t1 t3 t5", gets: "t1:1 t3:1 t5:1"),
      .init("c3", "t1 t3 t5", gets: ""), .init("c4", "t1 t2 t3 t4 t5", gets: "t2:0 t4:0")),
    .init(
      "goes by the instance ids of static members", ["t1": 3, "t2": 3],
      .init("b", "t1 t2", instance: "i1", gets: "t1:0,2 t2:1"), .init("a", "t1 t2", instance: "i2", gets: "t1:1 t2:0,2")
    ),
    .init(
      "takes static members before dynamic ones", ["t1": 3, "t2": 3],
      .init("b", "t1 t2", instance: "i1", gets: "t1:0,2 t2:1"), .init("a", "t1 t2", gets: "t1:1 t2:0,2")),
    .init(
      "gives the example of Kafka's documentation", ["t0": 1, "t1": 2, "t2": 3],
      .init("c0", "t0", gets: "t0:0"), .init("c1", "t0 t1", gets: "t1:0"),
      .init("c2", "t0 t1 t2", gets: "t1:1 t2:0,1,2")),
  ]

  @Test("gives", arguments: scenarios)
  func gives(scenario: AssignorScenario) {
    #expect(
      GroupAssignor.roundRobin.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }
}
