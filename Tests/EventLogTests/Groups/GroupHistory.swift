import RecordFormat
import SegmentStore

@testable import EventLog

/// A group's life at random: members come, go, crash, change their minds; topics come, grow and go. What can be asked of a
/// group at any moment is checked at every step.
struct GroupHistory {
  /// What the members of a group are.
  enum Style: CaseIterable {
    case range, roundRobin, sticky, cooperativeSticky, consumerProtocol
    /// On its way from the eager to the cooperative protocol, as Kafka has that done.
    case mixed

    /// Whether a change moves as little as it can.
    var isSticky: Bool { self == .sticky || keepsWhatItCan }
    /// Whether a member goes on with what it keeps.
    var keepsWhatItCan: Bool { self == .cooperativeSticky || self == .consumerProtocol }
  }

  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  let style: Style
  /// Whether all members want the same, so that it is known how few moves there can be.
  let hasEqualSubscriptions: Bool
  let world = GroupWorld()
  let coordinator: GroupCoordinator
  private(set) var members: [SimulatedMember] = []
  private var generator: SplitMix
  private let seed: UInt64
  private var step = 0
  private var nextTopic = 0

  init(_ style: Style, seed: UInt64) {
    self.style = style
    self.seed = seed
    var generator = SplitMix(seed: seed)
    hasEqualSubscriptions = Bool.random(using: &generator)
    let partitions = Int.random(in: 1...6, using: &generator)
    world.topics.withLock { $0 = ["a": partitions, "b": 3] }
    coordinator = world.coordinator()
    self.generator = generator
  }

  /// Lives through it.
  mutating func run() throws {
    for _ in 0..<2 {
      for _ in 0..<Int.random(in: 4...14, using: &generator) {
        step += 1
        try change()
        try expectNoDoubles()
      }
      try settle()
      try expectSettled()
      try probe()
    }
    try expectRisingGenerations()
  }

  // MARK: What happens

  private mutating func change() throws {
    switch Int.random(in: 0..<22, using: &generator) {
    case 0...3 where members.count < 8: members.append(newMember())
    case 4: try comeBack()
    case 5...6: leave()
    case 7: try evict()
    case 8: try crash()
    case 9: grow()
    case 10: makeTopic()
    case 11: deleteTopic()
    case 12...13: resubscribe()
    case 14: pass(Int64.random(in: 1...40, using: &generator))
    case 15: coordinator.forceRebalance("g")
    default:
      if let index = members.indices.randomElement(using: &generator) { try members[index].poll(coordinator) }
    }
  }

  private mutating func newMember() -> SimulatedMember {
    var taken = Set(members.compactMap(\.instanceID))
    // KIP-848's protocol keeps the name of one that crashed for as long as it counts as alive.
    if style == .consumerProtocol { taken.formUnion(coordinator.describe("g")?.members.compactMap(\.instanceID) ?? []) }
    let free = (0..<3).map { "s\($0)" }.filter { !taken.contains($0) }
    var member = SimulatedMember([])
    if Int.random(in: 0..<4, using: &generator) == 0 { member.instanceID = free.randomElement(using: &generator) }
    member.subscription = subscription()
    switch style {
    case .range: member.assignors = [.range]
    case .roundRobin: member.assignors = [.roundRobin]
    case .sticky: member.assignors = [.sticky]
    case .cooperativeSticky: member.assignors = [.cooperativeSticky]
    case .consumerProtocol: member.groupProtocol = .consumer
    case .mixed:
      member.assignors = Bool.random(using: &generator) ? [.cooperativeSticky] : [.cooperativeSticky, .range]
    }
    return member
  }

  private mutating func subscription() -> GroupSubscription {
    guard !hasEqualSubscriptions else { return .topics(["a", "b"]) }
    switch Int.random(in: 0..<5, using: &generator) {
    case 0...1: return .topics(["a"])
    case 2...3: return .topics(["a", "b"])
    default: return Self.pattern
    }
  }

