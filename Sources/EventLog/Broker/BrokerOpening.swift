internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// Opens a data directory: brings what SQLite says and what lies on disk together.
struct BrokerOpening {
  let path: String
  let configuration: BrokerConfiguration
  let context: StoreContext
  let metadataDurability: MetadataStore.Durability

  struct Opened {
    var metadata: MetadataStore
    var lock: DirectoryLock?
    var topics: [Topic]
    var groups: [GroupMetadata]
    var committed: [String: [PartitionID: CommittedOffset]]
    var producerIDs: Range<Int64> = 0..<0
    var namedProducers: [NamedProducer] = []
    var transactions: [String: TransactionEntry] = [:]
  }

  private var fileSystem: any FileSystem { context.fileSystem }
  private var metadataPath: String { path + "/" + MetadataStore.fileName }

  // MARK: As the owner

  func open() throws(EventLogError) -> Opened {
    try makeDirectory(path)
    let lock = try DirectoryLock(directory: path, fileSystem)
    do throws(EventLogError) {
      guard let status = try metadataFile(), status.size > 0 else { return try openNew(lock) }
      let (names, found) = try readAll()
      // Not before all that the opening needs is known: from here on a failure makes the last stop an unclean one.
      let session = try found.metadata.beginSession()
      context.uncleanStops = session.uncleanStops
      try clearLeftovers(names)
      // Before the logs are opened, which forget the producers that have been silent for long.
      for producer in found.namedProducers { context.keepProducer(producer.producerID) }
      let metadata = found.metadata
      var kept: [TopicMetadata] = []
      for topic in found.topics {
        if topic.isDeleting {
          try Broker.finishDeletion(topic, in: path, fileSystem, metadata)
        } else {
          kept.append(topic)
        }
      }
      let wasClean = session.wasClean
      let topics = try open(kept, metadata, wasClean: wasClean)
      warnOfUnknownDirectories(names, topics)
      var committed = try metadata.committedOffsets()
      try bringBackOffsets(&committed, topics, metadata, wasClean: wasClean)
      let transactions = try TransactionRecovery(metadata: metadata, context: context).run(topics)
      let groups = try metadata.groups()
      // Last: what the opening itself asks of the disk would wait behind it.
      syncBehind(topics)
      return Opened(
        metadata: metadata, lock: lock, topics: topics, groups: groups, committed: committed,
        producerIDs: session.producerIDs, namedProducers: found.namedProducers, transactions: transactions)
    } catch {
      lock.release()
      throw error
    }
  }

  private func openNew(_ lock: DirectoryLock) throws(EventLogError) -> Opened {
    let names = try fileSystem.list(path)
    try refuseOrphanedLogs(names)
    let isCopy = try makeDatabaseFile()
    let metadata = try MetadataStore(path: metadataPath, durability: metadataDurability, isCopy: isCopy)
    if metadataDurability == .none, !isCopy {
      MetadataTemplate.keep(try fileSystem.contents(of: metadataPath))
    }
    let session = try metadata.beginSession()
    warnOfUnknownDirectories(names, [])
    return Opened(
      metadata: metadata, lock: lock, topics: [], groups: [], committed: [:], producerIDs: session.producerIDs)
  }

  /// What SQLite knows before any log is looked at.
  private struct KnownMetadata {
    var metadata: MetadataStore
    var namedProducers: [NamedProducer]
    var topics: [TopicMetadata]
  }

  /// What is in the directory and, meanwhile, what SQLite knows: where there are many thousand partitions, both take a while.
  private func readAll() throws(EventLogError) -> (names: [String], KnownMetadata) {
    let (listed, known) = try Parallel.both(threads: configuration.recoveryThreads(on: fileSystem)) {
      [fileSystem, path] in
      Result { () throws(EventLogError) in try fileSystem.list(path) }
    } _: { () throws(EventLogError) in
      try readMetadata()
    }
    return (try listed.get(), known)
  }

  private func readMetadata() throws(EventLogError) -> KnownMetadata {
    let metadata = try MetadataStore(path: metadataPath, durability: metadataDurability)
    return KnownMetadata(
      metadata: metadata, namedProducers: try metadata.namedProducers(), topics: try metadata.topics())
  }

  private func makeDirectory(_ path: String) throws(EventLogError) {
    if let status = try fileSystem.status(path) {
      // The data directory itself may be a link: whoever named it chose that.
      guard status.kind != .file else {
        throw EventLogError(.inputOutput, "the data directory is a file", file: path)
      }
      return
    }
    let slash = path.lastIndex(of: "/")
    let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    if parent != "/", parent != "." { try makeDirectory(parent) }
    try fileSystem.makeDirectory(path)
    // What is made durable in here later is of no use if a power cut takes the directory itself.
    try fileSystem.syncDirectory(parent)
  }

