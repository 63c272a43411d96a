import Synchronization
import Testing

@testable import EventLog

@Suite("A group whose own assignor fails")
struct FailingAssignorTests {
  /// Divides as `range` does, unless it is told to fail.
  private final class Moody: PartitionAssignor {
    let name = "moody"
    let fails = Atomic(true)

    func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
      guard !fails.load(ordering: .relaxed) else { return ["nobody": [TopicPartition("a", 0)]] }
      let ids = members.map(\.id).sorted()
      return Dictionary(grouping: (0..<(partitionCounts["a"] ?? 0)).map { TopicPartition("a", $0) }) {
        ids[$0.partition % ids.count]
      }
    }
  }

  @Test("goes on once its own assignor does its work again, with the members that it had and no others")
  func assignorRecovers() throws {
    let coordinator = GroupWorld().coordinator()
    let moody = Moody()
    var first = SimulatedMember(["a"], [GroupAssignor(moody)])
    for _ in 0..<3 { expect(.illegalState) { try first.poll(coordinator) } }
    #expect(coordinator.describe("g")?.members.map(\.id) == [try #require(first.id)])
    moody.fails.store(false, ordering: .relaxed)
    try first.poll(coordinator)
    #expect(first.owned.count == 5)
    // The same with a newcomer, and with a group that was stable.
    moody.fails.store(true, ordering: .relaxed)
    var second = SimulatedMember(["a"], [GroupAssignor(moody)])
    try? second.poll(coordinator)
    expect(.illegalState) { try first.poll(coordinator) }
    expect(.illegalState) { try second.poll(coordinator) }
    moody.fails.store(false, ordering: .relaxed)
    for _ in 0..<3 {
      try? first.poll(coordinator)
      try? second.poll(coordinator)
    }
    #expect([first.owned.count, second.owned.count].sorted() == [2, 3])
    #expect(coordinator.describe("g")?.state == .stable)
    #expect(coordinator.describe("g")?.members.count == 2)
    try first.poll(coordinator)
    try coordinator.validateCommit("g", memberID: first.id, generation: first.generation)
  }

  @Test("whose own assignor fails when the time is over tries again later, and looks at no clock until then")
  func assignorFailsLate() throws {
    let world = GroupWorld()
    let coordinator = world.coordinator()
    let moody = Moody()
    moody.fails.store(false, ordering: .relaxed)
    var first = SimulatedMember(["a"], [GroupAssignor(moody)], instanceID: "one")
    var second = SimulatedMember(["a"], [GroupAssignor(moody)], instanceID: "two")
    for _ in 0..<3 {
      try first.poll(coordinator)
      try second.poll(coordinator)
    }
    #expect(first.owned.count + second.owned.count == 5)
    moody.fails.store(true, ordering: .relaxed)
    coordinator.forceRebalance("g")
    try first.poll(coordinator)
    world.pass(1000)
    world.runTimers(coordinator)
    #expect(world.scheduled.withLock { $0.allSatisfy { $0 > 1000 } })
    expect(.illegalState) { try first.poll(coordinator) }
    moody.fails.store(false, ordering: .relaxed)
    for _ in 0..<3 {
      try? second.poll(coordinator)
      try? first.poll(coordinator)
    }
    #expect(first.owned.count + second.owned.count == 5)
  }

  private func expect(_ code: EventLogError.Code, _ body: () throws -> Void) {
    let error = #expect(throws: EventLogError.self) { try body() }
    #expect(error?.code == code)
  }
}
