internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

extension Broker {
  func importPartition(
    from source: String, progress: @escaping (Int64, Int64) -> Void
  ) throws(EventLogError) -> ImportResult {
    let source = source.withoutTrailingSlash
    let name = source.split(separator: "/").last.map(String.init) ?? source
    guard let topicPartition = TopicName.parse(directory: name) else {
      throw EventLogError(
        .invalidRequest, "a partition directory is called <topic>-<partition>, which \"\(name)\" is not", file: source)
    }
    let target = path + "/" + topicPartition.description
    let temporary = SiblingName.path(target, suffix: BrokerOpening.importSuffix)
    if try context.fileSystem.status(temporary) != nil { try context.fileSystem.removeTree(temporary) }
    var work = PartitionImport(from: source, to: temporary, fileSystem: context.fileSystem, progress: progress)
    try refuseUnlessEmpty(topicPartition)
    let summary = try work.run()
    do throws(EventLogError) {
      try makeRoom(for: topicPartition, id: work.sourceTopicID.flatMap { TopicID(text: $0) })
      try install(temporary, summary, as: topicPartition)
    } catch {
      try? context.fileSystem.removeTree(temporary)
      throw error
    }
    return ImportResult(
      topicPartition: topicPartition, segments: summary.segments, batches: summary.batches, records: summary.records,
      logStartOffset: summary.logStartOffset, logEndOffset: summary.logEndOffset, sizeInBytes: summary.sizeInBytes)
  }

  private func refuseUnlessEmpty(_ topicPartition: TopicPartition) throws(EventLogError) {
    guard let topic = topicTable.find(topicPartition.topic), topicPartition.partition < topic.partitionCount else {
      return
    }
    let log = try topic.partition(topicPartition.partition).log()
    guard log.logEndOffset == log.logStartOffset else {
      throw EventLogError(
        .invalidRequest,
        "the partition holds records already (up to offset \(log.logEndOffset)); import into a store or "
          + "a topic that does not have it, or delete the topic first"
      ).at(topicPartition)
    }
  }

  /// Sees to it that the topic has the partition.
  private func makeRoom(for topicPartition: TopicPartition, id: TopicID?) throws(EventLogError) {
    let needed = topicPartition.partition + 1
    guard let topic = topicTable.find(topicPartition.topic) else {
      let isTaken = id.map { id in topicTable.find(id) != nil } ?? true
      _ = try createTopic(topicPartition.topic, partitions: needed, configs: [:], id: isTaken ? nil : id)
      return
    }
    if topic.partitionCount < needed { try addPartitions(topic.name, to: needed) }
  }

  private func install(
    _ directory: String, _ summary: PartitionImport.Summary, as topicPartition: TopicPartition
  ) throws(EventLogError) {
    try changeTopics { _ throws(EventLogError) in
      let topic = try topic(topicPartition.topic)
      let old = try topic.partition(topicPartition.partition).log()
      try refuseUnlessEmpty(topicPartition)
      try cleaner.checkpoints.forget(topicPartition)
      // The checkpoint first: a crash after the swap must not take the gaps of a compacted log for torn ones.
      let checkpoint = StoredCheckpoint(
        logStartOffset: summary.logStartOffset, recoveryPoint: summary.logEndOffset, logEndOffset: nil)
      try metadata.save([PartitionID(topic.id, topicPartition.partition): checkpoint])
      removeFiles(of: old, because: EventLogError(.unknownTopicOrPartition, "the partition was imported anew"))
      let target = path + "/" + topicPartition.description
      try context.fileSystem.rename(directory, to: target)
      try context.fileSystem.syncDirectory(path)
      let log = try PartitionLog(
        topicPartition, directory: target, topicID: topic.id.text,
        configuration: TopicConfigs.logConfiguration(topic.configs, defaults: configuration.topicDefaults),
        checkpoint: PartitionCheckpoint(
          logStartOffset: summary.logStartOffset, recoveryPoint: summary.logEndOffset,
          logEndOffset: summary.logEndOffset), wasClean: true, context: context)
      // Its producers' ids must not be given to others.
      if let last = log.producers().last { try producerIDs.skip(to: last.producerID) }
      var partitions = topic.hosted
      partitions[topicPartition.partition] = .online(log)
      topicTable.put(Topic(id: topic.id, name: topic.name, partitions: partitions, configs: topic.configs))
    }
  }
}
