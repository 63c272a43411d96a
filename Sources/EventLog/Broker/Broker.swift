internal import Logging
internal import MetadataStore
internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// An event log in a directory: topics, partitions, groups. What a Kafka cluster is to its clients, in one process.
///
/// ```swift
/// let broker = try Broker.open("/var/lib/orders/events")
/// try broker.admin.createTopic("orders", partitions: 4)
/// ```
///
/// One process at a time owns the directory; others may look into it with `openReadOnly`. All methods may be called by
/// any thread or task. Close the broker when you are done: after a crash nothing acknowledged is lost, but opening takes
/// longer, since what was written last is checked.
public final class Broker: Sendable {
  /// The data directory.
  public let path: String
  /// Whether the broker was opened with `openReadOnly`.
  public let isReadOnly: Bool
  let configuration: BrokerConfiguration
  let context: StoreContext
  let metadata: MetadataStore
  let offsets: OffsetStore
  let groups: GroupCoordinator
  let producerIDs: ProducerIDs
  let namedProducers: NamedProducers
  let transactions: TransactionCoordinator
  let topicTable: TopicTable
  /// Held while topics are made, changed or deleted: one change at a time.
  let topicChanges = Mutex(UnfinishedTopics())
  /// Held while log starts are gathered and written down, or moved, so that an older one can't overwrite a newer one.
  /// Not `topicChanges`: deleting a topic holds that and waits for the threads on which checkpoints are written.
  let checkpointing = Mutex<Void>(())
  /// Held while old segments are chosen and deleted.
  let retention = Mutex<Void>(())
  let cleaner: LogCleanerManager
  let lock: DirectoryLock?
  private let isClosed = Atomic(false)

  /// Opens a data directory as its owner; makes it if it is missing. After an unclean stop, what was written since the
  /// last checkpoint is checked, and a torn tail is cut.
  ///
  /// - Throws: `directoryLocked` where another broker has it, naming the process; `unsupportedVersion` where a newer
  ///   version wrote it; `metadataError`, `inputOutput`, `diskFull`. A partition that can't be opened does not keep the
  ///   others from it: it gives its error when it is used.
  public static func open(_ path: String, _ configuration: BrokerConfiguration = .init()) throws -> Broker {
    try Broker(path: path, configuration: configuration, isReadOnly: false)
  }

  /// Opens a data directory to look into it, also while its owner is at work. Nothing in it is changed.
  ///
  /// What the owner has appended may be seen here before it is on the disk.
  public static func openReadOnly(_ path: String, _ configuration: BrokerConfiguration = .init()) throws -> Broker {
    try Broker(path: path, configuration: configuration, isReadOnly: true)
  }