  /// SQLite would make its file readable to all; this one, and the log beside it, are for their owner alone.
  ///
  /// - Returns: whether it is a copy of the template.
  private func makeDatabaseFile() throws(EventLogError) -> Bool {
    guard try metadataFile() == nil else { return false }
    let file = try fileSystem.open(metadataPath, .create)
    defer { fileSystem.close(file) }
    guard metadataDurability == .none, let template = MetadataTemplate.bytes else { return false }
    try fileSystem.write(file, template, at: 0, path: metadataPath)
    return true
  }

  /// The database, which is no link to somewhere else.
  private func metadataFile() throws(EventLogError) -> FileStatus? {
    guard let status = try fileSystem.status(metadataPath) else { return nil }
    guard status.kind == .file else {
      throw EventLogError(
        .metadataError, "this is no regular file; links in a data directory are not followed", file: metadataPath)
    }
    return status
  }

  /// A store whose database is gone, or empty, is not a new store.
  private func refuseOrphanedLogs(_ names: [String]) throws(EventLogError) {
    if let orphan = names.first(where: { TopicName.parse(directory: $0) != nil }) {
      throw EventLogError(
        .metadataError,
        "there are logs here (such as \(orphan)), but no \(MetadataStore.fileName) that knows of them: "
          + "restore it from a backup, or import the partition directories into a new store", file: metadataPath)
    }
  }

  /// What a crash in the middle of a deletion or an import left. Whatever else ends in one of these words is not ours.
  func clearLeftovers(_ names: [String]) throws(EventLogError) {
    for name in names where Self.isLeftover(name) {
      let leftover = path + "/" + name
      if try fileSystem.status(leftover)?.kind == .directory { try fileSystem.removeTree(leftover) }
    }
  }

  static func isLeftover(_ name: String) -> Bool {
    [deletedSuffix, importSuffix].contains { suffix in
      name.hasSuffix(suffix) && TopicName.parse(directory: String(name.dropLast(suffix.count))) != nil
    }
  }

  static let deletedSuffix = "-delete"
  static let importSuffix = "-import"

  /// A log that is to be opened, by its topic's place among all.
  private struct LogToOpen: Sendable {
    var topic: Int
    var number: Int
    var checkpoint: StoredCheckpoint?
  }

  /// Opens the logs of all topics, `num.recovery.threads.per.data.dir` at a time, the first ones while SQLite still tells of
  /// the others.
  private func open(
    _ topics: [TopicMetadata], _ metadata: MetadataStore, wasClean: Bool
  ) throws(EventLogError) -> [Topic] {
    let shared = topics.map { topic in
      UntouchedLog.Shared(
        topic.name, in: path,
        configuration: TopicConfigs.logConfiguration(topic.configs, defaults: configuration.topicDefaults),
        context: context)
    }
    let ids = topics.map(\.id.text)
    let opened = try Parallel.map(
      about: topics.reduce(0) { $0 + $1.partitions }, threads: configuration.recoveryThreads(on: fileSystem)
    ) { log in
      (log.topic, log.number, open(log, of: shared[log.topic], topicID: ids[log.topic], wasClean: wasClean))
    } of: { yield throws(EventLogError) in
      try forEachLog(of: topics, metadata, yield)
    }
    var hosted = topics.map { [HostedPartition?](repeating: nil, count: $0.partitions) }
    for (topic, number, partition) in opened { hosted[topic][number] = partition }
    return topics.indices.map { index in
      Topic(
        id: topics[index].id, name: topics[index].name, partitions: hosted[index].map(Self.opened),
        configs: topics[index].configs)
    }
  }

  private static func opened(_ partition: HostedPartition?) -> HostedPartition {
    guard let partition else { preconditionFailure("every partition's log was opened, or said why not") }
    return partition
  }

  /// Calls `body` with each log once: those that SQLite knows something of in its order, and then the rest.
  private func forEachLog(
    of topics: [TopicMetadata], _ metadata: MetadataStore, _ body: (LogToOpen) -> Void
  ) throws(EventLogError) {
    let places = Dictionary(zip(topics.map(\.id), topics.indices)) { first, _ in first }
    var isKnown = topics.map { [Bool](repeating: false, count: $0.partitions) }
    var last: (id: TopicID, place: Int?)?
    try metadata.forEachCheckpoint { id, number, checkpoint in
      if last?.id != id { last = (id, places[id]) }
      guard let place = last?.place, isKnown[place].indices.contains(number) else { return }
      isKnown[place][number] = true
      body(LogToOpen(topic: place, number: number, checkpoint: checkpoint))
    }
    for place in topics.indices {
      for number in isKnown[place].indices where !isKnown[place][number] {
        body(LogToOpen(topic: place, number: number, checkpoint: nil))
      }
    }
  }

  private func open(
    _ log: LogToOpen, of shared: UntouchedLog.Shared, topicID: String, wasClean: Bool
  ) -> HostedPartition {
    let checkpoint = log.checkpoint?.forLog ?? PartitionCheckpoint()
    let topicPartition = TopicPartition(shared.topic, log.number)
    do throws(EventLogError) {
      if let untouched = try UntouchedLog(log.number, of: shared, checkpoint: checkpoint, wasClean: wasClean) {
        return .online(HostedLog(untouched))
      }
      return .online(
        try PartitionLog(
          topicPartition, directory: shared.directory(log.number), topicID: topicID,
          configuration: shared.configuration, checkpoint: checkpoint,
          wasClean: wasClean && checkpoint.logEndOffset != nil, context: context))
    } catch {
      context.warn(error)
      return .offline(topicPartition, error)
    }
  }