  private static let pattern = (try? TopicPattern("p.*|b")).map(GroupSubscription.pattern) ?? .topics([])

  /// The consumer of a static member is replaced, by one that was told to, or as after a crash.
  private mutating func comeBack() throws {
    guard let index = members.indices.filter({ members[$0].instanceID != nil }).randomElement(using: &generator) else {
      return
    }
    let old = members.remove(at: index)
    guard let id = old.id else { return }
    // KIP-848's protocol refuses the newer of two that live.
    if style == .consumerProtocol || Bool.random(using: &generator) {
      coordinator.leave("g", id, instanceID: old.instanceID)
    }
    if Int.random(in: 0..<4, using: &generator) == 0 { return }
    var new = SimulatedMember([], old.assignors, instanceID: old.instanceID)
    new.groupProtocol = old.groupProtocol
    new.subscription = old.subscription
    try new.poll(coordinator)
    members.append(new)
  }

  private mutating func leave() {
    guard let index = members.indices.randomElement(using: &generator) else { return }
    let gone = members.remove(at: index)
    if let id = gone.id { coordinator.leave("g", id, instanceID: gone.instanceID) }
  }

  /// One that is thrown out finds that out by itself. What it holds until then counts for nothing.
  private mutating func evict() throws {
    guard let index = members.indices.randomElement(using: &generator), let id = members[index].id else { return }
    coordinator.leave("g", id, evicted: true)
    try members[index].poll(coordinator)
  }

  /// A member is never heard of again, and the group has to find out.
  private mutating func crash() throws {
    guard members.count > 1, let index = members.indices.randomElement(using: &generator) else { return }
    members.remove(at: index)
  }

  private mutating func grow() {
    guard let topic = world.topics.withLock({ $0.keys.sorted() }).randomElement(using: &generator) else { return }
    world.topics.withLock { $0[topic, default: 0] += 1 }
    coordinator.topicsChanged([topic])
  }

  private mutating func makeTopic() {
    nextTopic += 1
    let topic = ["a", "b", "p\(nextTopic)"].randomElement(using: &generator) ?? "a"
    guard world.topics.withLock({ $0[topic] }) == nil else { return }
    world.topics.withLock { $0[topic] = 2 }
    coordinator.topicsChanged([topic])
  }

  private mutating func deleteTopic() {
    guard let topic = world.topics.withLock({ $0.keys.sorted() }).randomElement(using: &generator) else { return }
    world.topics.withLock { $0[topic] = nil }
    for index in members.indices { members[index].owned = members[index].owned.filter { $0.topic != topic } }
    coordinator.topicsChanged([topic])
  }

  private mutating func resubscribe() {
    guard let index = members.indices.randomElement(using: &generator) else { return }
    let subscription = subscription()
    guard subscription != members[index].subscription else { return }
    let topics = subscription.resolve(world.topics.withLock { $0 })
    members[index].subscription = subscription
    members[index].mustJoin = true
    members[index].isJoining = false
    members[index].owned = members[index].owned.filter { topics.contains($0.topic) }
  }

  private func pass(_ milliseconds: Int64) {
    world.pass(milliseconds)
    world.runTimers(coordinator)
  }

  // MARK: What is to be true

  /// At every moment.
  private func expectNoDoubles() throws {
    let owned = members.flatMap(\.owned)
    guard owned.count == Set(owned).count else { throw fault("a partition has two owners: \(owned.sorted())") }
  }

  /// Has everybody poll until nothing is left to do, and everybody who is away be given up.
  private mutating func settle() throws {
    try pollAll(after: 0)
    for _ in 0..<12 where Set(coordinator.describe("g")?.members.map(\.id) ?? []) != Set(members.compactMap(\.id)) {
      try pollAll(after: 400)
    }
    for _ in 0..<8 { try pollAll(after: 0) }
  }

  private mutating func pollAll(after milliseconds: Int64) throws {
    if milliseconds > 0 { pass(milliseconds) }
    for index in members.indices {
      try members[index].poll(coordinator)
      try expectNoDoubles()
    }
  }