  init(
    path: String, configuration: BrokerConfiguration, isReadOnly: Bool, environment: BrokerEnvironment = .init()
  ) throws(EventLogError) {
    try configuration.validate()
    let path = path.withoutTrailingSlash
    guard !path.isEmpty else { throw EventLogError(.illegalArgument, "the path of the data directory is empty") }
    let handler = configuration.warningHandler ?? Self.logWarning
    let time = environment.time
    let context = StoreContext(
      fileSystem: environment.fileSystem, time: time, random: environment.random,
      closedSegmentsKept: configuration.mappedSegments,
      diskBudget: DiskBudget(
        limit: configuration.logDirsMaxBytes, policy: configuration.logDirsFullPolicy.budgetPolicy),
      producerIDExpiration: configuration.producerIDExpiration.milliseconds, warn: handler)
    let opening = BrokerOpening(
      path: path, configuration: configuration, context: context,
      metadataDurability: environment.metadataIsDurable ? .full : .none)
    let opened = try isReadOnly ? opening.openReadOnly() : opening.open()
    self.path = path
    self.isReadOnly = isReadOnly
    self.configuration = configuration
    self.context = context
    metadata = opened.metadata
    cleaner = LogCleanerManager(directory: path, configuration, context)
    lock = opened.lock
    let table = TopicTable(opened.topics)
    topicTable = table
    let metadata = opened.metadata
    offsets = OffsetStore(
      metadata: metadata, topics: table, committed: opened.committed, groups: opened.groups, context: context,
      isReadOnly: isReadOnly)
    producerIDs = ProducerIDs(metadata, opened.producerIDs)
    namedProducers = NamedProducers(opened.namedProducers, metadata, producerIDs, context)
    transactions = TransactionCoordinator(
      entries: opened.transactions, offsets: offsets, producerIDs: producerIDs, topics: table,
      limits: .init(
        maxTimeout: configuration.transactionMaxTimeout.milliseconds,
        idExpiration: configuration.transactionalIDExpiration.milliseconds), context: context)
    let box = WeakCoordinator()
    groups = GroupCoordinator(
      limits: .init(
        maxSize: configuration.groupMaxSize,
        initialRebalanceDelay: configuration.groupInitialRebalanceDelay.timeLimit),
      now: { time.monotonicMilliseconds() },
      topics: { table.partitionCounts() },
      schedule: { deadline in context.timekeeper.schedule(at: deadline) { box.value?.checkTimeouts() } },
      generationChanged: { [offsets] group, generation, assignor in
        offsets.noteGeneration(group, generation, assignor: assignor)
      })
    box.set(groups)
    for group in opened.groups { groups.restore(group.id, generation: group.generation) }
    if !isReadOnly {
      scheduleCheckpoint()
      watchDiskBudget()
      scheduleRetention()
      // What was left untouched was not cut.
      for topic in opened.topics { cleaner.checkCheckpoints(topic.logsInUse.map(\.log)) }
      scheduleCleaner()
      Self.scheduleOffsetExpiration(WeakBroker(self), context, every: configuration.offsetsRetentionCheckInterval)
      Self.scheduleProducerExpiration(WeakBroker(self), context, every: configuration.producerIDExpirationCheckInterval)
    }
  }

  deinit {
    guard markClosed() else { return }
    let closing = BrokerClosing(self)
    // It may be a thread of the broker's own that lets go of it last, after it has told somebody of a delivery: one that would
    // have to wait for itself.
    guard PosixThread.isCurrent else { return (try? closing.run()) ?? () }
    // Where there is no thread for it, the directory stays locked, as it has to while the broker's threads are there.
    PosixThread.startDetached { try? closing.run() }
  }

  /// Creates, deletes, describes and changes topics and groups.
  public var admin: Admin { Admin(broker: self) }

  /// A producer. One serves any number of tasks; close it, or flush it, before you close the broker.
  ///
  /// - Throws: `invalidConfig`, `readOnly`.
  public func producer(_ configuration: ProducerConfiguration = .init()) throws -> Producer {
    try requireOpen()
    try requireWritable()
    return try Producer(broker: self, configuration: configuration)
  }

  /// A consumer that has neither subscribed nor assigned yet.
  ///
  /// - Throws: `invalidConfig`.
  public func consumer(_ configuration: ConsumerConfiguration = .init()) throws -> Consumer {
    try requireOpen()
    return try Consumer(broker: self, configuration: configuration)
  }

  /// A consumer that is a member of `group` and subscribed to `topics`. One that finds no committed offset begins at the
  /// log start, so that nothing that was sent before it came is missed; Kafka's own default, `latest`, is
  /// `ConsumerConfiguration`'s.
  public func consumer(group: String, topics: [String]) throws -> Consumer {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    return try consumer(group: group, topics: topics, configuration)
  }

  /// A consumer that is a member of `group` and subscribed to `topics`.
  public func consumer(group: String, topics: [String], _ configuration: ConsumerConfiguration) throws -> Consumer {
    var configuration = configuration
    configuration.group = group
    let consumer = try consumer(configuration)
    try consumer.subscribe(topics)
    return consumer
  }

  // MARK: For the other parts

  /// False where the broker was closed before.
  func markClosed() -> Bool { !isClosed.exchange(true, ordering: .acquiringAndReleasing) }

