public import RecordFormat

/// Divides the partitions of a group's topics among its members: Kafka's `ConsumerPartitionAssignor`.
///
/// Kafka's own four are values of ``GroupAssignor``. Conform to this protocol for a rule of your own, and name it in
/// ``ConsumerConfiguration/assignors``; all members of a group have to know it:
///
/// ```swift
/// struct FirstTakesAll: PartitionAssignor {
///   let name = "first-takes-all"
///   func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
///     guard let first = members.min(by: { $0.id < $1.id }) else { return [:] }
///     return [first.id: first.topics.flatMap { topic in
///       (0..<(partitionCounts[topic] ?? 0)).map { TopicPartition(topic, $0) }
///     }]
///   }
/// }
/// configuration.assignors = [GroupAssignor(FirstTakesAll())]
/// ```
public protocol PartitionAssignor: Sendable {
  /// The name by which members agree on an assignor. May not be one of Kafka's four names, nor empty.
  var name: String { get }

  /// Whether members go on with what they keep while the rest moves (KIP-429). False by default.
  ///
  /// A cooperative assignor gives a partition that is in a member's ``AssignorMember/owned`` to nobody else: it leaves
  /// it out, its owner lets go of it, and the rebalance that follows gives it away.
  var isCooperative: Bool { get }

  /// Divides the partitions.
  ///
  /// Called while the group is locked, so it has to be quick, and may not call the broker. The same input has to give
  /// the same answer, whatever the order of `members`. An answer that names an unknown member, gives a partition to
  /// two members or to one that did not subscribe to its topic, or names a partition that does not exist is refused.
  ///
  /// - Parameters:
  ///   - partitionCounts: the subscribed topics that exist, with their numbers of partitions.
  ///   - members: the group's members, in no particular order.
  /// - Returns: the partitions of each member, by its id. A member that is left out gets none; a partition that is left
  ///   out is read by nobody.
  func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]]
}

extension PartitionAssignor {
  public var isCooperative: Bool { false }
}

/// What an assignor knows of a member of a group.
public struct AssignorMember: Sendable, Hashable {
  /// The member's id, which changes each time a consumer joins anew.
  public var id: String
  /// The `group.instance.id` of a static member (KIP-345), which stays.
  public var instanceID: String?
  /// The topics that it subscribed to; some may not exist.
  public var topics: Set<String>
  /// What it had after the last rebalance that it took part in; empty for a new member.
  public var owned: [TopicPartition]
  /// The generation of that rebalance, or -1. The claim of an older generation loses against a newer one.
  public var generation: Int32

  /// Describes a member; without the last three it is a new, dynamic one.
  public init(
    id: String, instanceID: String? = nil, topics: Set<String>, owned: [TopicPartition] = [], generation: Int32 = -1
  ) {
    self.id = id
    self.instanceID = instanceID
    self.topics = topics
    self.owned = owned
    self.generation = generation
  }
}
