internal import MetadataStore
public import RecordFormat

extension Admin {
  /// All groups that have members, or have committed something.
  ///
  /// - Parameter states: only groups in one of these; all of them if it is nil (KIP-518).
  public func listGroups(in states: Set<GroupState>? = nil) throws -> [GroupListing] {
    try broker.requireOpen()
    var found: [String: GroupListing] = [:]
    for id in broker.offsets.groups() { found[id] = GroupListing(id: id, state: .empty, groupProtocol: .classic) }
    for group in broker.groups.all() {
      found[group.id] = GroupListing(id: group.id, state: group.state, groupProtocol: group.groupProtocol)
    }
    return found.values.filter { states?.contains($0.state) ?? true }.sorted { $0.id < $1.id }
  }

  /// What a group is. Its members are known to the process that owns the directory, and to no other.
  ///
  /// - Throws: `groupIDNotFound`.
  public func describeGroup(_ id: String) throws -> GroupDescription {
    try broker.requireOpen()
    if let group = broker.groups.describe(id) { return group }
    try requireGroup(id)
    return GroupDescription(id: id, state: .empty, generation: 0)
  }

  /// Has members leave a group: those named, or all. They are told at their next poll, lose what they had, and join anew if
  /// they go on polling (Kafka's `removeMembersFromConsumerGroup`).
  ///
  /// - Parameter members: members' ids, or static members' `group.instance.id`s; nil for all members.
  /// - Returns: what became of each: `unknownMemberID` for one that is none.
  /// - Throws: `groupIDNotFound`, `readOnly`.
  @discardableResult
  public func removeMembers(
    from group: String, _ members: [String]? = nil
  ) throws -> [String: Result<Void, EventLogError>] {
    try requireWritable()
    try requireGroup(group)
    let known = broker.groups.describe(group)?.members ?? []
    return results(of: Set(members ?? known.map(\.id))) { name throws(EventLogError) in
      let member = known.first { $0.id == name || $0.instanceID == name }
      guard let member, broker.groups.leave(group, member.id, evicted: true) else {
        throw .unknownMember(name, group)
      }
    }
  }

  /// Forgets a group and all that it committed.
  ///
  /// - Throws: `groupIDNotFound`; `nonEmptyGroup` where it has members; `readOnly`.
  public func deleteConsumerGroup(_ group: String) throws {
    try requireWritable()
    try delete(group)
  }

  /// Forgets groups; each succeeds or fails by itself (Kafka's `deleteConsumerGroups`).
  public func deleteConsumerGroups(each groups: [String]) throws -> [String: Result<Void, EventLogError>] {
    try requireWritable()
    return results(of: Set(groups)) { group throws(EventLogError) in try delete(group) }
  }

  private func delete(_ group: String) throws(EventLogError) {
    try requireGroup(group)
    try broker.groups.delete(group)
    try broker.offsets.deleteGroup(group)
  }

  func requireGroup(_ id: String) throws(EventLogError) {
    guard broker.groups.describe(id) != nil || broker.offsets.groups().contains(id) else {
      throw EventLogError(.groupIDNotFound, "there is no group \"\(id)\"")
    }
  }
}
