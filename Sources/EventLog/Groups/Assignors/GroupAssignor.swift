internal import RecordFormat

/// How a group divides partitions among its members (`partition.assignment.strategy`): one of Kafka's four, with
/// Kafka's names and results, or one of your own.
///
/// Two values are equal if their names are: it is by its name that members agree on an assignor.
public struct GroupAssignor: Sendable {
  private let assignor: any PartitionAssignor
  /// Whether it is one of Kafka's, whose answers need no check.
  let isBuiltIn: Bool

  /// Of each topic, every member gets a run of neighbouring partitions; of topics with as many partitions, the same
  /// ones (Kafka's `RangeAssignor`).
  public static let range = GroupAssignor(builtIn: RangeAssignor())
  /// All partitions in turn (Kafka's `RoundRobinAssignor`).
  public static let roundRobin = GroupAssignor(builtIn: RoundRobinAssignor())
  /// Evenly, and each member keeps what it had as far as that allows (Kafka's `StickyAssignor`, KIP-54).
  public static let sticky = GroupAssignor(builtIn: StickyAssignor())
  /// As `sticky`, but members go on with what they keep while the rest moves (Kafka's `CooperativeStickyAssignor`,
  /// KIP-429).
  public static let cooperativeSticky = GroupAssignor(builtIn: CooperativeStickyAssignor())

  /// Kafka's four.
  public static let allBuiltIn: [GroupAssignor] = [.range, .roundRobin, .sticky, .cooperativeSticky]

  /// An assignor of your own. Its name may not be one of Kafka's.
  public init(_ custom: any PartitionAssignor) {
    assignor = custom
    isBuiltIn = false
  }

  /// The one of Kafka's with this name: `range`, `roundrobin`, `sticky` or `cooperative-sticky`; nil for other names.
  public init?(name: String) {
    guard let found = Self.allBuiltIn.first(where: { $0.name == name }) else { return nil }
    self = found
  }

  private init(builtIn: any PartitionAssignor) {
    assignor = builtIn
    isBuiltIn = true
  }

  /// The name by which members agree on it.
  public var name: String { assignor.name }

  /// Whether members keep their partitions during a rebalance (KIP-429).
  public var isCooperative: Bool { assignor.isCooperative }

  /// Divides the partitions, without a look at the answer.
  func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
    assignor.assign(partitionCounts: partitionCounts, members: members)
  }

  /// Divides the partitions, and refuses the answer of a custom assignor that is not valid.
  ///
  /// - Throws: `illegalState`, naming the assignor and what is wrong with its answer.
  func checkedAssign(
    partitionCounts: [String: Int], members: [AssignorMember]
  ) throws(EventLogError) -> [String: [TopicPartition]] {
    let assignment = assign(partitionCounts: partitionCounts, members: members)
    guard !isBuiltIn else { return assignment }
    try AssignmentValidator(partitionCounts: partitionCounts, members: members)
      .validate(assignment, of: name, isCooperative: isCooperative)
    return assignment
  }

  /// Refuses a list that a consumer cannot have: an empty one, or one with a name twice or an empty name.
  static func validate(_ assignors: [GroupAssignor]) throws(EventLogError) {
    guard !assignors.isEmpty else {
      throw EventLogError(.invalidConfig, "partition.assignment.strategy has to name an assignor")
    }
    var names: Set<String> = []
    for assignor in assignors {
      let isTaken = !assignor.isBuiltIn && GroupAssignor(name: assignor.name) != nil
      guard !assignor.name.isEmpty, !isTaken, names.insert(assignor.name).inserted else {
        throw EventLogError(
          .invalidConfig,
          "partition.assignment.strategy has the name \"\(assignor.name)\" that is empty, used twice, or Kafka's own; "
            + "give each assignor a name of its own")
      }
    }
  }
}

extension GroupAssignor: Hashable {
  public static func == (a: GroupAssignor, b: GroupAssignor) -> Bool { a.name == b.name }
  public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

extension GroupAssignor: CustomStringConvertible {
  /// The assignor's name.
  public var description: String { name }
}
