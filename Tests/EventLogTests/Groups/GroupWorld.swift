import RecordFormat
import SegmentStore
import Synchronization

@testable import EventLog

/// What a coordinator sees of a broker: a clock, topics, and a place where it notes generations.
final class GroupWorld: Sendable {
  let now = Atomic<Int64>(0)
  let topics = Mutex<[String: Int]>(["a": 5, "b": 3])
  let generations = Mutex<[Int32]>([])
  let scheduled = Mutex<[Int64]>([])

  func coordinator(maxSize: Int = 1000, initialRebalanceDelay: Int64 = 0) -> GroupCoordinator {
    GroupCoordinator(
      limits: .init(maxSize: maxSize, initialRebalanceDelay: initialRebalanceDelay),
      now: { self.now.load(ordering: .relaxed) }, topics: { self.topics.withLock { $0 } },
      schedule: { deadline in self.scheduled.withLock { $0.append(deadline) } },
      generationChanged: { _, generation, _ in self.generations.withLock { $0.append(generation) } })
  }

  func pass(_ milliseconds: Int64) { now.add(milliseconds, ordering: .relaxed) }

  /// Whether the next thing to be told of the time is not later than now.
  func runTimers(_ coordinator: GroupCoordinator) {
    let isDue = scheduled.withLock { scheduled -> Bool in
      let before = scheduled.count
      scheduled.removeAll { $0 <= now.load(ordering: .relaxed) }
      return scheduled.count < before
    }
    if isDue { coordinator.checkTimeouts() }
  }
}

/// A member as a consumer is one: joins when it has to, gives up what it has to, in either protocol.
struct SimulatedMember {
  var id: String?
  var instanceID: String?
  var subscription: GroupSubscription
  var groupProtocol = GroupProtocol.classic
  var assignors: [GroupAssignor] = [.range]
  var generation: Int32 = -1
  var owned: Set<TopicPartition> = []
  var previous: [TopicPartition] = []
  var mustJoin = true
  var isJoining = false
  /// Partitions that were taken away while the group still counted on this member, and how often.
  var given = 0

  init(_ topics: Set<String>, _ assignors: [GroupAssignor] = [.range], instanceID: String? = nil) {
    subscription = .topics(topics)
    self.assignors = assignors
    self.instanceID = instanceID
  }

  static func ofConsumerProtocol(_ topics: Set<String>) -> SimulatedMember {
    var member = SimulatedMember(topics)
    member.groupProtocol = .consumer
    return member
  }

  var isCooperative: Bool { assignors.allSatisfy(\.isCooperative) }

  /// One poll: as many steps as there are to take without waiting.
  mutating func poll(_ coordinator: GroupCoordinator, _ group: String = "g") throws(EventLogError) {
    for _ in 0..<8 {
      do throws(EventLogError) {
        if !mustJoin, let id {
          mustJoin = try coordinator.touch(group, id, instanceID: instanceID, generation: generation)
        }
        guard mustJoin || id == nil else { return }
        let goesOn = groupProtocol == .classic ? try join(coordinator, group) : try reconcile(coordinator, group)
        if !goesOn { return }
      } catch {
        guard [.unknownMemberID, .illegalGeneration, .fencedMemberEpoch].contains(error.code) else { throw error }
        lose()
      }
    }
  }

  private mutating func lose() {
    id = nil
    generation = -1
    owned = []
    previous = []
    mustJoin = true
    isJoining = false
  }

  private mutating func join(_ coordinator: GroupCoordinator, _ group: String) throws(EventLogError) -> Bool {
    if !isJoining, !isCooperative { owned = [] }
    isJoining = true
    let outcome = try coordinator.join(
      group,
      JoinRequest(
        memberID: id, instanceID: instanceID, subscription: subscription, assignors: assignors, owned: owned.sorted(),
        previous: previous, ownedGeneration: generation, rebalanceTimeout: 1000, sessionTimeout: 500, wake: {}))
    switch outcome {
    case .waiting(let memberID):
      id = memberID
      mustJoin = false
      return false
    case .failed(let memberID, let error):
      id = memberID
      throw error
    case .joined(let assignment):
      id = assignment.memberID
      generation = assignment.generation
      let target = Set(assignment.partitions)
      mustJoin = !owned.isSubset(of: target)
      given += owned.subtracting(target).count
      owned = target
      previous = assignment.partitions
      isJoining = false
      return true
    }
  }

  private mutating func reconcile(_ coordinator: GroupCoordinator, _ group: String) throws(EventLogError) -> Bool {
    let answer = try coordinator.heartbeat(
      group,
      ConsumerGroupHeartbeat(
        memberID: id, instanceID: instanceID, epoch: id == nil ? 0 : generation, subscription: subscription,
        assignor: nil, owned: owned, rebalanceTimeout: 1000, sessionTimeout: 500, wake: {}))
    id = answer.memberID
    generation = answer.epoch
    mustJoin = !owned.isSubset(of: answer.partitions)
    given += owned.subtracting(answer.partitions).count
    owned = answer.partitions
    return mustJoin
  }
}
