internal import RecordFormat

/// Kafka's states of a group.
public enum GroupState: String, Sendable, Hashable {
  /// No members; maybe committed offsets.
  case empty = "Empty"
  /// Classic protocol: members are asked to join the next generation.
  case preparingRebalance = "PreparingRebalance"
  /// Classic protocol: the next generation's partitions are being divided. Takes no time in one process.
  case completingRebalance = "CompletingRebalance"
  /// KIP-848: the target assignment is being worked out.
  case assigning = "Assigning"
  /// KIP-848: members are on their way to the target assignment.
  case reconciling = "Reconciling"
  case stable = "Stable"
  case dead = "Dead"
}

/// How a group comes to its assignment (`group.protocol`).
public enum GroupProtocol: String, Sendable, Hashable {
  /// Generations that all members join together; how much stands still meanwhile is the assignor's matter.
  case classic
  /// KIP-848: the broker works out a target, and each member moves towards it by itself.
  case consumer
}

/// What a member wants to read.
enum GroupSubscription: Sendable, Hashable {
  case topics(Set<String>)
  case pattern(TopicPattern)

  /// The topics of `all` that are meant. Topics that were named count also where they do not exist yet.
  func resolve(_ all: @autoclosure () -> [String: Int]) -> Set<String> {
    switch self {
    case .topics(let topics): topics
    case .pattern(let pattern): pattern.matching(all().keys)
    }
  }

  /// Whether a change of these topics concerns the member.
  func concerns(_ topics: Set<String>) -> Bool {
    switch self {
    case .topics(let subscribed): !subscribed.isDisjoint(with: topics)
    case .pattern(let pattern): !pattern.matching(topics).isEmpty
    }
  }
}

/// What a member asks for when it joins a group of the classic protocol.
struct JoinRequest: Sendable {
  /// What the coordinator called the member; nil for one that joins for the first time.
  var memberID: String?
  /// `group.instance.id`
  var instanceID: String?
  var subscription: GroupSubscription
  var assignors: [GroupAssignor]
  /// What it holds now: nothing, where it gave all up to join.
  var owned: [TopicPartition]
  /// What it was last given: what the sticky assignor goes by, which needs nobody to hold anything.
  var previous: [TopicPartition]
  var ownedGeneration: Int32
  /// `max.poll.interval.ms`: for the rebalance, and between two polls.
  var rebalanceTimeout: Int64
  /// `session.timeout.ms`: how long a static member's place is kept after its consumer went away.
  var sessionTimeout: Int64
  /// Called, on any thread, when there is something for the member to do.
  var wake: @Sendable () -> Void
  /// Whether it waits in a poll, and so is not late for one. Called under the coordinator's lock.
  var isPolling: @Sendable () -> Bool = { false }
}

/// What a member got.
struct GroupAssignment: Sendable {
  var memberID: String
  var generation: Int32
  var partitions: [TopicPartition]
}

enum JoinOutcome: Sendable {
  /// Not all members are there yet. Join again when woken.
  case waiting(memberID: String)
  case joined(GroupAssignment)
  /// It is a member, but what divides the partitions, a custom assignor, did something wrong. Join again to have it try again.
  case failed(memberID: String, EventLogError)
}

/// What a member of a KIP-848 group says: who it is, what it wants, and what it holds.
struct ConsumerGroupHeartbeat: Sendable {
  /// nil for one that joins for the first time.
  var memberID: String?
  var instanceID: String?
  /// The epoch that it was last told; 0 to join.
  var epoch: Int32
  var subscription: GroupSubscription
  /// `group.remote.assignor`
  var assignor: ServerAssignor?
  var owned: Set<TopicPartition>
  var rebalanceTimeout: Int64
  var sessionTimeout: Int64
  var wake: @Sendable () -> Void
  var isPolling: @Sendable () -> Bool = { false }
}

/// What it is to hold from now on. Where that is less than it holds, it lets go, and says so with its next heartbeat.
struct ConsumerGroupAssignment: Sendable {
  var memberID: String
  var epoch: Int32
  var partitions: Set<TopicPartition>
}

/// What a group needs to know of the rest of the broker, at one moment.
struct GroupEnvironment {
  let now: Int64
  /// `group.initial.rebalance.delay.ms`
  let initialRebalanceDelay: Int64
  /// All topics, with their numbers of partitions.
  let topics: () -> [String: Int]
}

/// What is to be done once the coordinator's lock is let go.
struct GroupEffects {
  var wakes: [@Sendable () -> Void] = []
  /// When to look at the time limits.
  var deadline = Int64.max
  /// Generations that began, with the name of what divided the partitions; nil for a group that became empty.
  var generations: [(group: String, generation: Int32, assignor: String?)] = []

  mutating func check(at time: Int64) { deadline = min(deadline, time) }
}

extension EventLogError {
  static func unknownMember(_ id: String, _ group: String) -> EventLogError {
    EventLogError(.unknownMemberID, "\(id) is no member of group \(group); the group may have gone on without it")
  }

  static func fencedInstance(_ instance: String, _ group: String) -> EventLogError {
    EventLogError(
      .fencedInstanceID,
      "another consumer joined group \(group) with the group.instance.id \(instance); this one has to be closed")
  }
}
