internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// Changes of topics that left files which could not be removed. Whoever wants to use their names tries again; so does the next
/// opening.
struct UnfinishedTopics {
  /// Topics that were deleted, by their names.
  var deleted: [String: TopicMetadata] = [:]
  /// How many partitions topics were to have that could not be added. Until their directories are gone the metadata has it
  /// that the topic owns them: an opening makes them whole, where one that nobody owns would be in the way for good.
  var grown: [TopicID: Int] = [:]
}

extension Broker {
  func createTopic(
    _ name: String, partitions: Int, configs: [String: String], validateOnly: Bool = false, id: TopicID? = nil
  ) throws(EventLogError) -> Topic {
    try TopicName.validate(name)
    guard !TopicName.isInternal(name) else {
      throw EventLogError(.invalidTopic, "names that begin with __ are kept for the library", topic: name)
    }
    let count = try partitionCount(partitions, of: name)
    let configs = try TopicConfigs.normalize(configs, defaults: configuration.topicDefaults)
    let topic = try changeTopics { unfinished throws(EventLogError) -> Topic in
      guard topicTable.find(name) == nil else {
        throw EventLogError(.topicAlreadyExists, "there is a topic of this name", topic: name)
      }
      var generator = context.random.generator(for: "id of topic \(name)")
      let id = id ?? TopicID(using: &generator)
      if validateOnly { return Topic(id: id, name: name, partitions: [], configs: configs) }
      if let earlier = unfinished.deleted[name] {
        try finishDeletion(earlier)
        unfinished.deleted[name] = nil
      }
      // From here on, a directory of one of these names is this topic's.
      for number in 0..<count { try requireFree(TopicPartition(name, number)) }
      // What was compacted of an earlier topic of this name says nothing of this one.
      try cleaner.checkpoints.forget(name)
      let new = TopicMetadata(
        id: id, name: name, partitions: count, configs: configs, createdAt: context.time.wallMilliseconds())
      try metadata.createTopic(new)
      var made: [PartitionLog] = []
      do throws(EventLogError) {
        for number in 0..<count { made.append(try makeLog(name, number, id, configs)) }
      } catch {
        // As if it had never been: what was made goes, and the name is free again.
        for log in made { removeFiles(of: log, because: error) }
        try? metadata.markDeleting(id)
        forget(new, &unfinished)
        throw error
      }
      let topic = Topic(id: id, name: name, partitions: made.map(HostedPartition.online), configs: configs)
      topicTable.put(topic)
      groups.topicsChanged([name])
      return topic
    }
    warnOfCollision(name)
    return topic
  }

  /// How many partitions a topic gets that is to have `partitions`, where -1 stands for `num.partitions`.
  func partitionCount(_ partitions: Int, of name: String) throws(EventLogError) -> Int {
    let count = partitions == -1 ? configuration.defaultPartitions : partitions
    guard count >= 1, count <= 100_000 else {
      throw EventLogError(.invalidPartitions, "a topic has from 1 to 100000 partitions, not \(partitions)", topic: name)
    }
    return count
  }

  /// Kafka refuses the second of two names that its metrics can't tell apart. Here nothing but metrics would suffer.
  private func warnOfCollision(_ name: String) {
    guard name.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") }),
      let other = topicTable.all().first(where: { TopicName.collide(name, $0.name) })
    else { return }
    context.warn(
      EventLogError(
        .invalidTopic,
        "the name differs from that of topic \(other.name) in '.' and '_' only: metrics can't tell them apart, and "
          + "Apache Kafka would refuse it", topic: name))
  }

  func addPartitions(_ name: String, to count: Int, validateOnly: Bool = false) throws(EventLogError) {
    try changeTopics { unfinished throws(EventLogError) in
      let topic = try topic(name)
      guard count > topic.partitionCount, count <= 100_000 else {
        throw EventLogError(
          .invalidPartitions,
          "the topic has \(topic.partitionCount) partitions; their number can only grow, to at "
            + "most 100000", topic: name)
      }
      if validateOnly { return }
      try takeBackPartitions(of: topic, &unfinished)
      // From here on, a directory of one of these names is this topic's.
      for number in topic.partitionCount..<count { try requireFree(TopicPartition(name, number)) }
      // The decision first: after a crash the opening makes what is missing, where directories that no topic owns would
      // be in the way of the next try.
      try metadata.setPartitions(count, of: topic.id)
      var added: [PartitionLog] = []
      do throws(EventLogError) {
        for number in topic.partitionCount..<count {
          added.append(try makeLog(name, number, topic.id, topic.configs))
        }
      } catch {
        for log in added { removeFiles(of: log, because: error) }
        unfinished.grown[topic.id] = count
        do throws(EventLogError) { try takeBackPartitions(of: topic, &unfinished) } catch { context.warn(error) }
        throw error
      }
      let partitions = topic.hosted + added.map(HostedPartition.online)
      topicTable.put(Topic(id: topic.id, name: name, partitions: partitions, configs: topic.configs))
      groups.topicsChanged([name])
    }
  }

  /// Removes what an attempt to add partitions left, and then its decision.
  private func takeBackPartitions(of topic: Topic, _ unfinished: inout UnfinishedTopics) throws(EventLogError) {
    guard let count = unfinished.grown[topic.id] else { return }
    try Self.removeDirectories(topic.name, topic.partitionCount..<count, in: path, context.fileSystem)
    try metadata.setPartitions(topic.partitionCount, of: topic.id)
    unfinished.grown[topic.id] = nil
  }

