import RecordFormat
import Testing

@testable import EventLog

@Suite("The sticky assignor, where members have different topics,")
struct UnequalStickyAssignmentTests {
  // Found at random, the smallest of their kind; worked out with Java's collections by the rules of Kafka's class.
  static let scenarios: [AssignorScenario] = [
    .init(
      "gives a partition back to who had it before (1)", ["topic0": 1, "topic1": 4],
      .init("c-0", "topic1", has: "topic1:0,1,3", generation: 5, gets: "topic1:1,3"),
      .init("c-1", "topic1", has: "topic1:0,2", generation: 4, gets: "topic1:0,2"),
      .init("c-2", "topic0 topic1", has: "topic0:0", generation: 5, gets: "topic0:0")),
    .init(
      "gives a partition back to who had it before (2)", ["topic0": 1, "topic1": 2],
      .init("c-0", "topic0 topic1", generation: 3, gets: "topic0:0"),
      .init("c-1", "topic0 topic1", has: "topic1:0,1", generation: 5, gets: "topic1:1"),
      .init("c-2", "topic1", has: "topic1:0", generation: 4, gets: "topic1:0"),
      .init("c-3", "topic1", generation: 5, gets: "")),
    .init(
      "gives a partition back to who had it before (3)", ["topic0": 4, "topic1": 2],
      .init("c-0", "topic0", has: "topic0:1,2,3", generation: 5, gets: "topic0:2,3"),
      .init("c-1", "topic0 topic1", has: "topic1:0", generation: 5, gets: "topic1:0,1"),
      .init("consumer2", "topic0 topic1", has: "topic0:0,1", generation: 3, gets: "topic0:0,1")),
    .init(
      "gives a partition back to who had it before (4)", ["topic0": 3, "topic1": 4],
      .init("c-0", "topic0 topic1", has: "topic0:0,1,2 topic1:0,2,3", gets: "topic0:2 topic1:3"),
      .init("c-1", "topic0 topic1", has: "topic1:1", gets: "topic1:0,1,2"),
      .init("consumer2", "topic0", has: "topic0:1,2", generation: 0, gets: "topic0:0,1")),
    .init(
      "gives a partition back to who had it before (5)", ["topic0": 1, "topic1": 3, "topic2": 3],
      .init("c-1", "topic0 topic1", has: "topic1:0,1", generation: 0, gets: "topic0:0 topic1:0"),
      .init("c-2", "topic1", has: "topic1:0,1,2", generation: 0, gets: "topic1:1,2"),
      .init("consumer0", "topic0 topic1 topic2", has: "topic0:0 topic1:0", gets: "topic2:0,1,2")),
    .init(
      "gives a partition back to who had it before (6)", ["topic0": 5, "topic1": 5],
      .init("c-0", "topic0 topic1", has: "topic0:0,2,4 topic1:0,1,2,3,4", generation: -1, gets: "topic0:0 topic1:3,4"),
      .init("c-1", "topic0", generation: 0, gets: "topic0:1,2,3,4"),
      .init("c-2", "topic1", gets: "topic1:0,1,2")),
    .init(
      "gives a partition back to who had it before (7)", ["topic0": 4, "topic1": 1],
      .init("c-1", "topic0 topic1", has: "topic0:0,1,2,3 topic1:0", generation: 5, gets: "topic0:2,3"),
      .init("consumer0", "topic1", generation: 5, gets: "topic1:0"),
      .init("consumer2", "topic0", has: "topic0:0", generation: 4, gets: "topic0:0,1")),
    .init(
      "gives a partition back to who had it before (8)", ["topic0": 4, "topic1": 2],
      .init("c-2", "topic1", has: "topic0:2 topic1:0,1", generation: 4, gets: "topic1:0"),
      .init("consumer0", "topic1", generation: 5, gets: "topic1:1"),
      .init("consumer1", "topic0 topic1", has: "topic1:0", generation: 5, gets: "topic0:0,1,2,3")),
    .init(
      "takes back one move rather than make its opposite (1)", ["topic0": 5, "topic1": 2, "topic2": 1],
      .init(
        "c-0-79f8727", "topic0 topic1 topic2", has: "topic0:3,4 topic1:0,1 topic2:0", generation: 5,
        gets: "topic0:3,4 topic2:0"),
      .init("c-1", "topic0 topic1 topic2", has: "topic0:1", generation: 5, gets: "topic0:0,1,2"),
      .init("consumer2", "topic1", generation: 5, gets: "topic1:0,1")),
    .init(
      "takes back one move rather than make its opposite (2)", ["topic0": 6, "topic1": 4],
      .init("c-2", "topic0 topic1", has: "topic0:1,2,3,5 topic1:0,1,2,3", gets: "topic0:2,5 topic1:3"),
      .init("consumer0", "topic0 topic1", gets: "topic0:0,1,3,4"),
      .init("consumer1", "topic1", has: "topic1:3", generation: -1, gets: "topic1:0,1,2")),
    .init(
      "takes back one move rather than make its opposite (3)", ["topic0": 6, "topic1": 2, "topic2": 6],
      .init(
        "c-0", "topic0 topic1 topic2", has: "topic0:1,5 topic1:0,1 topic2:0,1,2,3,5", generation: 0,
        gets: "topic0:1 topic2:0,1,2,3,5"),
      .init("c-2", "topic0 topic1 topic2", has: "topic0:2 topic2:4", generation: 0, gets: "topic0:0,2,3,4,5 topic2:4"),
      .init("consumer1", "topic1", has: "topic0:3", generation: -1, gets: "topic1:0,1")),
    .init(
      "takes back one move rather than make its opposite (4)", ["topic0": 6, "topic1": 3, "topic2": 2],
      .init(
        "c-2", "topic0 topic1 topic2", has: "topic0:0,1,2,3,5 topic1:0,1,2 topic2:0,1", generation: -1,
        gets: "topic0:2,5 topic1:1,2"),
      .init("consumer0", "topic1 topic2", gets: "topic1:0 topic2:0,1"),
      .init("consumer1", "topic0 topic1", has: "topic0:0 topic1:0", generation: -1, gets: "topic0:0,1,3,4")),
    .init(
      "takes back one move rather than make its opposite (5)", ["topic0": 1, "topic1": 5, "topic2": 4],
      .init(
        "c-1", "topic0 topic1 topic2", has: "topic0:0 topic1:3,4 topic2:0,1,2,3", generation: -1,
        gets: "topic1:3 topic2:2,3"),
      .init("c-2-f215a392", "topic0 topic1 topic2", has: "topic1:2", generation: -1, gets: "topic1:0,1,2,4"),
      .init("consumer0", "topic0 topic2", generation: -1, gets: "topic0:0 topic2:0,1")),
    .init(
      "takes back one move rather than make its opposite (6)", ["topic0": 2, "topic1": 2, "topic2": 6],
      .init("c-0", "topic1 topic2", has: "topic1:0,1 topic2:1,2,3,4", generation: 5, gets: "topic2:1,2,3,4"),
      .init("c-2-73549c03", "topic1", has: "topic2:0", generation: 5, gets: "topic1:0,1"),
      .init("consumer1", "topic0 topic1 topic2", generation: 5, gets: "topic0:0,1 topic2:0,5")),
    .init(
      "takes back one move rather than make its opposite (7)", ["topic0": 5, "topic1": 5, "topic2": 5],
      .init(
        "c-0", "topic0 topic1 topic2", has: "topic0:1,2,3 topic1:0,1 topic2:0,1,2,4", generation: 5,
        gets: "topic0:2,3 topic1:0,1 topic2:4"),
      .init(
        "c-1", "topic0 topic1 topic2", has: "topic0:1,4 topic1:2,4", generation: 5, gets: "topic0:0,1,4 topic1:2,3,4"),
      .init("consumer2", "topic2", has: "topic2:3", generation: 5, gets: "topic2:0,1,2,3")),
    .init(
      "takes back one move rather than make its opposite (8)", ["topic0": 5, "topic1": 6],
      .init(
        "c-1", "topic0 topic1", has: "topic0:1,4 topic1:0,1,2,3,4,5", generation: -1, gets: "topic0:1 topic1:3,4,5"),
      .init("c-2-cb0eabfe", "topic0 topic1", has: "topic0:2", generation: -1, gets: "topic0:0,2,3,4"),
      .init("consumer0", "topic1", has: "topic0:0,3", generation: -1, gets: "topic1:0,1,2")),
    .init(
      "moves what several could have (1)", ["topic0": 4, "topic1": 2],
      .init("c-0", "topic1", generation: 5, gets: "topic1:0"),
      .init("c-1", "topic0 topic1", has: "topic0:1 topic1:0,1", generation: 5, gets: "topic0:0,1"),
      .init("c-2", "topic0 topic1", generation: 5, gets: "topic0:2,3"),
      .init("c-3", "topic1", has: "topic0:0", generation: 5, gets: "topic1:1")),
    .init(
      "moves what several could have (2)", ["topic0": 6, "topic1": 1],
      .init("c-0", "topic0 topic1", has: "topic0:3,4,5", generation: 0, gets: "topic0:4,5"),
      .init("c-1", "topic0 topic1", has: "topic0:0,1,2 topic1:0", generation: -1, gets: "topic0:2,3"),
      .init("c-2", "topic0", gets: "topic0:0,1"),
      .init("c-3", "topic1", generation: 0, gets: "topic1:0")),
    .init(
      "moves what several could have (3)", ["topic0": 5, "topic1": 2, "topic2": 1],
      .init("c-0", "topic0 topic1 topic2", has: "topic0:0,2,3 topic1:0,1 topic2:0", generation: 5, gets: "topic1:0,1"),
      .init("c-1", "topic0 topic1 topic2", has: "topic0:0,4", generation: 5, gets: "topic0:4 topic2:0"),
      .init("c-2", "topic0 topic1 topic2", has: "topic0:1", generation: 5, gets: "topic0:1,2"),
      .init("c-3", "topic0 topic1", generation: 5, gets: "topic0:0,3")),
    .init(
      "moves what several could have (4)", ["topic0": 6, "topic1": 4],
      .init("c-0", "topic0 topic1", has: "topic0:0,2", generation: 5, gets: "topic0:3 topic1:0,1"),
      .init("c-1", "topic0 topic1", has: "topic0:1,3,4 topic1:1,2,3", generation: 5, gets: "topic0:4 topic1:2,3"),
      .init("c-2", "topic0", generation: 5, gets: "topic0:0,1"),
      .init("c-3", "topic0", has: "topic0:5", generation: 3, gets: "topic0:2,5")),
    .init(
      "moves what several could have (5)", ["topic0": 6, "topic1": 2],
      .init("c-1", "topic0 topic1", has: "topic0:0,2,3,5 topic1:0", gets: "topic0:3,5"),
      .init("c-2", "topic0", has: "topic0:1", generation: 0, gets: "topic0:1,2"),
      .init("c-3", "topic0", generation: -1, gets: "topic0:0,4"),
      .init("consumer0", "topic0 topic1", has: "topic0:4", gets: "topic1:0,1")),
  ]

  @Test("answers as Kafka's", arguments: scenarios)
  func answers(scenario: AssignorScenario) {
    #expect(
      GroupAssignor.sticky.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }
}
