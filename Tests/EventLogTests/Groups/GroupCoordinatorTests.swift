import RecordFormat
import SegmentStore
import Testing

@testable import EventLog

@Suite("A group")
struct GroupCoordinatorTests {
  /// What the histories are run with: each classic assignor, KIP-848's protocol, and a group on its way from the eager
  /// protocol to the cooperative one, as Kafka has it done.
  enum Style: CaseIterable {
    case range, roundRobin, sticky, cooperativeSticky, consumerProtocol, mixed

    func member<G: RandomNumberGenerator>(_ topics: Set<String>, using generator: inout G) -> SimulatedMember {
      switch self {
      case .range: SimulatedMember(topics, [.range])
      case .roundRobin: SimulatedMember(topics, [.roundRobin])
      case .sticky: SimulatedMember(topics, [.sticky])
      case .cooperativeSticky: SimulatedMember(topics, [.cooperativeSticky])
      case .consumerProtocol: .ofConsumerProtocol(topics)
      case .mixed:
        SimulatedMember(
          topics, Bool.random(using: &generator) ? [.cooperativeSticky] : [.cooperativeSticky, .range])
      }
    }

    var keepsWhatItCan: Bool { self == .cooperativeSticky || self == .consumerProtocol }
  }

  @Test(
    "gives every partition to one member, never to two, through random histories of members and topics",
    arguments: Style.allCases)
  func model(style: Style) throws {
    for seed in UInt64(1)...UInt64(60) {
      var generator = SplitMix(seed: seed)
      let world = GroupWorld()
      let coordinator = world.coordinator()
      var members: [SimulatedMember] = []
      for step in 0..<80 {
        switch Int.random(in: 0..<16, using: &generator) {
        case 0...1 where members.count < 8:
          let topics: Set<String> = Bool.random(using: &generator) ? ["a"] : ["a", "b"]
          members.append(style.member(topics, using: &generator))
        case 2 where !members.isEmpty:
          let gone = members.remove(at: Int.random(in: members.indices, using: &generator))
          if let id = gone.id { coordinator.leave("g", id) }
        case 3 where members.count > 1:
          // One that is thrown out finds that out by itself. What it holds until then counts for nothing.
          let index = Int.random(in: members.indices, using: &generator)
          if let id = members[index].id {
            coordinator.leave("g", id, evicted: true)
            try members[index].poll(coordinator)
          }
        case 4:
          world.topics.withLock { $0["a", default: 0] += 1 }
          coordinator.topicsChanged(["a"])
        case 5 where !members.isEmpty:
          let index = Int.random(in: members.indices, using: &generator)
          let topics: Set<String> = Bool.random(using: &generator) ? ["a"] : ["a", "b"]
          if members[index].subscription != .topics(topics) {
            members[index].subscription = .topics(topics)
            members[index].mustJoin = true
            members[index].isJoining = false
            members[index].owned = members[index].owned.filter { topics.contains($0.topic) }
          }
        case 6:
          world.pass(1)
          world.runTimers(coordinator)
        default:
          guard let index = members.indices.randomElement(using: &generator) else { continue }
          try members[index].poll(coordinator)
        }
        let owned = members.flatMap(\.owned)
        #expect(owned.count == Set(owned).count, "\(style), seed \(seed), step \(step): a partition with two owners")
      }
      try settle(&members, coordinator)
      expectAllOwned(members, world, "\(style), seed \(seed)")
      let generations = world.generations.withLock { $0 }
      #expect(zip(generations, generations.dropFirst()).allSatisfy { $0 < $1 })
    }
  }

  private func settle(_ members: inout [SimulatedMember], _ coordinator: GroupCoordinator) throws {
    for _ in 0..<12 { for index in members.indices { try members[index].poll(coordinator) } }
  }

  private func expectAllOwned(_ members: [SimulatedMember], _ world: GroupWorld, _ comment: String) {
    guard !members.isEmpty else { return }
    let topics = world.topics.withLock { $0 }
    let wanted = members.reduce(into: Set<String>()) { $0.formUnion($1.subscription.resolve(topics)) }
    let expected = Set(wanted.flatMap { topic in (0..<(topics[topic] ?? 0)).map { TopicPartition(topic, $0) } })
    #expect(Set(members.flatMap(\.owned)) == expected, "\(comment)")
  }

