public import RecordFormat

extension Admin {
  /// Sets where a group goes on reading, as `kafka-consumer-groups --reset-offsets` does. The group may have no members;
  /// it need not exist.
  ///
  /// Each offset is kept within what its log holds, from the log start to the high watermark. All partitions are
  /// changed, durably, or none.
  ///
  /// - Parameters:
  ///   - partitions: which; nil takes those of the target where that names them, and else all for which the group has
  ///     committed something (Kafka's `--all-topics`).
  ///   - target: where to.
  ///   - dryRun: works the plan out, and changes nothing. This can be done on a broker that was opened read-only too.
  /// - Returns: what was done, or would be.
  /// - Throws: `nonEmptyGroup` where the group has members; `unknownTopicOrPartition`; `invalidRequest` where there is
  ///   nothing to reset; `illegalArgument` for a negative time, or for a shift where nothing is committed;
  ///   `invalidGroupID`, `readOnly`.
  @discardableResult
  public func resetConsumerGroupOffsets(
    _ group: String, of partitions: [TopicPartition]? = nil, to target: OffsetResetTarget, dryRun: Bool = false
  ) throws -> OffsetResetPlan {
    try broker.requireOpen()
    if !dryRun { try broker.requireWritable() }
    guard !group.isEmpty else { throw EventLogError(.invalidGroupID, "group.id may not be empty") }
    if let description = broker.groups.describe(group), !description.members.isEmpty {
      throw EventLogError(
        .nonEmptyGroup,
        "the offsets of a group can be reset only while it has no members; group \(group) is "
          + "\(description.state.rawValue). Close its consumers first")
    }
    let committed = broker.offsets.committed(group)
    let chosen = try self.partitions(partitions, target, committed, group)
    var plan = OffsetResetPlan(changes: [], isExecuted: false)
    for partition in chosen.sorted() {
      plan.changes.append(try change(of: partition, to: target, committed[partition]?.offset))
    }
    guard !dryRun else { return plan }
    try alterConsumerGroupOffsets(group, plan.offsets.mapValues { OffsetAndMetadata($0) })
    plan.isExecuted = true
    return plan
  }

  private func partitions(
    _ named: [TopicPartition]?, _ target: OffsetResetTarget, _ committed: [TopicPartition: OffsetAndMetadata],
    _ group: String
  ) throws(EventLogError) -> Set<TopicPartition> {
    var chosen = Set(named ?? Array(committed.keys))
    if case .offsets(let offsets) = target {
      chosen = named == nil ? Set(offsets.keys) : chosen.intersection(offsets.keys)
    }
    guard !chosen.isEmpty else {
      throw EventLogError(
        .invalidRequest,
        named == nil
          ? "group \(group) has committed nothing that could be reset; name topics" : "there is no partition to reset")
    }
    return chosen
  }

  private func change(
    of partition: TopicPartition, to target: OffsetResetTarget, _ current: Int64?
  ) throws(EventLogError) -> OffsetResetPlan.Change {
    let log = try broker.partition(partition)
    let start = try log.logStartOffset()
    let end = max(start, try log.highWatermark())
    let wanted: Int64 =
      switch target {
      case .earliest: start
      case .latest: end
      case .offset(let offset): offset
      case .datetime(let timestamp): try find(partition, .timestamp(timestamp), .readUncommitted)?.offset ?? end
      case .duration(let duration): try offset(partition, duration) ?? end
      case .shift(let distance): try shifted(current, by: distance, partition)
      case .current: current ?? end
      case .offsets(let offsets): offsets[partition] ?? current ?? end
      }
    let kept = min(max(wanted, start), end)
    return OffsetResetPlan.Change(
      topicPartition: partition, currentOffset: current, newOffset: kept, wantedOffset: kept == wanted ? nil : wanted)
  }

  private func offset(_ partition: TopicPartition, _ ago: Duration) throws(EventLogError) -> Int64? {
    let (timestamp, overflow) = broker.context.time.wallMilliseconds().subtractingReportingOverflow(ago.milliseconds)
    guard !overflow, timestamp >= 0 else {
      throw EventLogError(.illegalArgument, "so long ago is before 1970; reset to earliest instead")
    }
    return try find(partition, .timestamp(timestamp), .readUncommitted)?.offset
  }

  private func shifted(
    _ current: Int64?, by distance: Int64, _ partition: TopicPartition
  ) throws(EventLogError) -> Int64 {
    guard let current else {
      throw EventLogError(.illegalArgument, "there is no committed offset that could be shifted").at(partition)
    }
    let (sum, overflow) = current.addingReportingOverflow(distance)
    return overflow ? (distance < 0 ? 0 : .max) : sum
  }
}
