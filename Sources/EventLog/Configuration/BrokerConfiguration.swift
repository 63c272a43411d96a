public import RecordFormat
internal import SegmentStore

/// What a broker goes by. Names in brackets are Kafka's, as `init(properties:)` takes them.
public struct BrokerConfiguration: Sendable {
  /// Whether producing to a topic that does not exist makes it (`auto.create.topics.enable`). Kafka's default is true;
  /// ours is false, because a mistyped name should be an error.
  public var autoCreateTopics = false
  /// Partitions of a topic that is made without saying how many (`num.partitions`): 1; at least 1.
  public var defaultPartitions = 1
  /// Defaults of all topics, by the topic configurations' names (`segment.bytes`, `retention.ms`, …).
  public var topicDefaults: [String: String] = [:]
  /// How many threads open partitions, recover them after an unclean stop, and close them
  /// (`num.recovery.threads.per.data.dir`): 2, as in Kafka 4; from 1 to 64.
  public var recoveryThreads = 2
  /// How often the recovery points are written down (`log.flush.offset.checkpoint.interval.ms`): 60 s. What was appended before
  /// the last time and is not on the disk yet is synced then, which Kafka leaves to the system.
  public var checkpointInterval: Duration = .seconds(60)
  /// How long the first rebalance of an empty group waits for more members (`group.initial.rebalance.delay.ms`): 0;
  /// Kafka's default is 3 s, which no two members of one process need.
  public var groupInitialRebalanceDelay: Duration = .zero
  /// The largest metadata that may be committed with an offset (`offset.metadata.max.bytes`): 4096.
  public var offsetMetadataMaxBytes = 4096
  /// The most members of a group (`group.max.size`).
  public var groupMaxSize = Int(Int32.max)
  /// The smallest and the largest `session.timeout.ms` that a consumer may have (`group.min.session.timeout.ms`, 6 s;
  /// `group.max.session.timeout.ms`, 30 min).
  public var groupMinSessionTimeout: Duration = .seconds(6)
  public var groupMaxSessionTimeout: Duration = .seconds(1800)
  /// How long committed offsets are kept after their group became empty, or, where nobody ever subscribed, after the commit
  /// (`offsets.retention.minutes`): 7 days; more than zero.
  public var offsetsRetention: Duration = .seconds(7 * 86_400)
  /// How often that is looked at (`offsets.retention.check.interval.ms`): 10 min.
  public var offsetsRetentionCheckInterval: Duration = .seconds(600)
  /// How long after the opening retention is first looked at (`log.initial.task.delay.ms`): 30 s.
  public var initialTaskDelay: Duration = .seconds(30)
  /// How often it is looked at from then on (`log.retention.check.interval.ms`): 5 min; more than zero.
  public var retentionCheckInterval: Duration = .seconds(300)
  /// The most bytes that all logs may take together (`log.dirs.max.bytes`): nil, no cap; at least 1. EventLog's own.
  ///
  /// Counted are the partitions' `.log` files, with the room that is reserved ahead of what is written (16 KiB to 32 MiB for
  /// each partition that is written to), and those that wait for `file.delete.delay.ms`. Indexes (less than a hundredth)
  /// and SQLite's database are not.
  public var logDirsMaxBytes: Int64?
  /// What happens at that cap (`log.dirs.full.policy`): `refuse`. EventLog's own.
  public var logDirsFullPolicy: FullPolicy = .refuse

  /// What happens to an append for which `log.dirs.max.bytes` leaves no room.
  public enum FullPolicy: String, Sendable, Hashable, CaseIterable {
    /// It gets `diskFull` (`refuse`). Nothing is lost; deleting records and topics makes room.
    case refuse
    /// The oldest closed segments make room (`drop-oldest`): by their youngest record, over all topics whose
    /// `cleanup.policy` has `delete`, before `retention.ms` and `retention.bytes` would let them go, and with a warning each.
    /// It begins at seven eighths of the cap, so that appends seldom wait. `segment.bytes` should be well below the cap:
    /// where no segment is closed, the largest that is being written goes whole.
    case dropOldest = "drop-oldest"
  }

  /// Whether topics with `cleanup.policy=compact` are compacted in the background (`log.cleaner.enable`): true.
  public var logCleanerEnabled = true
  /// How many threads compact (`log.cleaner.threads`): 1; from 1 to 64.
  public var logCleanerThreads = 1
  /// The most memory that all of them use to remember keys, 24 bytes each (`log.cleaner.dedupe.buffer.size`): 128 MiB; at
  /// least 1 KiB a thread. No more is allocated than the records at hand need; what does not fit takes several passes.
  public var logCleanerDedupeBufferSize = 134_217_728
  /// How much each of them reads and writes a second (`log.cleaner.io.max.bytes.per.second`): nil, as much as it can.
  public var logCleanerIOMaxBytesPerSecond: Double?
  /// How often it is looked whether something is to be compacted (`log.cleaner.backoff.ms`): 15 s; more than zero.
  public var logCleanerBackoff: Duration = .seconds(15)

