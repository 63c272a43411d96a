import RecordFormat
import Testing

@testable import EventLog
import SegmentStore

@Suite("The cooperative-sticky assignor")
struct CooperativeStickyAssignorTests {
  static let scenarios: [AssignorScenario] = [
    .init(
      "withholds what still has an owner", ["t": 3],
      .init("consumer1", "t", has: "t:0,1,2", gets: "t:0,1"), .init("consumer2", "t", gets: "")),
    .init(
      "gives at once what nobody has", ["t": 3],
      .init("consumer1", "t", has: "t:0,1", gets: "t:0,1"), .init("consumer2", "t", gets: "t:2")),
    .init(
      "withholds what two members of one generation claim", ["t": 3],
      .init("consumer1", "t", has: "t:0,1", gets: "t:1"), .init("consumer2", "t", has: "t:0,2", gets: "t:2"),
      .init("consumer3", "t", gets: "")),
    .init(
      "withholds it also where it does not come out even", ["t": 4],
      .init("consumer1", "t", has: "t:0,1", gets: "t:1,3"), .init("consumer2", "t", has: "t:0,2", gets: "t:2"),
      .init("consumer3", "t", gets: "")),
    .init(
      "withholds what changes hands among members with different topics", ["t1": 6, "t2": 7, "t3": 2],
      .init("consumer0", "t1 t2 t3", has: "t1:0,1,2,3,4", gets: "t1:2,3,4"),
      .init("consumer1", "t1 t2 t3", has: "t1:5 t2:0,1,2,3", gets: "t2:0,1,2,3"),
      .init("consumer2", "t1 t3", has: "t2:4,5,6 t3:0,1", gets: "t3:0,1")),
    .init(
      "gives it away when its owners have let go", ["t1": 6, "t2": 7, "t3": 2],
      .init("consumer0", "t1 t2 t3", has: "t1:2,3,4", gets: "t1:2,3,4 t2:4,5"),
      .init("consumer1", "t1 t2 t3", has: "t2:0,1,2,3", gets: "t2:0,1,2,3,6"),
      .init("consumer2", "t1 t3", has: "t3:0,1", gets: "t1:0,1,5 t3:0,1")),
    .init(
      "withholds two from two of four", ["t1": 3, "t2": 4],
      .init("consumer1", "t1 t2", has: "t1:0,2 t2:1,3", gets: "t1:0 t2:1"),
      .init("consumer2", "t1 t2", has: "t1:1 t2:0,2", gets: "t1:1 t2:0"),
      .init("consumer3", "t1 t2", gets: ""), .init("consumer4", "t1 t2", gets: "")),
  ]

  @Test("at first", arguments: scenarios)
  func gives(scenario: AssignorScenario) {
    #expect(
      GroupAssignor.cooperativeSticky.assign(partitionCounts: scenario.topics, members: scenario.input)
        == scenario.expected)
  }

  @Test("comes to rest after few rebalances, and never gives what another has", arguments: UInt64(1)...40)
  func settles(seed: UInt64) throws {
    var generator = SplitMix(seed: seed)
    var group = RandomGroup(using: &generator)
    for step in 0..<8 {
      var rounds = 0
      while true {
        let before = group.members
        let result = GroupAssignor.cooperativeSticky.assign(partitionCounts: group.counts, members: before)
        try AssignmentValidator(partitionCounts: group.counts, members: before)
          .validate(result, of: "cooperative-sticky", isCooperative: true)
        group.take(result)
        rounds += 1
        guard zip(before, group.members).contains(where: { !Set($0.owned).isSubset(of: $1.owned) }) else { break }
        try #require(rounds < 6, "seed \(seed), step \(step): does not come to rest")
      }
      #expect(group.unassigned.isEmpty, "seed \(seed), step \(step)")
      #expect(group.improvement == nil, "seed \(seed), step \(step)")
      group.change(using: &generator)
    }
  }
}
