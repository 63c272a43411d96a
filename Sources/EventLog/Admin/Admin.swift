internal import MetadataStore
public import RecordFormat
internal import SegmentStore

/// Creates, deletes, describes and changes topics and groups: Kafka's `Admin`, without the waiting.
public struct Admin: Sendable {
  let broker: Broker
}

// MARK: Topics

extension Admin {
  /// Creates a topic.
  ///
  /// - Parameters:
  ///   - partitions: at least 1; -1 takes `num.partitions`.
  ///   - configs: by Kafka's names; what is not named has its default.
  ///   - validateOnly: checks, and creates nothing.
  /// - Throws: `invalidTopic`, `topicAlreadyExists`, `invalidPartitions`, `invalidConfig`, `readOnly`.
  @discardableResult
  public func createTopic(
    _ name: String, partitions: Int = -1, configs: [String: String] = [:], validateOnly: Bool = false
  ) throws -> TopicDescription {
    try broker.requireOpen()
    try broker.requireWritable()
    let topic = try broker.createTopic(name, partitions: partitions, configs: configs, validateOnly: validateOnly)
    return describe(topic)
  }

  /// Deletes a topic with all its records and the offsets that groups committed for it. Whoever still holds a record of
  /// it may go on reading that record.
  ///
  /// - Throws: `unknownTopicOrPartition`, `readOnly`.
  public func deleteTopic(_ name: String) throws {
    try broker.requireOpen()
    try broker.requireWritable()
    try broker.deleteTopic(name)
  }

  /// The names of all topics, sorted.
  public func listTopics() throws -> [String] {
    try broker.requireOpen()
    return broker.topicTable.all().map(\.name)
  }

  /// - Throws: `unknownTopicOrPartition`.
  public func describeTopic(_ name: String) throws -> TopicDescription {
    try broker.requireOpen()
    return describe(try broker.topic(name))
  }

  /// Adds partitions, up to `count` in all. Records stay where they are; keys may go elsewhere from now on.
  ///
  /// - Throws: `unknownTopicOrPartition`; `invalidPartitions` where the topic has as many already.
  public func createPartitions(_ topic: String, to count: Int) throws {
    try broker.requireOpen()
    try broker.requireWritable()
    try broker.addPartitions(topic, to: count)
  }

  /// Moves log start offsets up to the given offsets; -1 means the high watermark. What lies below can't be read any more.
  ///
  /// - Returns: the log start offsets now.
  /// - Throws: `offsetOutOfRange` beyond the high watermark; `policyViolation` where `cleanup.policy` lacks `delete`.
  @discardableResult
  public func deleteRecords(_ before: [TopicPartition: Int64]) throws -> [TopicPartition: Int64] {
    try broker.requireOpen()
    try broker.requireWritable()
    var result: [TopicPartition: Int64] = [:]
    for (topicPartition, offset) in before {
      let topic = try broker.topic(topicPartition.topic)
      let log = try topic.partition(topicPartition.partition).log()
      guard log.configuration.isDeleted else {
        throw EventLogError(
          .policyViolation, "records can't be deleted from a topic whose cleanup.policy has no delete"
        ).at(topicPartition)
      }
      try log.flush()
      try log.advanceLogStart(to: offset == -1 ? log.highWatermark : offset)
      try broker.metadata.save([PartitionID(topic.id, topicPartition.partition): StoredCheckpoint(log.checkpoint)])
      result[topicPartition] = log.logStartOffset
    }
    return result
  }

  /// Offsets of partitions, by their end, their beginning, or a timestamp; nil where no record is that young.
  public func listOffsets(
    _ specs: [TopicPartition: OffsetSpec], isolation: Isolation = .readUncommitted
  ) throws -> [TopicPartition: OffsetAndTimestamp?] {
    try broker.requireOpen()
    var result: [TopicPartition: OffsetAndTimestamp?] = [:]
    for (topicPartition, spec) in specs {
      let partition = try broker.partition(topicPartition)
      switch spec {
      case .earliest: result[topicPartition] = OffsetAndTimestamp(offset: try partition.logStartOffset())
      case .latest: result[topicPartition] = OffsetAndTimestamp(offset: try partition.endOffset(isolation))
      case .timestamp(let timestamp):
        guard timestamp >= 0 else {
          throw EventLogError(.illegalArgument, "a timestamp to look for can't be negative").at(topicPartition)
        }
        result.updateValue(
          try partition.offset(forTimestamp: timestamp).map {
            OffsetAndTimestamp(offset: $0.offset, timestamp: $0.timestamp)
          },
          forKey: topicPartition)
      case .maxTimestamp:
        result.updateValue(
          try partition.log().offsetOfMaxTimestamp().map {
            OffsetAndTimestamp(offset: $0.offset, timestamp: $0.timestamp)
          }, forKey: topicPartition)
      }
    }
    return result
  }

