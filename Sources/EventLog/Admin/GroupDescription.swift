public import RecordFormat

/// A group in a list (`listGroups`).
public struct GroupListing: Sendable, Hashable {
  public var id: String
  public var state: GroupState
  public var groupProtocol: GroupProtocol
}

/// What a group is (`describeConsumerGroups`).
public struct GroupDescription: Sendable {
  /// A member of a group.
  public struct Member: Sendable {
    /// What the group calls it, for as long as it is a member.
    public var id: String
    /// `group.instance.id` of a static member.
    public var instanceID: String?
    /// The topics that it wants, by name or by pattern.
    public var topics: [String]
    /// The partitions that it has.
    public var assignment: [TopicPartition]
    /// With `group.protocol=consumer`, the partitions that it is to have in the end; nil in the classic protocol.
    public var targetAssignment: [TopicPartition]?
  }

  public var id: String
  public var groupProtocol = GroupProtocol.classic
  public var state: GroupState
  /// The generation; with `group.protocol=consumer`, the group's epoch.
  public var generation: Int32
  /// What divides the partitions; nil while the group is empty.
  public var assignor: String?
  public var members: [Member] = []
}
