import RecordFormat
import Testing

@testable import EventLog

@Suite("The uniform assignor")
struct ServerAssignorTests {
  // Kafka's tests have topic ids that sort the other way round than their topics' names; here names decide.
  static let equalTopics: [AssignorScenario] = [
    .init("gives a member without topics nothing", ["t1": 3], .init("A", "", gets: "")),
    .init("passes over a topic that does not exist", ["t1": 3], .init("A", "t2", gets: "")),
    .init(
      "fills one member after the other, the last ones with one more", ["t1": 2, "t2": 3],
      .init("A", "t1 t2", gets: "t1:0,1"), .init("B", "t1 t2", gets: "t2:0,1,2")),
    .init(
      "leaves the first members with nothing when there are too few", ["t": 2],
      .init("A", "t", gets: ""), .init("B", "t", gets: "t:0"), .init("C", "t", gets: "t:1")),
    .init(
      "takes what is too much from the end", ["t1": 3, "t2": 3],
      .init("A", "t1 t2", has: "t1:0,1 t2:0,1", gets: "t1:0,1 t2:0"),
      .init("B", "t1 t2", has: "t1:2 t2:2", gets: "t1:2 t2:1,2")),
    .init(
      "gives new partitions to those that have room", ["t1": 5, "t2": 6],
      .init("A", "t1 t2", has: "t1:0 t2:0,2", gets: "t1:0,3,4 t2:0,2"),
      .init("B", "t1 t2", has: "t1:1,2 t2:1", gets: "t1:1,2 t2:1,3,4,5")),
    .init(
      "makes room for a new member", ["t1": 3, "t2": 3],
      .init("A", "t1 t2", has: "t1:0,2 t2:0", gets: "t1:0,2"),
      .init("B", "t1 t2", has: "t1:1 t2:1,2", gets: "t1:1 t2:1"), .init("C", "t1 t2", gets: "t2:0,2")),
    .init(
      "gives away what a member left", ["t1": 3, "t2": 3],
      .init("A", "t1 t2", has: "t1:0 t2:0", gets: "t1:0,2 t2:0"),
      .init("B", "t1 t2", has: "t1:1 t2:1", gets: "t1:1 t2:1,2")),
    .init(
      "takes away a topic that nobody wants any more", ["t1": 2, "t2": 2],
      .init("A", "t2", has: "t1:0 t2:0", gets: "t2:0"), .init("B", "t2", has: "t1:1 t2:1", gets: "t2:1")),
    .init(
      "lets those keep one more that have it", ["t": 5],
      .init("A", "t", has: "t:0,1", gets: "t:0,1"), .init("B", "t", has: "t:2,3,4", gets: "t:2,3,4")),
    .init(
      "lets the first of those keep one more that have it", ["t": 7],
      .init("A", "t", has: "t:0,1,2", gets: "t:0,1,2"), .init("B", "t", has: "t:3,4,5", gets: "t:3,4"),
      .init("C", "t", has: "t:6", gets: "t:5,6")),
  ]

  static let differentTopics: [AssignorScenario] = [
    .init(
      "gives first what has most partitions for each subscriber", ["t1": 3, "t3": 6],
      .init("A", "t1 t3", gets: "t1:0,1,2 t3:4"), .init("B", "t3", gets: "t3:0,1,2,3,5")),
    .init(
      "leaves a member with nothing when there are too few", ["t1": 2, "t3": 1],
      .init("A", "t3", gets: "t3:0"), .init("B", "t3", gets: ""), .init("C", "t1", gets: "t1:0,1")),
    .init(
      "evens out what was uneven", ["t1": 6, "t2": 4, "t3": 4],
      .init("A", "t1", has: "t1:0,1,2", gets: "t1:0,1,2,5"),
      .init("B", "t1 t2", has: "t1:3 t2:0", gets: "t1:3 t2:0,1,2,3"),
      .init("C", "t1 t2 t3", has: "t1:4,5 t2:1,2,3 t3:0,1,2,3", gets: "t1:4 t3:0,1,2,3")),
    .init(
      "gives new partitions to those with fewest", ["t1": 6, "t2": 5, "t3": 3, "t4": 3],
      .init("A", "t1 t3", has: "t1:0,1,2,3 t3:0,1", gets: "t1:0,1,2,3,4,5 t3:0,1,2"),
      .init("B", "t1 t2 t3 t4", has: "t2:0,1,2 t4:0,1,2", gets: "t2:0,1,2,3,4 t4:0,1,2")),
    .init(
      "makes room for a new member", ["t1": 6, "t2": 7],
      .init("A", "t1", has: "t1:0,2 t2:0", gets: "t1:0,2,3,4,5"),
      .init("B", "t1 t2", has: "t1:1 t2:1,2", gets: "t1:1 t2:1,2,6"), .init("C", "t1 t2", gets: "t2:0,3,4,5")),
    .init(
      "gives away what a member left", ["t1": 3, "t2": 8, "t3": 3],
      .init("A", "t1 t3", has: "t1:0,1,2 t3:0,1", gets: "t1:0,1,2 t3:0,1,2"),
      .init("B", "t2", has: "t2:3,4,5,6", gets: "t2:0,1,2,3,4,5,6,7")),
    .init(
      "takes away a topic that a member no longer wants", ["t1": 3, "t2": 5],
      .init("A", "t1", has: "t1:0,2 t2:1,3", gets: "t1:0,1,2"),
      .init("B", "t1 t2", has: "t1:1 t2:0,2,4", gets: "t2:0,1,2,3,4")),
    .init(
      "gives all to the only one with topics", ["t1": 3], .init("A", "t1", gets: "t1:0,1,2"), .init("B", "", gets: "")),
  ]

  @Test("of members with the same topics", arguments: equalTopics)
  func equal(scenario: AssignorScenario) {
    #expect(
      ServerAssignor.uniform.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }

  @Test("of members with different topics", arguments: differentTopics)
  func unequal(scenario: AssignorScenario) {
    #expect(
      ServerAssignor.uniform.assign(partitionCounts: scenario.topics, members: scenario.input) == scenario.expected)
  }

  @Test("ends a topic's round when its partitions run out before its members are even")
  func runsOut() {
    let scenario = AssignorScenario(
      "", ["t1": 2, "t2": 2, "t3": 2],
      .init("A", "t1 t2 t3", has: "t1:0,1 t2:0,1 t3:0,1", gets: "t2:0 t3:0,1"),
      .init("B", "t1 t2 t3", gets: "t1:0,1 t2:1"))
    var assignment = UnequalUniformAssignment(AssignorInput(scenario.topics, scenario.input))
    assignment.run()
    let result = AssignorInput(scenario.topics, scenario.input).assignment(owners: assignment.owners)
    #expect(result == scenario.expected)
  }
}
