public import RecordFormat

extension Admin {
  /// What a group has committed.
  ///
  /// - Parameter partitions: those that are asked for; all if nil. One for which the group has committed nothing is left
  ///   out.
  /// - Throws: `groupIDNotFound`.
  public func listConsumerGroupOffsets(
    _ group: String, of partitions: [TopicPartition]? = nil
  ) throws -> [TopicPartition: OffsetAndMetadata] {
    try broker.requireOpen()
    return try committed(group, partitions.map(Set.init))
  }

  /// What groups have committed; each succeeds or fails by itself (Kafka's `listConsumerGroupOffsets`, KIP-709).
  ///
  /// - Parameter partitions: those that are asked for; all if nil.
  public func listConsumerGroupOffsets(
    each groups: [String], of partitions: [TopicPartition]? = nil
  ) throws -> [String: Result<[TopicPartition: OffsetAndMetadata], EventLogError>] {
    try broker.requireOpen()
    let wanted = partitions.map(Set.init)
    return results(of: Set(groups)) { group throws(EventLogError) in try committed(group, wanted) }
  }

  /// Sets what a group has committed: all of it, or nothing. The group may have no members; it need not exist.
  ///
  /// - Throws: `unknownMemberID` where it has members; `invalidGroupID` for an empty name; `unknownTopicOrPartition`;
  ///   `offsetMetadataTooLarge` beyond `offset.metadata.max.bytes`; `illegalArgument` for a negative offset; `readOnly`.
  public func alterConsumerGroupOffsets(_ group: String, _ offsets: [TopicPartition: OffsetAndMetadata]) throws {
    try requireWritable()
    try requireNoMembers(group)
    for (partition, offset) in offsets { try check(offset, for: partition) }
    try broker.offsets.commitAndWait(group, offsets)
  }

  /// Sets what a group has committed; each partition succeeds or fails by itself (Kafka's `alterConsumerGroupOffsets`).
  /// What succeeds is on the disk, in one transaction.
  ///
  /// - Throws: `unknownMemberID` where the group has members; `invalidGroupID` for an empty name; `readOnly`.
  public func alterConsumerGroupOffsets(
    _ group: String, each offsets: [TopicPartition: OffsetAndMetadata]
  ) throws -> [TopicPartition: Result<Void, EventLogError>] {
    try requireWritable()
    try requireNoMembers(group)
    var outcome = results(of: offsets.keys) { partition throws(EventLogError) in
      if let offset = offsets[partition] { try check(offset, for: partition) }
    }
    let good = offsets.filter { if case .success = outcome[$0.key] { true } else { false } }
    guard !good.isEmpty else { return outcome }
    do throws(EventLogError) {
      try broker.offsets.commitAndWait(group, good)
    } catch {
      for partition in good.keys { outcome[partition] = .failure(error.at(partition)) }
    }
    return outcome
  }

  /// Forgets what a group has committed for some partitions: for all of them, or for none. One for which it has
  /// committed nothing changes nothing.
  ///
  /// - Throws: `groupIDNotFound`; `groupSubscribedToTopic` where a member is subscribed to one of the topics;
  ///   `unknownTopicOrPartition`, `readOnly`.
  public func deleteConsumerGroupOffsets(_ group: String, _ partitions: [TopicPartition]) throws {
    try requireWritable()
    try requireGroup(group)
    let subscribed = subscribedTopics(group)
    for partition in partitions { try checkDeletion(of: partition, group, subscribed) }
    try broker.offsets.delete(group, partitions)
  }

  /// Forgets what a group has committed; each partition succeeds or fails by itself (Kafka's
  /// `deleteConsumerGroupOffsets`).
  ///
  /// - Throws: `groupIDNotFound`, `readOnly`.
  public func deleteConsumerGroupOffsets(
    _ group: String, each partitions: [TopicPartition]
  ) throws -> [TopicPartition: Result<Void, EventLogError>] {
    try requireWritable()
    try requireGroup(group)
    let subscribed = subscribedTopics(group)
    var outcome = results(of: Set(partitions)) { partition throws(EventLogError) in
      try checkDeletion(of: partition, group, subscribed)
    }
    let good = outcome.filter { if case .success = $0.value { true } else { false } }.map(\.key)
    guard !good.isEmpty else { return outcome }
    do throws(EventLogError) {
      try broker.offsets.delete(group, good)
    } catch {
      for partition in good { outcome[partition] = .failure(error.at(partition)) }
    }
    return outcome
  }

  // MARK: Checks

  private func committed(
    _ group: String, _ partitions: Set<TopicPartition>?
  ) throws(EventLogError) -> [TopicPartition: OffsetAndMetadata] {
    try requireGroup(group)
    let all = broker.offsets.committed(group)
    guard let partitions else { return all }
    return all.filter { partitions.contains($0.key) }
  }

  private func requireNoMembers(_ group: String) throws(EventLogError) {
    guard !group.isEmpty else { throw EventLogError(.invalidGroupID, "group.id may not be empty") }
    try broker.groups.validateCommit(group, memberID: nil, generation: -1)
  }

  private func check(_ offset: OffsetAndMetadata, for partition: TopicPartition) throws(EventLogError) {
    _ = try broker.partition(partition)
    guard offset.offset >= 0 else {
      throw EventLogError(.illegalArgument, "a committed offset can't be negative", offset: offset.offset).at(partition)
    }
    let limit = broker.configuration.offsetMetadataMaxBytes
    if let refusal = offset.refusal(for: partition, limit: limit) { throw refusal }
  }

  private func subscribedTopics(_ group: String) -> Set<String> {
    Set(broker.groups.describe(group)?.members.flatMap(\.topics) ?? [])
  }

  private func checkDeletion(
    of partition: TopicPartition, _ group: String, _ subscribed: Set<String>
  ) throws(EventLogError) {
    _ = try broker.partition(partition)
    guard !subscribed.contains(partition.topic) else {
      throw EventLogError(.groupSubscribedToTopic, "group \(group) has a member that is subscribed to the topic")
        .at(partition)
    }
  }
}
