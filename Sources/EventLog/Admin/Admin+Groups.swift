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

  /// What a group has committed.
  ///
  /// - Throws: `groupIDNotFound`.
  public func listConsumerGroupOffsets(_ group: String) throws -> [TopicPartition: OffsetAndMetadata] {
    try broker.requireOpen()
    try requireGroup(group)
    return broker.offsets.committed(group)
  }

  /// Sets what a group has committed. The group may have no members.
  ///
  /// - Throws: `unknownMemberID` where it has; `unknownTopicOrPartition`, `illegalArgument`.
  public func alterConsumerGroupOffsets(_ group: String, _ offsets: [TopicPartition: OffsetAndMetadata]) throws {
    try broker.requireOpen()
    try broker.requireWritable()
    guard !group.isEmpty else { throw EventLogError(.invalidGroupID, "group.id may not be empty") }
    try broker.groups.validateCommit(group, memberID: nil, generation: -1)
    try broker.offsets.commitAndWait(group, offsets)
  }

  /// Forgets what a group has committed for some partitions.
  ///
  /// - Throws: `groupIDNotFound`; `groupSubscribedToTopic` where a member is subscribed to one of the topics.
  public func deleteConsumerGroupOffsets(_ group: String, _ partitions: [TopicPartition]) throws {
    try broker.requireOpen()
    try broker.requireWritable()
    try requireGroup(group)
    let subscribed = Set(broker.groups.describe(group)?.members.flatMap(\.topics) ?? [])
    if let taken = partitions.first(where: { subscribed.contains($0.topic) }) {
      throw EventLogError(
        .groupSubscribedToTopic, "group \(group) has a member that is subscribed to the topic", topic: taken.topic)
    }
    try broker.offsets.delete(group, partitions)
  }

  /// Forgets a group and all that it committed.
  ///
  /// - Throws: `groupIDNotFound`; `nonEmptyGroup` where it has members.
  public func deleteConsumerGroup(_ group: String) throws {
    try broker.requireOpen()
    try broker.requireWritable()
    try requireGroup(group)
    try broker.groups.delete(group)
    try broker.offsets.deleteGroup(group)
  }

  private func requireGroup(_ id: String) throws(EventLogError) {
    guard broker.groups.describe(id) != nil || broker.offsets.groups().contains(id) else {
      throw EventLogError(.groupIDNotFound, "there is no group \"\(id)\"")
    }
  }
}