  /// Takes a partition directory in that Kafka, or another store, wrote, under its topic and number (`<topic>-<partition>`),
  /// with its offsets. Every batch is checked on the way; the topic is created, or grown, if need be.
  ///
  /// - Parameter progress: told how many bytes are done, and how many there are.
  /// - Throws: `corruptMessage` or `invalidRecord` with the file and the position of the first batch that is not right;
  ///   `invalidRequest` where there is nothing to import, or the partition holds records already. Nothing is imported then.
  @discardableResult
  public func importPartition(
    from directory: String, progress: @escaping (_ done: Int64, _ total: Int64) -> Void = { _, _ in }
  ) throws -> ImportResult {
    try broker.requireOpen()
    try broker.requireWritable()
    return try broker.importPartition(from: directory, progress: progress)
  }

  private func describe(_ topic: Topic) -> TopicDescription {
    TopicDescription(
      name: topic.name, id: topic.id.text,
      partitions: topic.partitions.enumerated().map { describe($1, number: $0) }, configs: topic.configs)
  }

  private func describe(_ partition: Partition, number: Int) -> PartitionDescription {
    var description = PartitionDescription(
      partition: number, logStartOffset: 0, logEndOffset: 0, highWatermark: 0, sizeInBytes: 0, segmentCount: 0)
    do throws(EventLogError) {
      description.logStartOffset = try partition.logStartOffset()
      description.logEndOffset = try partition.logEndOffset()
      description.highWatermark = try partition.highWatermark()
      switch partition {
      case .log(let log):
        description.sizeInBytes = log.sizeInBytes
        description.segmentCount = log.segments.count
        description.error = log.failure
      case .reader(let reader):
        description.sizeInBytes = try reader.sizeInBytes()
        description.segmentCount = try reader.segmentCount()
      case .offline: break
      }
    } catch {
      description.error = error
    }
    return description
  }
}

// MARK: Configurations

extension Admin {
  /// All configurations of a topic, with their values and where those are from.
  public func describeConfigs(_ topic: String) throws -> [ConfigEntry] {
    try broker.requireOpen()
    let configs = try broker.topic(topic).configs
    let defaults = broker.configuration.topicDefaults
    return TopicConfigs.all.map { definition in
      let source: ConfigEntry.Source =
        configs[definition.name] != nil
        ? .dynamicTopicConfig : defaults[definition.name] != nil ? .staticBrokerConfig : .defaultConfig
      return ConfigEntry(
        name: definition.name, value: configs[definition.name] ?? defaults[definition.name] ?? definition.defaultValue,
        source: source, type: definition.typeName, documentation: definition.documentation)
    }
  }

  /// Changes configurations of a topic: all of the operations, or none. They take effect at once.
  ///
  /// - Throws: `invalidConfig`, `unknownTopicOrPartition`.
  public func alterConfigs(_ topic: String, _ operations: [AlterConfigOperation]) throws {
    try broker.requireOpen()
    try broker.requireWritable()
    try broker.alterConfigs(topic) { configs throws(EventLogError) in
      for operation in operations { try apply(operation, to: &configs) }
    }
  }

  private func apply(_ operation: AlterConfigOperation, to configs: inout [String: String]) throws(EventLogError) {
    switch operation {
    case .set(let name, let value):
      configs[name] = try TopicConfigs.definition(name).normalize(value)
    case .delete(let name):
      _ = try TopicConfigs.definition(name)
      configs[name] = nil
    case .append(let name, let value), .subtract(let name, let value):
      let definition = try TopicConfigs.definition(name)
      guard definition.isList else {
        throw EventLogError(.invalidConfig, "\(name) is no list, so that nothing can be added to it or taken from it")
      }
      let current = configs[name] ?? broker.configuration.topicDefaults[name] ?? definition.defaultValue
      var items = ConfigDefinition.split(current)
      let named = ConfigDefinition.split(value)
      items.removeAll(where: named.contains)
      if case .append = operation { items += named }
      configs[name] = try definition.normalize(items.joined(separator: ","))
    }
  }
}
