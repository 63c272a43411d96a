internal import MetadataStore
public import RecordFormat

extension Admin {
  /// All groups that have members, or have committed something.
  public func listGroups() throws -> [GroupListing] {
    try broker.requireOpen()
    var states: [String: GroupState] = [:]
    for id in broker.offsets.groups() { states[id] = .empty }
    for group in broker.groups.all() { states[group.id] = group.state }
    return states.map { GroupListing(id: $0.key, state: $0.value) }.sorted { $0.id < $1.id }
  }

  /// What a group is. Its members are known to the process that owns the directory, and to no other.
  ///
  /// - Throws: `groupIDNotFound`.
  public func describeGroup(_ id: String) throws -> GroupDescription {
    try broker.requireOpen()
    if let group = broker.groups.describe(id) {
      return GroupDescription(
        id: id, state: group.state, generation: group.generation, assignor: group.assignor,
        members: group.members.map { .init(id: $0.id, topics: $0.topics, assignment: $0.assignment) })
    }
    try requireGroup(id)
    return GroupDescription(id: id, state: .empty, generation: 0, assignor: nil, members: [])
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
