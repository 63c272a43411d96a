import RecordFormat
import Synchronization
import Testing

@testable import EventLog

@Suite("A group")
struct GroupCoordinatorTests {
  /// A generator that gives the same numbers for the same seed.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }

  private final class World: Sendable {
    let now = Atomic<Int64>(0)
    let partitions = Mutex<[String: Int]>(["a": 5, "b": 3])
    let generations = Mutex<[Int32]>([])

    func coordinator() -> GroupCoordinator {
      GroupCoordinator(
        limits: .init(maxSize: 100, initialRebalanceDelay: 0), now: { self.now.load(ordering: .relaxed) },
        partitionCount: { name in self.partitions.withLock { $0[name] } }, schedule: { _ in },
        generationChanged: { _, generation, _ in self.generations.withLock { $0.append(generation) } })
    }
  }

  /// A member as a consumer is one: joins when it has to, gives up what it has to.
  private struct Member {
    var id: String?
    var topics: Set<String>
    var assignors: [GroupAssignor]
    var generation: Int32 = -1
    var owned: Set<TopicPartition> = []
    var mustJoin = true

    mutating func poll(_ coordinator: GroupCoordinator) throws {
      for _ in 0..<3 {
        if !mustJoin, let id {
          do throws(EventLogError) {
            mustJoin = try coordinator.heartbeat("g", id, generation: generation)
          } catch {
            self = Member(topics: topics, assignors: assignors)
          }
        }
        guard mustJoin else { return }
        if !assignors.allSatisfy(\.isCooperative) { owned = [] }
        let outcome = try coordinator.join(
          "g",
          JoinRequest(
            memberID: id, topics: topics, assignors: assignors, owned: owned.sorted(), ownedGeneration: generation,
            rebalanceTimeout: 1000, wake: {}))
        switch outcome {
        case .waiting(let memberID):
          id = memberID
          return
        case .joined(let assignment):
          id = assignment.memberID
          generation = assignment.generation
          let target = Set(assignment.partitions)
          mustJoin = !owned.isSubset(of: target)
          owned = target
        }
      }
    }
  }

  @Test(
    "gives every partition to one member, never to two, through random joins, leaves and growth",
    arguments: GroupAssignor.allBuiltIn, [UInt64(1), 2, 3])
  func model(assignor: GroupAssignor, seed: UInt64) throws {
    var generator = Generator(state: seed)
    let world = World()
    let coordinator = world.coordinator()
    var members: [Member] = []
    for step in 0..<600 {
      switch Int.random(in: 0..<12, using: &generator) {
      case 0 where members.count < 8:
        members.append(Member(topics: Bool.random(using: &generator) ? ["a"] : ["a", "b"], assignors: [assignor]))
      case 1 where !members.isEmpty:
        let gone = members.remove(at: Int.random(in: members.indices, using: &generator))
        if let id = gone.id { coordinator.leave("g", id) }
      case 2 where step % 7 == 0:
        world.partitions.withLock { $0["a", default: 0] += 1 }
        coordinator.topicsChanged(["a"])
      default:
        guard let index = members.indices.randomElement(using: &generator) else { continue }
        try members[index].poll(coordinator)
      }
      let owned = members.flatMap(\.owned)
      #expect(owned.count == Set(owned).count, "\(assignor), seed \(seed), step \(step): a partition with two owners")
    }
    guard !members.isEmpty else { return }
    for _ in 0..<6 { for index in members.indices { try members[index].poll(coordinator) } }
    let counts = world.partitions.withLock { $0 }
    var expected = Set((0..<(counts["a"] ?? 0)).map { TopicPartition("a", $0) })
    if members.contains(where: { $0.topics.contains("b") }) {
      expected.formUnion((0..<(counts["b"] ?? 0)).map { TopicPartition("b", $0) })
    }
    #expect(Set(members.flatMap(\.owned)) == expected, "\(assignor), seed \(seed)")
    let generations = world.generations.withLock { $0 }
    #expect(zip(generations, generations.dropFirst()).allSatisfy { $0 < $1 })
  }

  @Test("goes on without a member that stays away, and refuses its commits")
  func timeouts() throws {
    let world = World()
    let coordinator = world.coordinator()
    var first = Member(topics: ["a"], assignors: [.range])
    var second = Member(topics: ["a"], assignors: [.range])
    for _ in 0..<3 {
      try first.poll(coordinator)
      try second.poll(coordinator)
    }
    #expect(first.owned.count + second.owned.count == 5)
    let old = try #require(second.id)
    try coordinator.validateCommit("g", memberID: old, generation: second.generation)
    world.now.add(600, ordering: .relaxed)
    try first.poll(coordinator)
    world.now.add(600, ordering: .relaxed)
    coordinator.checkTimeouts()
    try first.poll(coordinator)
    #expect(first.owned.count == 5)
    let error = #expect(throws: EventLogError.self) {
      try coordinator.validateCommit("g", memberID: old, generation: second.generation)
    }
    #expect(error?.code == .unknownMemberID)
    let stale = #expect(throws: EventLogError.self) {
      try coordinator.validateCommit("g", memberID: first.id, generation: first.generation - 1)
    }
    #expect(stale?.code == .illegalGeneration)
    #expect(throws: EventLogError.self) { try coordinator.validateCommit("g", memberID: nil, generation: -1) }
    try coordinator.validateCommit("other", memberID: nil, generation: -1)
  }
}