  @Test("takes nothing from a member that need not give it up", arguments: Style.allCases.filter(\.keepsWhatItCan))
  func keeps(style: Style) throws {
    var generator = SplitMix(seed: 7)
    let world = GroupWorld()
    world.topics.withLock { $0 = ["a": 12] }
    let coordinator = world.coordinator()
    var members = (0..<3).map { _ in style.member(["a"], using: &generator) }
    try settle(&members, coordinator)
    #expect(members.map(\.owned.count) == [4, 4, 4])
    for index in members.indices { members[index].given = 0 }
    members.append(style.member(["a"], using: &generator))
    try settle(&members, coordinator)
    #expect(members.map(\.owned.count) == [3, 3, 3, 3])
    #expect(members.map(\.given) == [1, 1, 1, 0], "one of each, and no more")
    let gone = members.removeLast()
    coordinator.leave("g", try #require(gone.id))
    try settle(&members, coordinator)
    #expect(members.map(\.given) == [1, 1, 1], "who leaves costs the others nothing")
  }

  @Test("goes on without a member that stays away, and refuses its commits", arguments: GroupProtocol.all)
  func timeouts(groupProtocol: GroupProtocol) throws {
    let world = GroupWorld()
    let coordinator = world.coordinator()
    var first = SimulatedMember(["a"])
    first.groupProtocol = groupProtocol
    var second = first
    for _ in 0..<4 {
      try first.poll(coordinator)
      try second.poll(coordinator)
    }
    #expect(first.owned.count + second.owned.count == 5)
    let old = try #require(second.id)
    try coordinator.validateCommit("g", memberID: old, generation: second.generation)
    world.pass(600)
    try first.poll(coordinator)
    world.pass(600)
    world.runTimers(coordinator)
    try first.poll(coordinator)
    #expect(first.owned.count == 5)
    expect(.unknownMemberID) {
      try coordinator.validateCommit("g", memberID: old, generation: second.generation)
    }
    expect(groupProtocol == .classic ? .illegalGeneration : .staleMemberEpoch) {
      try coordinator.validateCommit("g", memberID: first.id, generation: first.generation - 1)
    }
    expect(.unknownMemberID) { try coordinator.validateCommit("g", memberID: nil, generation: -1) }
    try coordinator.validateCommit("other", memberID: nil, generation: -1)
    // What comes back is a new member.
    try second.poll(coordinator)
    #expect(second.id != old)
  }

  @Test("drops who does not come to a rebalance in time, and goes on")
  func laggards() throws {
    let world = GroupWorld()
    let coordinator = world.coordinator()
    var first = SimulatedMember(["a"])
    var second = SimulatedMember(["a"])
    try first.poll(coordinator)
    try second.poll(coordinator)
    #expect(coordinator.describe("g")?.state == .preparingRebalance)
    #expect(second.owned.isEmpty)
    world.pass(1000)
    world.runTimers(coordinator)
    try second.poll(coordinator)
    #expect(second.owned.count == 5)
    #expect(coordinator.describe("g")?.members.count == 1)
  }

  @Test("waits for more members before the first rebalance, as group.initial.rebalance.delay.ms says")
  func initialDelay() throws {
    let world = GroupWorld()
    let coordinator = world.coordinator(initialRebalanceDelay: 300)
    var first = SimulatedMember(["a"])
    var second = SimulatedMember(["a"])
    try first.poll(coordinator)
    world.pass(200)
    try second.poll(coordinator)
    world.pass(100)
    world.runTimers(coordinator)
    try first.poll(coordinator)
    #expect(first.owned.isEmpty, "a newcomer puts it off once more")
    world.pass(300)
    world.runTimers(coordinator)
    try first.poll(coordinator)
    try second.poll(coordinator)
    #expect([first.owned.count, second.owned.count] == [3, 2])
    #expect(first.generation == 1)
  }

  @Test("keeps the place of a static member for its session, and fences the older of two", arguments: GroupProtocol.all)
  func staticMembers(groupProtocol: GroupProtocol) throws {
    let world = GroupWorld()
    let coordinator = world.coordinator()
    var member = SimulatedMember(["a"], instanceID: "one")
    member.groupProtocol = groupProtocol
    var other = SimulatedMember(["a"], instanceID: "two")
    other.groupProtocol = groupProtocol
    for _ in 0..<4 {
      try member.poll(coordinator)
      try other.poll(coordinator)
    }
    let generation = member.generation
    let before = member.owned
    let oldID = try #require(member.id)

    // It goes and comes back: the same partitions, and nobody else notices.
    coordinator.leave("g", oldID, instanceID: "one")
    world.pass(400)
    world.runTimers(coordinator)
    var again = SimulatedMember(["a"], instanceID: "one")
    again.groupProtocol = groupProtocol
    try again.poll(coordinator)
    #expect(again.owned == before)
    #expect(again.generation == generation)
    #expect(again.id != oldID)
    try other.poll(coordinator)
    #expect(other.generation == generation)

    expect(.fencedInstanceID) {
      _ = try coordinator.touch("g", oldID, instanceID: "one", generation: generation)
    }
    expect(.fencedInstanceID) {
      try coordinator.validateCommit("g", memberID: oldID, instanceID: "one", generation: generation)
    }

    // It goes for good.
    coordinator.leave("g", try #require(again.id), instanceID: "one")
    world.pass(500)
    world.runTimers(coordinator)
    for _ in 0..<3 { try other.poll(coordinator) }
    #expect(other.owned.count == 5)
  }

  @Test("of KIP-848's protocol tells who waits for a static member's partitions when that one comes back without them")
  func comesBackWithLess() throws {
    let coordinator = GroupWorld().coordinator()
    var first = SimulatedMember.ofConsumerProtocol(["a"])
    first.instanceID = "one"
    var second = SimulatedMember.ofConsumerProtocol(["a"])
    try first.poll(coordinator)
    try second.poll(coordinator)
    #expect(first.owned.count == 5 && second.owned.isEmpty)
    // It has not yet heard that it is to share.
    coordinator.leave("g", try #require(first.id), instanceID: "one")
    first.id = nil
    first.owned = []
    first.mustJoin = true
    try first.poll(coordinator)
    try second.poll(coordinator)
    #expect([first.owned.count, second.owned.count].sorted() == [2, 3])
    #expect(coordinator.describe("g")?.state == .stable)
  }

  @Test("of two living static members of one name, the classic protocol takes the newer, KIP-848's the older")
  func doubles() throws {
    let coordinator = GroupWorld().coordinator()
    var old = SimulatedMember(["a"], instanceID: "one")
    try old.poll(coordinator)
    var new = SimulatedMember(["a"], instanceID: "one")
    try new.poll(coordinator)
    #expect(new.owned.count == 5)
    expect(.fencedInstanceID) { try old.poll(coordinator) }

    var first = SimulatedMember(["a"], instanceID: "one")
    first.groupProtocol = .consumer
    try first.poll(coordinator, "h")
    var second = first
    second.id = nil
    second.mustJoin = true
    expect(.unreleasedInstanceID) { try second.poll(coordinator, "h") }
  }

  @Test(
    "has members that subscribe to a pattern, and takes in topics as they come and go", arguments: GroupProtocol.all)
  func patterns(groupProtocol: GroupProtocol) throws {
    let world = GroupWorld()
    world.topics.withLock { $0 = ["orders-eu": 2, "orders-us": 1, "other": 4, "__internal": 3] }
    let coordinator = world.coordinator()
    var member = SimulatedMember([])
    member.groupProtocol = groupProtocol
    member.subscription = .pattern(try TopicPattern("orders-.*|__.*"))
    try member.poll(coordinator)
    #expect(Set(member.owned.map(\.topic)) == ["orders-eu", "orders-us"])
    world.topics.withLock { $0["orders-asia"] = 1 }
    coordinator.topicsChanged(["orders-asia"])
    try member.poll(coordinator)
    #expect(member.owned.count == 4)
    let generation = member.generation
    world.topics.withLock { $0["more-orders-x"] = 1 }
    coordinator.topicsChanged(["more-orders-x"])
    try member.poll(coordinator)
    #expect(member.generation == generation, "a whole name has to match")
    world.topics.withLock { $0["orders-eu"] = nil }
    coordinator.topicsChanged(["orders-eu"])
    try member.poll(coordinator)
    #expect(Set(member.owned.map(\.topic)) == ["orders-asia", "orders-us"])
  }

  @Test("refuses what is no pattern, who speaks another protocol, who knows no common assignor, and one too many")
  func refusals() throws {
    expect(.invalidRegularExpression) { _ = try TopicPattern("orders-(") }
    expect(.illegalArgument) { _ = try TopicPattern("") }
    let coordinator = GroupWorld().coordinator(maxSize: 1)
    var member = SimulatedMember(["a"])
    try member.poll(coordinator)
    var stranger = SimulatedMember.ofConsumerProtocol(["a"])
    expect(.inconsistentGroupProtocol) { try stranger.poll(coordinator) }
    var unlike = SimulatedMember(["a"], [.sticky])
    expect(.groupMaxSizeReached) { try unlike.poll(coordinator) }
    let roomy = GroupWorld().coordinator()
    try member.poll(roomy, "h")
    var first = SimulatedMember(["a"])
    try first.poll(roomy)
    expect(.inconsistentGroupProtocol) { try unlike.poll(roomy) }
    expect(.nonEmptyGroup) { try roomy.delete("g") }
    roomy.leave("g", try #require(first.id))
    try stranger.poll(roomy)
    #expect(stranger.owned.count == 5, "an empty group takes whichever protocol comes")
    #expect(stranger.generation > first.generation)
  }

  @Test("tells every member what its own assignor did wrong, and tries again when it is asked to")
  func wrongAssignor() throws {
    struct Wrong: PartitionAssignor {
      let name = "wrong"
      func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
        members.count < 2 ? ["nobody": [TopicPartition("a", 0)]] : [:]
      }
    }
    let coordinator = GroupWorld().coordinator()
    var member = SimulatedMember(["a"], [GroupAssignor(Wrong())])
    expect(.illegalState) { try member.poll(coordinator) }
    expect(.illegalState) { try member.poll(coordinator) }
    var second = SimulatedMember(["a"], [GroupAssignor(Wrong())])
    try? second.poll(coordinator)
    #expect(coordinator.describe("g")?.members.count == 2)
  }

  @Test("looks at no clock in vain once the first rebalance need wait for newcomers no longer")
  func initialDelayIsOver() throws {
    let world = GroupWorld()
    let coordinator = world.coordinator(initialRebalanceDelay: 300)
    var member = SimulatedMember(["a"])
    try member.poll(coordinator)
    coordinator.topicsChanged(["a"])
    world.pass(300)
    world.runTimers(coordinator)
    #expect(world.scheduled.withLock { !$0.isEmpty && $0.allSatisfy { $0 > 300 } })
    try member.poll(coordinator)
    #expect(member.owned.count == 5)
  }

  @Test(
    "of group.max.size takes no static member more either, but for one that comes back", arguments: GroupProtocol.all)
  func fullOfStaticMembers(groupProtocol: GroupProtocol) throws {
    let coordinator = GroupWorld().coordinator(maxSize: 1)
    var first = SimulatedMember(["a"], instanceID: "one")
    first.groupProtocol = groupProtocol
    var second = SimulatedMember(["a"], instanceID: "two")
    second.groupProtocol = groupProtocol
    try first.poll(coordinator)
    expect(.groupMaxSizeReached) { try second.poll(coordinator) }
    coordinator.leave("g", try #require(first.id), instanceID: "one")
    expect(.groupMaxSizeReached) { try second.poll(coordinator) }
    var again = SimulatedMember(["a"], instanceID: "one")
    again.groupProtocol = groupProtocol
    try again.poll(coordinator)
    #expect(again.owned.count == 5)
  }

  @Test(
    "divides 1,000 partitions among 100 members evenly",
    arguments: [Style.range, .cooperativeSticky, .consumerProtocol])
  func large(style: Style) throws {
    var generator = SplitMix(seed: 1)
    let world = GroupWorld()
    world.topics.withLock { $0 = ["a": 1000] }
    let coordinator = world.coordinator()
    var members = (0..<100).map { _ in style.member(["a"], using: &generator) }
    for _ in 0..<3 { try settle(&members, coordinator) }
    #expect(members.allSatisfy { $0.owned.count == 10 })
    #expect(world.scheduled.withLock { $0.count } < 5, "one timer serves all")
  }

  private func expect(_ code: EventLogError.Code, _ body: () throws -> Void) {
    let error = #expect(throws: EventLogError.self) { try body() }
    #expect(error?.code == code)
  }
}

extension GroupProtocol {
  static let all: [GroupProtocol] = [.classic, .consumer]
}
