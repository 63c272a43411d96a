public import EventLog
public import RecordFormat

/// All that a user can see of a data directory: topics, records, committed offsets. As a text, it can lie beside the tests,
/// be compared line by line, and be replayed.
public struct StoreSnapshot: Sendable, Hashable {
  public struct Partition: Sendable, Hashable {
    public var logStartOffset: Int64
    /// Consumers read below this.
    public var highWatermark: Int64
    public var records: [RecordAtOffset]

    public init(logStartOffset: Int64 = 0, highWatermark: Int64 = 0, records: [RecordAtOffset] = []) {
      self.logStartOffset = logStartOffset
      self.highWatermark = highWatermark
      self.records = records
    }
  }

  /// A record and its place. Its timestamp is nil where the snapshot was taken without.
  public struct RecordAtOffset: Sendable, Hashable {
    public var offset: Int64
    public var record: Record

    public init(offset: Int64, record: Record) {
      self.offset = offset
      self.record = record
    }
  }

  public struct Topic: Sendable, Hashable {
    public var name: String
    /// The configurations that differ from the defaults.
    public var configs: [String: String]
    public var partitions: [Partition]

    public init(name: String, configs: [String: String] = [:], partitions: [Partition]) {
      self.name = name
      self.configs = configs
      self.partitions = partitions
    }
  }

  public struct Group: Sendable, Hashable {
    public var id: String
    public var offsets: [TopicPartition: OffsetAndMetadata]

    public init(id: String, offsets: [TopicPartition: OffsetAndMetadata]) {
      self.id = id
      self.offsets = offsets
    }
  }

  /// By name.
  public var topics: [Topic]
  /// By id.
  public var groups: [Group]

  public init(topics: [Topic] = [], groups: [Group] = []) {
    self.topics = topics
    self.groups = groups
  }
}

extension TestBroker {
  /// What is there now.
  ///
  /// - Parameter timestamps: whether with the records' timestamps, which differ from run to run without a `TestClock`.
  /// - Throws: as `drain`.
  public func snapshot(timestamps: Bool = true) async throws -> StoreSnapshot {
    var snapshot = StoreSnapshot()
    for name in try admin.listTopics() {
      let description = try admin.describeTopic(name)
      var partitions = description.partitions.map {
        StoreSnapshot.Partition(logStartOffset: $0.logStartOffset, highWatermark: $0.highWatermark)
      }
      for record in try await drain(name) {
        partitions[record.partition].records.append(
          .init(
            offset: record.offset,
            record: Record(
              key: record.key, value: record.value, headers: record.headers,
              timestamp: timestamps ? record.timestamp : nil)))
      }
      snapshot.topics.append(.init(name: name, configs: description.configs, partitions: partitions))
    }
    for group in try admin.listGroups() {
      let offsets = try admin.listConsumerGroupOffsets(group.id)
      if !offsets.isEmpty { snapshot.groups.append(.init(id: group.id, offsets: offsets)) }
    }
    return snapshot
  }

  /// Makes topics, records and committed offsets as a snapshot has them. The topics may not be there yet; what the groups of
  /// the snapshot had committed is replaced.
  ///
  /// - Throws: `topicAlreadyExists`; `invalidRecord` where offsets between the log start and the high watermark have no
  ///   record, such as those of compacted topics and of transactions: producing can't make that.
  public func replay(_ snapshot: StoreSnapshot) async throws {
    for topic in snapshot.topics {
      try admin.createTopic(topic.name, partitions: topic.partitions.count, configs: topic.configs)
      for (number, partition) in topic.partitions.enumerated() {
        try await replay(partition, as: TopicPartition(topic.name, number))
      }
    }
    for group in snapshot.groups { try admin.alterConsumerGroupOffsets(group.id, group.offsets) }
  }

  private func replay(_ partition: StoreSnapshot.Partition, as name: TopicPartition) async throws {
    let offsets = partition.records.map(\.offset)
    guard offsets == Array(partition.logStartOffset..<max(partition.logStartOffset, partition.highWatermark)) else {
      throw EventLogError(
        .invalidRecord,
        "the snapshot has no record for some offset from \(partition.logStartOffset) to "
          + "\(partition.highWatermark): what compaction or a transaction left can't be replayed"
      ).at(name)
    }
    // What lay below the log start only has to be passed.
    let fillers = (0..<partition.logStartOffset).map { _ in Record(key: [], value: []) }
    let records = fillers + partition.records.map(\.record)
    guard !records.isEmpty else { return }
    try await produce(name.topic, records, partition: name.partition)
    if partition.logStartOffset > 0 { try admin.deleteRecords([name: partition.logStartOffset]) }
  }
}
