public import RecordFormat

extension Consumer {
  /// Has the next poll go on at `offset`. What was buffered is forgotten. An offset out of range is met with
  /// `auto.offset.reset` at the next poll.
  ///
  /// - Throws: `illegalArgument` for a negative offset, `illegalState` for a partition that the consumer does not have.
  public func seek(_ topicPartition: TopicPartition, to offset: Int64) throws {
    guard offset >= 0 else {
      throw EventLogError(.illegalArgument, "a position can't be negative", offset: offset).at(topicPartition)
    }
    try move([topicPartition]) { $0.seek(to: offset) }
  }

  /// Has the next poll go on at the log start; of all partitions if none is given.
  public func seekToBeginning(_ partitions: [TopicPartition] = []) throws {
    try move(partitions.isEmpty ? Array(assignment) : partitions) { $0.seek(.earliest) }
  }

  /// Has the next poll go on at the end as it is then; of all partitions if none is given.
  public func seekToEnd(_ partitions: [TopicPartition] = []) throws {
    try move(partitions.isEmpty ? Array(assignment) : partitions) { $0.seek(.latest) }
  }

  /// Has the next poll go on as `auto.offset.reset` says, whatever the group has committed.
  package func seekToReset(_ partitions: [TopicPartition]) throws {
    try move(partitions) { $0.seek(configuration.autoOffsetReset) }
  }

  /// The offset of the next record that a poll returns.
  ///
  /// - Throws: `illegalState` for a partition that the consumer does not have; `noOffsetForPartition`.
  public func position(_ topicPartition: TopicPartition) throws -> Int64 {
    var offset: Int64 = 0
    try update([topicPartition]) { position throws(EventLogError) in offset = try resolve(&position) }
    return min(offset, state.withLock { $0.loop }?.unread[topicPartition] ?? .max)
  }

  /// Has polls return nothing of these partitions until `resume`. The group does not take them away for it.
  public func pause(_ partitions: [TopicPartition]) throws {
    try update(partitions) { $0.isPaused = true }
  }

  /// Ends what `pause` began.
  public func resume(_ partitions: [TopicPartition]) throws {
    try update(partitions) { $0.isPaused = false }
    signal.wake()
  }

  /// The partitions that are paused.
  public var paused: Set<TopicPartition> {
    state.withLock { state in Set(state.positions.slots.filter(\.isPaused).map(\.topicPartition)) }
  }

  /// For each partition, the first record, in the order of offsets, whose timestamp is at least the one given; nil where
  /// there is none, or, for `read_committed`, where it lies at or behind the last stable offset.
  ///
  /// - Throws: `illegalArgument` for a negative timestamp; `unknownTopicOrPartition`.
  public func offsetsForTimes(_ timestamps: [TopicPartition: Int64]) throws -> [TopicPartition: OffsetAndTimestamp?] {
    try state.withLock { state throws(EventLogError) in try requireOpen(state) }
    return try broker.admin.listOffsets(timestamps.mapValues { .timestamp($0) }, isolation: configuration.isolation)
  }

  /// The log start of each partition.
  public func beginningOffsets(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64] {
    try state.withLock { state throws(EventLogError) in try requireOpen(state) }
    try broker.requireOpen()
    var result: [TopicPartition: Int64] = [:]
    for partition in partitions { result[partition] = try broker.partition(partition).logStartOffset() }
    return result
  }

  /// The end of each partition: the high watermark, or, for `read_committed`, the last stable offset.
  public func endOffsets(_ partitions: [TopicPartition]) throws -> [TopicPartition: Int64] {
    try state.withLock { state throws(EventLogError) in try requireOpen(state) }
    try broker.requireOpen()
    var result: [TopicPartition: Int64] = [:]
    for partition in partitions {
      result[partition] = try broker.partition(partition).endOffset(configuration.isolation)
    }
    return result
  }

  /// How many offsets lie between the position and the end of a partition.
  public func lag(of topicPartition: TopicPartition) throws -> Int64 {
    let position = try position(topicPartition)
    return max(0, try broker.partition(topicPartition).endOffset(configuration.isolation) - position)
  }

  /// As `lag(of:)`, but without looking for anything: nil before the partition's first poll (KIP-695).
  ///
  /// - Throws: `illegalState` for a partition that the consumer does not have.
  public func currentLag(_ topicPartition: TopicPartition) throws -> Int64? {
    var lag: Int64?
    try update([topicPartition]) { position throws(EventLogError) in
      guard let offset = position.offset else { return }
      lag = max(0, try position.partition.endOffset(configuration.isolation) - offset)
    }
    return lag
  }

  private func move(
    _ partitions: [TopicPartition], _ change: (inout PartitionPosition) throws(EventLogError) -> Void
  ) throws(EventLogError) {
    try update(partitions, change)
    // What a loop has in store of them was read before.
    state.withLock { $0.loop }?.forget(partitions)
    state.withLock { $0.hasUncommitted = true }
    signal.wake()
  }

  private func update(
    _ partitions: [TopicPartition], _ change: (inout PartitionPosition) throws(EventLogError) -> Void
  ) throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      try requireOpen(state)
      for topicPartition in partitions where state.positions[topicPartition] == nil {
        throw EventLogError(.illegalState, "the consumer does not have this partition").at(topicPartition)
      }
      for topicPartition in partitions { try state.positions.update(topicPartition, change) }
    }
  }
}