  func requireOpen() throws(EventLogError) {
    guard !isClosed.load(ordering: .acquiring) else { throw EventLogError.brokerClosed }
  }

  /// Changes topics, one change at a time, and none once the broker is being closed.
  func changeTopics<R>(
    _ body: (inout UnfinishedTopics) throws(EventLogError) -> R
  ) throws(EventLogError) -> R {
    try topicChanges.withLock { unfinished throws(EventLogError) in
      try requireOpen()
      return try body(&unfinished)
    }
  }

  func requireWritable() throws(EventLogError) {
    guard !isReadOnly else {
      throw EventLogError(.readOnly, "the broker was opened read-only; open it as the owner to change anything")
    }
  }

  /// - Throws: `unknownTopicOrPartition`.
  func topic(_ name: String) throws(EventLogError) -> Topic {
    if let topic = topicTable.find(name) { return topic }
    try TopicName.validate(name)
    throw EventLogError(
      .unknownTopicOrPartition, "there is no such topic; create it, or set auto.create.topics.enable", topic: name)
  }

  func partition(_ topicPartition: TopicPartition) throws(EventLogError) -> Partition {
    try topic(topicPartition.topic).partition(topicPartition.partition)
  }

  /// Every so often: forgets what groups committed that nobody has been a member of for long.
  private static func scheduleOffsetExpiration(
    _ broker: WeakBroker, _ context: StoreContext, every interval: Duration
  ) {
    context.timekeeper.schedule(at: context.time.deadline(in: interval.milliseconds)) { [weak context] in
      guard let context, broker.value != nil else { return }
      context.syncThreads.submit {
        guard let broker = broker.value else { return }
        do throws(EventLogError) { try broker.expireOffsets() } catch { context.warn(error) }
      }
      scheduleOffsetExpiration(broker, context, every: interval)
    }
  }

  /// Every so often: forgets producers and transactional ids that have been silent for long.
  private static func scheduleProducerExpiration(
    _ broker: WeakBroker, _ context: StoreContext, every interval: Duration
  ) {
    let next = context.time.deadline(in: interval.milliseconds)
    context.timekeeper.schedule(at: next, for: .housekeeping) { [weak context] in
      guard let context, broker.value != nil else { return }
      context.syncThreads.submit {
        guard let broker = broker.value else { return }
        broker.transactions.expireIDs()
        for topic in broker.topicTable.all() {
          for (_, log) in topic.logsInUse { log.expireProducers() }
        }
      }
      scheduleProducerExpiration(broker, context, every: interval)
    }
  }

  private func expireOffsets() throws(EventLogError) {
    let gone = try offsets.expire(after: configuration.offsetsRetention.milliseconds) { group in
      groups.describe(group).map { Set($0.members.flatMap(\.topics)) } ?? []
    }
    for group in gone { try? groups.delete(group) }
  }

  private static let logger = Logger(label: "eventlog")

  @Sendable private static func logWarning(_ error: EventLogError) {
    logger.warning(
      "\(error.message)",
      metadata: [
        "error.type": "\(error.code.name)", "eventlog.topic": "\(error.topic ?? "")",
        "eventlog.partition": "\(error.partition.map(String.init) ?? "")", "file.path": "\(error.file ?? "")",
      ])
  }
}

/// Lets a timer refer to the broker without keeping it.
final class WeakBroker: Sendable {
  private let broker: Mutex<Weak>

  private struct Weak {
    weak var value: Broker?
  }

  init(_ broker: Broker) {
    self.broker = Mutex(Weak(value: broker))
  }

  var value: Broker? { broker.withLock { $0.value } }
}

/// Lets the coordinator's own timer refer to it.
private final class WeakCoordinator: Sendable {
  private struct Weak {
    weak var value: GroupCoordinator?
  }

  private let coordinator = Mutex(Weak())

  func set(_ value: GroupCoordinator) { coordinator.withLock { $0.value = value } }
  var value: GroupCoordinator? { coordinator.withLock { $0.value } }
}