  /// What recovery left to be synced, one after the other, so that the first is there soon. Who reads one earlier syncs it.
  private func syncBehind(_ topics: [Topic]) {
    var logs: [PartitionLog] = []
    for topic in topics {
      for (_, log) in topic.logsInUse where log.isRecovering { logs.append(log) }
    }
    guard !logs.isEmpty else { return }
    context.syncThreads.submit { [logs] in PartitionLog.syncRecoveredInTurn(logs) }
  }

  private func warnOfUnknownDirectories(_ names: [String], _ topics: [Topic]) {
    let counts = Dictionary(topics.map { ($0.name, $0.partitionCount) }) { first, _ in first }
    for name in names {
      guard let partition = TopicName.parse(directory: name), partition.partition >= counts[partition.topic] ?? 0 else {
        continue
      }
      context.warn(
        EventLogError(
          .storageError, "no topic owns this directory; it is left alone. Import it to take it in",
          file: path + "/" + name))
    }
  }

  /// After an unclean stop a group may have committed what the log then lost. Left as it is, the next records written at
  /// those offsets would never be read.
  private func bringBackOffsets(
    _ committed: inout [String: [PartitionID: CommittedOffset]], _ topics: [Topic], _ metadata: MetadataStore,
    wasClean: Bool
  ) throws(EventLogError) {
    var ends: [PartitionID: (TopicPartition, Int64)] = [:]
    for topic in topics {
      for (number, hosted) in topic.hosted.enumerated() {
        guard case .online(let hosted) = hosted else { continue }
        let end: Int64
        switch hosted.found {
        case .log(let log) where !wasClean || log.wasTruncated: end = log.logEndOffset
        case .untouched(let logEndOffset) where !wasClean: end = logEndOffset
        default: continue
        }
        ends[PartitionID(topic.id, number)] = (TopicPartition(topic.name, number), end)
      }
    }
    for found in OffsetBeyondEnd.find(committed, ends) {
      context.warn(
        EventLogError(
          .offsetOutOfRange,
          "group \(found.group) had committed \(found.offset.offset), but the log was found to end at "
            + "\(found.end): the group goes on there", offset: found.offset.offset
        ).at(found.topicPartition))
      try found.bringBack(metadata)
      committed[found.group]?[found.partition] = found.lowered
    }
  }

  // MARK: To look into it

  func openReadOnly() throws(EventLogError) -> Opened {
    guard let status = try fileSystem.status(path) else {
      throw EventLogError(.inputOutput, "there is no such directory", file: path)
    }
    guard status.kind != .file else {
      throw EventLogError(.inputOutput, "the data directory is a file", file: path)
    }
    guard try metadataFile() != nil else {
      throw EventLogError(
        .metadataError, "this is no data directory: it has no \(MetadataStore.fileName)", file: metadataPath)
    }
    let metadata = try MetadataStore(path: metadataPath, mode: .readOnly)
    let checkpoints = try metadata.checkpoints()
    let topics = try metadata.topics().filter { !$0.isDeleting }.map { topic in
      let isDeleted = { @Sendable () -> Bool in
        guard let topics = try? metadata.topics() else { return false }
        return !topics.contains { $0.id == topic.id && !$0.isDeleting }
      }
      return Topic(
        id: topic.id, name: topic.name,
        partitions: (0..<topic.partitions).map { number in
          let topicPartition = TopicPartition(topic.name, number)
          let checkpoint = checkpoints[PartitionID(topic.id, number)]
          return .reader(
            PartitionReader(
              topicPartition, directory: path + "/" + topicPartition.description,
              logStartOffset: checkpoint?.logStartOffset ?? 0, recoveryPoint: checkpoint?.recoveryPoint ?? 0,
              fileSystem: fileSystem, isDeleted: isDeleted))
        }, configs: topic.configs)
    }
    return Opened(
      metadata: metadata, lock: nil, topics: topics, groups: try metadata.groups(),
      committed: try metadata.committedOffsets())
  }
}

extension BrokerConfiguration {
  /// How many threads open and close logs. A test's file system sees its calls in the order in which one thread makes them, so
  /// that it can say which is to fail.
  func recoveryThreads(on fileSystem: any FileSystem) -> Int { fileSystem is LocalFileSystem ? recoveryThreads : 1 }
}

extension StoredCheckpoint {
  /// As the log takes it.
  var forLog: PartitionCheckpoint {
    PartitionCheckpoint(
      logStartOffset: logStartOffset, recoveryPoint: recoveryPoint, logEndOffset: logEndOffset,
      uncleanStops: uncleanStops, shutdown: cleanShutdown.flatMap(CleanShutdown.init(bytes:)))
  }
}
