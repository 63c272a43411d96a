internal import RecordFormat

/// A consumer's place in its group.
struct GroupMembership {
  var memberID: String?
  /// The generation of the classic protocol, the member's epoch in KIP-848's.
  var generation: Int32 = -1
  /// Whether the next poll has to join, or join again.
  var mustJoin = false
  /// Whether a join is under way: what had to be given up for it is given up.
  var isJoining = false
  /// What the group last gave it.
  var assignment: [TopicPartition] = []
}
