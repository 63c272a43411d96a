import RecordFormat
import Testing

@testable import EventLog

@Suite("The uniform assignor, where members have different topics,")
struct UnequalUniformAssignmentTests {
  // Found at random, the smallest of their kind; worked out by the rules of Kafka's class.
  static let scenarios: [AssignorScenario] = [
    .init(
      "passes over who has nothing of a topic to give (1)", ["t0": 1, "t1": 1],
      .init("m0", "t0 t1", has: "t0:0 t1:0", gets: "t1:0"),
      .init("m1", "t0", gets: "t0:0")),
    .init(
      "passes over who has nothing of a topic to give (2)", ["t0": 1, "t1": 2],
      .init("m0", "t0 t1", has: "t0:0 t1:0,1", gets: "t1:0,1"),
      .init("m1", "t0", gets: "t0:0")),
    .init(
      "passes over who has nothing of a topic to give (3)", ["t0": 2, "t1": 2],
      .init("m0", "t0", has: "t0:0 t1:0,1", gets: "t0:0,1"),
      .init("m1", "t0 t1", has: "t0:1", gets: "t1:0,1")),
    .init(
      "passes over who has nothing of a topic to give (4)", ["t0": 1, "t1": 3],
      .init("m0", "t0 t1", has: "t1:1,2", gets: "t1:0,1,2"),
      .init("m1", "t0", gets: "t0:0")),
    .init(
      "passes over who has nothing of a topic to give (5)", ["t0": 1, "t1": 1],
      .init("m0", "t1", gets: ""),
      .init("m1", "t0", gets: "t0:0"),
      .init("m2", "t0 t1", has: "t0:0 t1:0", gets: "t1:0")),
    .init(
      "goes round again (1)", ["t0": 4, "t1": 1],
      .init("m0", "t0", has: "t0:0", gets: "t0:0,1"),
      .init("m1", "t1", has: "t0:1,2,3", gets: "t1:0"),
      .init("m2", "t0 t1", has: "t1:0", gets: "t0:2,3")),
    .init(
      "goes round again (2)", ["t0": 6, "t1": 1],
      .init("m0", "t0 t1", has: "t0:2,3 t1:0", gets: "t0:2,3,5"),
      .init("m1", "t0 t1", gets: "t0:0,1,4"),
      .init("m2", "t1", has: "t0:0,1,4,5", gets: "t1:0")),
    .init(
      "goes round again (3)", ["t0": 3, "t1": 5],
      .init("m0", "t0 t1", gets: "t1:0,1,2"),
      .init("m1", "t0", has: "t0:2 t1:0,1,3", gets: "t0:1,2"),
      .init("m2", "t0 t1", has: "t0:0,1", gets: "t0:0 t1:3,4")),
    .init(
      "goes round again (4)", ["t0": 4, "t1": 1],
      .init("m0", "t0 t1", has: "t0:2 t1:0", gets: "t0:2,3"),
      .init("m1", "", has: "t0:1", gets: ""),
      .init("m2", "t0 t1", has: "t0:3", gets: "t0:0,1"),
      .init("m3", "t1", gets: "t1:0")),
    .init(
      "goes round again (5)", ["t0": 1, "t1": 3, "t2": 6],
      .init("m0", "t0 t1 t2", has: "t0:0 t1:0,1,2 t2:0,3,4,5", gets: "t0:0 t2:0,5"),
      .init("m1", "t1", gets: "t1:0,1,2"),
      .init("m2", "t2", gets: "t2:1,2,3,4")),
    .init(
      "goes round again (6)", ["t0": 1, "t1": 1, "t2": 8],
      .init("m0", "t0 t1", has: "t2:2", gets: "t0:0 t1:0"),
      .init("m1", "t0 t2", has: "t0:0 t1:0 t2:4", gets: "t2:2,4,6,7"),
      .init("m2", "t1 t2", has: "t2:0,1,3,5,7", gets: "t2:0,1,3,5")),
  ]

  @Test("answers as Kafka's", arguments: scenarios)
  func answers(scenario: AssignorScenario) {
    #expect(
      ServerAssignor.uniform.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }
}
