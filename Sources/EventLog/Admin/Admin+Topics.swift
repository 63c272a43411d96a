internal import MetadataStore
public import RecordFormat
internal import SegmentStore

extension Admin {
  /// Creates a topic.
  ///
  /// A name that differs from another topic's in `.` and `_` only is warned of, and made; Kafka would refuse it.
  ///
  /// - Parameters:
  ///   - partitions: at least 1; -1 takes `num.partitions`.
  ///   - configs: by Kafka's names; what is not named has its default.
  ///   - validateOnly: checks, and creates nothing. The description then has an id of zeros.
  /// - Throws: `invalidTopic`, also for names that begin with `__`; `topicAlreadyExists`, `invalidPartitions`,
  ///   `invalidConfig`, `readOnly`.
  @discardableResult
  public func createTopic(
    _ name: String, partitions: Int = -1, configs: [String: String] = [:], validateOnly: Bool = false
  ) throws -> TopicDescription {
    try requireWritable()
    return try create(NewTopic(name, partitions: partitions, configs: configs), validateOnly: validateOnly)
  }

  /// Creates topics; each succeeds or fails by itself (Kafka's `createTopics`).
  ///
  /// Errors of an item: those of `createTopic`; `invalidRequest` for a name that is there twice, or with both partitions
  /// and assignments; `invalidReplicationFactor` other than 1; `invalidReplicaAssignment`.
  ///
  /// - Parameter validateOnly: checks, and creates nothing.
  public func createTopics(
    each topics: [NewTopic], validateOnly: Bool = false
  ) throws -> [String: Result<TopicDescription, EventLogError>] {
    try requireWritable()
    let byName = Dictionary(grouping: topics, by: \.name)
    return results(of: byName.keys.sorted()) { name throws(EventLogError) in
      guard let same = byName[name], let topic = same.first, same.count == 1 else {
        throw EventLogError(.invalidRequest, "the topic is named more than once in this call", topic: name)
      }
      return try create(topic, validateOnly: validateOnly)
    }
  }

  /// Deletes a topic with all its records and the offsets that groups committed for it. Whoever still holds a record of
  /// it may go on reading that record.
  ///
  /// - Throws: `unknownTopicOrPartition`, `readOnly`.
  public func deleteTopic(_ name: String) throws {
    try requireWritable()
    try broker.deleteTopic(name)
  }

  /// Deletes topics; each succeeds or fails by itself (Kafka's `deleteTopics`).
  public func deleteTopics(each names: [String]) throws -> [String: Result<Void, EventLogError>] {
    try requireWritable()
    return results(of: Set(names)) { name throws(EventLogError) in try broker.deleteTopic(name) }
  }

  /// The names of all topics, sorted.
  public func listTopics() throws -> [String] {
    try broker.requireOpen()
    return broker.topicTable.all().map(\.name)
  }

  /// What a topic is, with its partitions.
  ///
  /// - Throws: `unknownTopicOrPartition`; `invalidTopic` for what can't be a topic's name.
  public func describeTopic(_ name: String) throws -> TopicDescription {
    try broker.requireOpen()
    return describe(try broker.topic(name))
  }

  /// What topics are; each succeeds or fails by itself (Kafka's `describeTopics`).
  public func describeTopics(each names: [String]) throws -> [String: Result<TopicDescription, EventLogError>] {
    try broker.requireOpen()
    return results(of: Set(names)) { name throws(EventLogError) in describe(try broker.topic(name)) }
  }

  /// Adds partitions, up to `count` in all. Records stay where they are; keys may go elsewhere from now on.
  ///
  /// - Parameters:
  ///   - count: more than the topic has, at most 100000.
  ///   - validateOnly: checks, and adds nothing.
  /// - Throws: `unknownTopicOrPartition`; `invalidPartitions` where the topic has as many already; `readOnly`.
  public func createPartitions(_ topic: String, to count: Int, validateOnly: Bool = false) throws {
    try requireWritable()
    try broker.addPartitions(topic, to: count, validateOnly: validateOnly)
  }

  /// Adds partitions to topics, up to so many in all; each succeeds or fails by itself (Kafka's `createPartitions`).
  ///
  /// - Parameter validateOnly: checks, and adds nothing.
  public func createPartitions(
    each counts: [String: Int], validateOnly: Bool = false
  ) throws -> [String: Result<Void, EventLogError>] {
    try requireWritable()
    return results(of: counts.keys) { name throws(EventLogError) in
      try broker.addPartitions(name, to: counts[name] ?? 0, validateOnly: validateOnly)
    }
  }

  // MARK: Creating

  private func create(_ topic: NewTopic, validateOnly: Bool) throws(EventLogError) -> TopicDescription {
    let partitions = try Self.partitions(of: topic)
    let made = try broker.createTopic(
      topic.name, partitions: partitions, configs: topic.configs, validateOnly: validateOnly)
    guard validateOnly else { return describe(made) }
    return TopicDescription(
      name: made.name, id: TopicID(bytes: Array(repeating: 0, count: 16))?.text ?? "",
      partitions: (0..<(try broker.partitionCount(partitions, of: topic.name))).map(PartitionDescription.init),
      configs: made.configs)
  }

  /// How many partitions are asked for, by the number or by the assignments.
  private static func partitions(of topic: NewTopic) throws(EventLogError) -> Int {
    let assignments = topic.replicasAssignments
    guard !assignments.isEmpty else {
      guard topic.replicationFactor == -1 || topic.replicationFactor == 1 else {
        throw EventLogError(
          .invalidReplicationFactor,
          "the replication factor can only be 1, not \(topic.replicationFactor): there is one copy of the log",
          topic: topic.name)
      }
      return topic.partitions
    }
    guard topic.partitions == -1, topic.replicationFactor == -1 else {
      throw EventLogError(
        .invalidRequest, "give either assignments, or numbers of partitions and replicas, not both", topic: topic.name)
    }
    for partition in 0..<assignments.count {
      guard let replicas = assignments[partition] else {
        throw EventLogError(
          .invalidReplicaAssignment, "the assigned partitions have to be numbered from 0 on, without a gap",
          topic: topic.name, partition: partition)
      }
      guard replicas == [0] else {
        throw EventLogError(
          .invalidReplicaAssignment, "a partition can only be assigned to broker 0, which is this one, and once",
          topic: topic.name, partition: partition)
      }
    }
    return assignments.count
  }

  // MARK: Describing

  private func describe(_ topic: Topic) -> TopicDescription {
    TopicDescription(
      name: topic.name, id: topic.id.text,
      partitions: topic.allPartitions().enumerated().map { describe($1, number: $0) }, configs: topic.configs)
  }

  private func describe(_ partition: Partition, number: Int) -> PartitionDescription {
    var description = PartitionDescription(number)
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
        description.sizeInBytes = try reader.writtenBytes()
        description.segmentCount = try reader.segmentCount()
      case .offline: break
      }
    } catch {
      description.error = error
    }
    return description
  }
}