  private func expectSettled() throws {
    let description = coordinator.describe("g")
    guard !members.isEmpty else {
      guard description?.members.isEmpty ?? true else { throw fault("an abandoned group still has members") }
      return
    }
    guard description?.state == .stable else { throw fault("the group is \(String(describing: description?.state))") }
    let topics = world.topics.withLock { $0 }
    let wanted = members.reduce(into: Set<String>()) { $0.formUnion($1.subscription.resolve(topics)) }
    let expected = Set(wanted.flatMap { topic in (0..<(topics[topic] ?? 0)).map { TopicPartition(topic, $0) } })
    let owned = Set(members.flatMap(\.owned))
    guard owned == expected else {
      let (missing, surplus) = (expected.subtracting(owned), owned.subtracting(expected))
      throw fault("nobody has \(missing.sorted()), too much is \(surplus.sorted())")
    }
    for member in members {
      guard member.owned.allSatisfy({ member.subscription.resolve(topics).contains($0.topic) }) else {
        throw fault("\(member.id ?? "?") has what it did not subscribe to")
      }
      guard description?.members.first(where: { $0.id == member.id })?.assignment == member.owned.sorted() else {
        throw fault("\(member.id ?? "?") has not what the group says")
      }
    }
    if hasEqualSubscriptions, style != .range {
      let loads = members.map(\.owned.count)
      guard (loads.max() ?? 0) - (loads.min() ?? 0) <= 1 else { throw fault("the loads are \(loads)") }
    }
  }

  /// One change to a group at rest moves no more than it has to, and takes nothing away to give it back.
  private mutating func probe() throws {
    guard style.isSticky, !members.isEmpty else { return }
    let before = Dictionary(members.compactMap { member in member.id.map { ($0, member.owned) } }) { first, _ in first }
    for index in members.indices { members[index].given = 0 }
    let change = Int.random(in: 0..<3, using: &generator)
    switch change {
    case 0:
      var member = newMember()
      member.instanceID = nil
      members.append(member)
    case 1 where members.count > 1:
      let gone = members.remove(at: Int.random(in: members.indices, using: &generator))
      if let id = gone.id { coordinator.leave("g", id, instanceID: gone.instanceID, evicted: true) }
    default: grow()
    }
    try settle()
    try expectSettled()
    var moved = 0
    for member in members {
      let old = member.id.flatMap { before[$0] } ?? []
      let lost = old.subtracting(member.owned).count
      moved += lost
      // With unequal subscriptions Kafka's classic assignor may divide what was given up otherwise than it meant to.
      if style.keepsWhatItCan, hasEqualSubscriptions || style == .consumerProtocol, member.given != lost {
        throw fault(
          "\(member.id ?? "?") gave up \(member.given) partitions, and \(lost) were to move (change \(change))")
      }
    }
    guard hasEqualSubscriptions else { return }
    let fewest = fewestMoves(from: members.map { $0.id.flatMap { before[$0] }?.count ?? 0 })
    guard moved == fewest else {
      throw fault("\(moved) partitions moved, and \(fewest) had to (change \(change), \(before.mapValues(\.count)))")
    }
  }

  /// How many partitions have to move for the loads to be even, given how many each member had.
  private func fewestMoves(from loads: [Int]) -> Int {
    let partitions = members.flatMap(\.owned).count
    let (floor, larger) = (partitions / members.count, partitions % members.count)
    let kept = loads.reduce(0) { $0 + min($1, floor) } + min(larger, loads.count { $0 > floor })
    return loads.reduce(0, +) - kept
  }

  private func expectRisingGenerations() throws {
    let generations = world.generations.withLock { $0 }
    let isRising = zip(generations, generations.dropFirst()).allSatisfy { $0 < $1 }
    guard isRising else { throw fault("a generation came twice") }
  }

  private func fault(_ text: String) -> Fault {
    Fault(description: "\(style), seed \(seed), step \(step): \(text)")
  }
}