  /// The longest `transaction.timeout.ms` that a producer may have (`transaction.max.timeout.ms`): 15 min.
  public var transactionMaxTimeout: Duration = .seconds(900)
  /// How long a `transactional.id` is kept that nothing is done with (`transactional.id.expiration.ms`): 7 days.
  public var transactionalIDExpiration: Duration = .seconds(7 * 86_400)
  /// How long a partition remembers a producer that does not write (`producer.id.expiration.ms`): 1 day. One whose transaction
  /// is open, or that has a name, is never forgotten.
  public var producerIDExpiration: Duration = .seconds(86_400)
  /// How often that is looked at (`producer.id.expiration.check.interval.ms`): 10 min.
  public var producerIDExpirationCheckInterval: Duration = .seconds(600)
  /// How many closed segments stay mapped when nobody reads them. EventLog's own; 256.
  public var mappedSegments = 256
  /// Where warnings go: a torn tail that was cut, an index that was rebuilt. nil is swift-log's default handler.
  ///
  /// Called on whichever thread finds it, at times with a partition's lock held: it is to be short, and not to use the broker.
  public var warningHandler: (@Sendable (EventLogError) -> Void)?

  public init() {}

  /// From Kafka's names, such as `num.partitions`.
  ///
  /// - Throws: `invalidConfig` for a name that is unknown or a value out of range.
  public init(properties: [String: String]) throws {
    try self.init(Properties(properties, of: "broker"))
  }

  /// From a source that is asked for Kafka's names one by one, such as a process's environment. A name that nobody asks for,
  /// because it is mistyped, goes unnoticed.
  ///
  /// - Parameter lookup: the value that a name has; nil where it has none.
  /// - Throws: `invalidConfig` for a name that is not supported, or a value out of range.
  public init(lookup: @escaping (_ name: String) -> String?) throws {
    try self.init(Properties(lookup, of: "broker"))
  }

  private init(_ source: Properties) throws {
    var properties = source
    try properties.boolean("auto.create.topics.enable") { autoCreateTopics = $0 }
    try properties.integer("num.partitions", in: 1...100_000) { defaultPartitions = Int($0) }
    try properties.integer("num.recovery.threads.per.data.dir", in: 1...64) { recoveryThreads = Int($0) }
    try properties.duration("log.flush.offset.checkpoint.interval.ms") { checkpointInterval = $0 }
    try properties.duration("group.initial.rebalance.delay.ms") { groupInitialRebalanceDelay = $0 }
    try properties.integer("offset.metadata.max.bytes", in: 0...Int64(Int32.max)) { offsetMetadataMaxBytes = Int($0) }
    try properties.integer("group.max.size", in: 1...Int64(Int32.max)) { groupMaxSize = Int($0) }
    try properties.duration("group.min.session.timeout.ms") { groupMinSessionTimeout = $0 }
    try properties.duration("group.max.session.timeout.ms") { groupMaxSessionTimeout = $0 }
    try properties.integer("offsets.retention.minutes", in: 1...Int64(Int32.max)) {
      offsetsRetention = .seconds($0 * 60)
    }
    try properties.duration("offsets.retention.check.interval.ms", in: 1...Int64.max) {
      offsetsRetentionCheckInterval = $0
    }
    try properties.duration("log.initial.task.delay.ms") { initialTaskDelay = $0 }
    try properties.duration("log.retention.check.interval.ms", in: 1...Int64.max) { retentionCheckInterval = $0 }
    try properties.integer("log.dirs.max.bytes", in: -1...Int64.max) { logDirsMaxBytes = $0 < 0 ? nil : $0 }
    try properties.choice("log.dirs.full.policy", FullPolicy.allCases.map { ($0.rawValue, $0) }) {
      logDirsFullPolicy = $0
    }
    try properties.boolean("log.cleaner.enable") { logCleanerEnabled = $0 }
    try properties.integer("log.cleaner.threads", in: 1...64) { logCleanerThreads = Int($0) }
    try properties.integer("log.cleaner.dedupe.buffer.size", in: 1...Int64.max) {
      logCleanerDedupeBufferSize = Int($0)
    }
    if let text = properties.take("log.cleaner.io.max.bytes.per.second") {
      guard let rate = Double(text) else {
        throw EventLogError(
          .invalidConfig, "\"\(text)\" is no value for log.cleaner.io.max.bytes.per.second: it has to be a number")
      }
      logCleanerIOMaxBytesPerSecond = rate.isFinite && rate < .greatestFiniteMagnitude ? rate : nil
    }
    try properties.duration("log.cleaner.backoff.ms", in: 1...Int64.max) { logCleanerBackoff = $0 }
    try properties.duration("transaction.max.timeout.ms", in: 1...Int64(Int32.max)) { transactionMaxTimeout = $0 }
    try properties.duration("transactional.id.expiration.ms", in: 1...Int64.max) { transactionalIDExpiration = $0 }
    try properties.duration("producer.id.expiration.ms", in: 1...Int64.max) { producerIDExpiration = $0 }
    try properties.duration("producer.id.expiration.check.interval.ms", in: 1...Int64.max) {
      producerIDExpirationCheckInterval = $0
    }
    for (broker, topic) in Self.topicTwins {
      if let value = properties.take(broker) { topicDefaults[topic] = value }
    }
    // Milliseconds beat minutes, minutes beat hours.
    for (prefix, topic) in [("log.retention", "retention.ms"), ("log.roll", "segment.ms")] {
      for (unit, factor) in [(".hours", Int64(3_600_000)), (".minutes", 60_000)] {
        // As Kafka's INT: no product of these is too large.
        try properties.integer(prefix + unit, in: -1...Int64(Int32.max)) { number in
          topicDefaults[topic] = String(number < 0 ? -1 : number * factor)
        }
      }
      if let value = properties.take(prefix + ".ms") { topicDefaults[topic] = value }
    }
    try properties.finish()
    try validate()
  }