  func deleteTopic(_ name: String) throws(EventLogError) {
    try changeTopics { unfinished throws(EventLogError) in
      let topic = try topic(name)
      // First the decision, durably; a crash from here on ends with the topic gone.
      try metadata.markDeleting(topic.id)
      topicTable.remove(topic)
      offsets.forget(topic.id)
      let reason = EventLogError(.unknownTopicOrPartition, "the topic was deleted", topic: name)
      for (number, partition) in topic.allPartitions().enumerated() {
        switch partition {
        case .log(let log): removeFiles(of: log, because: reason)
        case .offline:
          let directory = path + "/" + TopicPartition(name, number).description
          do throws(EventLogError) { try context.fileSystem.removeTree(directory) } catch { context.warn(error) }
        case .reader: break
        }
      }
      groups.topicsChanged([name])
      let count = max(topic.partitionCount, unfinished.grown.removeValue(forKey: topic.id) ?? 0)
      let old = TopicMetadata(id: topic.id, name: name, partitions: count, configs: topic.configs, createdAt: 0)
      forget(old, &unfinished)
    }
  }

  /// Has the metadata forget a topic that is gone, and was marked so. Where files of it could not be removed it stays noted, as
  /// one that is being deleted.
  private func forget(_ topic: TopicMetadata, _ unfinished: inout UnfinishedTopics) {
    do throws(EventLogError) {
      try finishDeletion(topic)
    } catch {
      unfinished.deleted[topic.name] = topic
      context.warn(error)
    }
  }

  private func finishDeletion(_ topic: TopicMetadata) throws(EventLogError) {
    try Self.finishDeletion(topic, in: path, context.fileSystem, metadata)
  }

  /// Removes what is left of a topic that is noted as one that is being deleted.
  static func finishDeletion(
    _ topic: TopicMetadata, in path: String, _ fileSystem: any FileSystem, _ metadata: MetadataStore
  ) throws(EventLogError) {
    try removeDirectories(topic.name, 0..<topic.partitions, in: path, fileSystem)
    try metadata.removeTopic(topic.id)
  }

  private static func removeDirectories(
    _ topic: String, _ partitions: Range<Int>, in path: String, _ fileSystem: any FileSystem
  ) throws(EventLogError) {
    for number in partitions {
      let directory = path + "/" + TopicPartition(topic, number).description
      if try fileSystem.status(directory) != nil { try fileSystem.removeTree(directory) }
    }
    // A power cut must not bring back directories of which nobody knows any more.
    try fileSystem.syncDirectory(path)
  }

  func alterConfigs(
    _ name: String, validateOnly: Bool = false, _ change: (inout [String: String]) throws(EventLogError) -> Void
  ) throws(EventLogError) {
    try changeTopics { _ throws(EventLogError) in
      let topic = try topic(name)
      var configs = topic.configs
      try change(&configs)
      configs = try TopicConfigs.normalize(configs, defaults: configuration.topicDefaults)
      if validateOnly { return }
      try metadata.setConfigs(configs, of: topic.id)
      topicTable.put(Topic(id: topic.id, name: name, partitions: topic.hosted, configs: configs))
      let log = TopicConfigs.logConfiguration(configs, defaults: configuration.topicDefaults)
      for case .online(let hosted) in topic.hosted { hosted.update(log) }
    }
  }

  /// The directory that a partition is to have.
  ///
  /// - Throws: `storageError` where there is one already.
  @discardableResult
  private func requireFree(_ topicPartition: TopicPartition) throws(EventLogError) -> String {
    let directory = path + "/" + topicPartition.description
    guard try context.fileSystem.status(directory) == nil else {
      throw EventLogError(
        .storageError,
        "a directory lies where the partition's would be, and no topic owns it; move it away, or import it",
        file: directory
      ).at(topicPartition)
    }
    return directory
  }

  private func makeLog(
    _ name: String, _ number: Int, _ id: TopicID, _ configs: [String: String]
  ) throws(EventLogError) -> PartitionLog {
    let topicPartition = TopicPartition(name, number)
    let directory = try requireFree(topicPartition)
    do throws(EventLogError) {
      return try PartitionLog(
        topicPartition, directory: directory, topicID: id.text,
        configuration: TopicConfigs.logConfiguration(configs, defaults: configuration.topicDefaults),
        checkpoint: PartitionCheckpoint(), wasClean: true, context: context)
    } catch {
      // Half a directory would be in the way of the next try.
      try? context.fileSystem.removeTree(directory)
      throw error
    }
  }

  /// Closes a log without ceremony and removes its directory: renamed first, so that a crash can't leave half of it
  /// under its name. Mappings that readers hold outlive the files.
  func removeFiles(of log: PartitionLog, because reason: EventLogError) {
    log.abandon(reason)
    let grave = SiblingName.path(log.directory, suffix: BrokerOpening.deletedSuffix)
    do throws(EventLogError) {
      try log.moveDirectory(to: grave)
      try context.fileSystem.removeTree(grave)
    } catch {
      context.warn(error.at(log.topicPartition))
    }
  }
}
