public import EventLog
internal import RecordFormat

extension TestBroker {
  /// Has all members of a group join again with their next polls.
  ///
  /// - Throws: `groupIDNotFound` where the group has no members.
  public func rebalance(group: String) throws {
    guard try !members(of: group).isEmpty else {
      throw EventLogError(.groupIDNotFound, "group \(group) has no members to rebalance")
    }
    broker.rebalance(group: group)
  }

  /// Puts a consumer out of its group, as if it had been away from `poll` for too long. It finds out with its next poll, as in
  /// production: its partitions are lost, and it joins again. Until then its commits are refused with `commitFailed`.
  ///
  /// - Throws: `unknownMemberID` for a consumer that is no member of a group now.
  public func evict(_ consumer: Consumer) throws {
    guard let group = consumer.group, let member = consumer.memberID else {
      throw EventLogError(.unknownMemberID, "the consumer is no member of a group; let it poll first")
    }
    try evict(member: member, group: group)
  }

  /// Puts a member out of its group, by the id that the group gave it.
  ///
  /// - Throws: `unknownMemberID` where the group has no such member.
  public func evict(member: String, group: String) throws {
    guard try members(of: group).contains(member) else {
      throw EventLogError(.unknownMemberID, "\(member) is no member of group \(group)")
    }
    broker.evict(member: member, group: group)
  }

  private func members(of group: String) throws -> [String] {
    do {
      return try admin.describeGroup(group).members.map(\.id)
    } catch let error as EventLogError where error.code == .groupIDNotFound {
      return []
    }
  }
}