  /// The broker's names for the defaults of topics, but for those that come in several units.
  private static let topicTwins: [(String, String)] = TopicConfigs.all.filter {
    $0.isApplicable && $0.name != "retention.ms" && $0.name != "segment.ms"
  }.map { ($0.brokerName, $0.name) }

  func validate() throws(EventLogError) {
    guard defaultPartitions >= 1, defaultPartitions <= 100_000 else {
      throw EventLogError(.invalidConfig, "num.partitions has to be from 1 to 100000")
    }
    guard (1...64).contains(recoveryThreads) else {
      throw EventLogError(.invalidConfig, "num.recovery.threads.per.data.dir has to be from 1 to 64")
    }
    guard offsetsRetention > .zero, offsetsRetentionCheckInterval > .zero else {
      throw EventLogError(
        .invalidConfig,
        "offsets.retention.minutes and offsets.retention.check.interval.ms have to be more than zero")
    }
    guard groupInitialRebalanceDelay >= .zero else {
      throw EventLogError(.invalidConfig, "group.initial.rebalance.delay.ms can't be negative")
    }
    guard initialTaskDelay >= .zero, retentionCheckInterval > .zero else {
      throw EventLogError(
        .invalidConfig,
        "log.initial.task.delay.ms can't be negative, and log.retention.check.interval.ms has to be more than zero")
    }
    guard (1...64).contains(logCleanerThreads), logCleanerDedupeBufferSize / logCleanerThreads >= 1024,
      logCleanerIOMaxBytesPerSecond ?? 1 > 0, logCleanerBackoff > .zero
    else {
      throw EventLogError(
        .invalidConfig,
        "log.cleaner.threads has to be from 1 to 64, log.cleaner.dedupe.buffer.size at least 1024 for each of them, and "
          + "log.cleaner.io.max.bytes.per.second and log.cleaner.backoff.ms more than zero")
    }
    guard logDirsMaxBytes ?? 1 >= 1 else {
      throw EventLogError(.invalidConfig, "log.dirs.max.bytes has to be at least 1; leave it out for no cap")
    }
    let transactionTimes = [
      transactionMaxTimeout, transactionalIDExpiration, producerIDExpiration, producerIDExpirationCheckInterval,
    ]
    guard transactionTimes.allSatisfy({ $0 > .zero }) else {
      throw EventLogError(
        .invalidConfig,
        "transaction.max.timeout.ms, transactional.id.expiration.ms, producer.id.expiration.ms and its check interval have "
          + "to be more than zero")
    }
    _ = try TopicConfigs.normalize(topicDefaults, defaults: [:])
  }

  /// Refuses a consumer whose session is shorter or longer than this broker allows.
  func validateSession(of consumer: ConsumerConfiguration) throws(EventLogError) {
    guard consumer.group != nil else { return }
    guard consumer.sessionTimeout >= groupMinSessionTimeout, consumer.sessionTimeout <= groupMaxSessionTimeout else {
      throw EventLogError(
        .invalidSessionTimeout,
        "session.timeout.ms is \(consumer.sessionTimeout.milliseconds); group.min.session.timeout.ms and "
          + "group.max.session.timeout.ms allow \(groupMinSessionTimeout.milliseconds) to "
          + "\(groupMaxSessionTimeout.milliseconds)")
    }
  }
}

extension BrokerConfiguration.FullPolicy {
  var budgetPolicy: DiskBudget.Policy {
    switch self {
    case .refuse: .refuse
    case .dropOldest: .dropOldest
    }
  }
}
