public import RecordFormat

/// What a broker goes by. Names in brackets are Kafka's, as `init(properties:)` takes them.
public struct BrokerConfiguration: Sendable {
  /// Whether producing to a topic that does not exist makes it (`auto.create.topics.enable`). Kafka's default is true;
  /// ours is false, because a mistyped name should be an error.
  public var autoCreateTopics = false
  /// Partitions of a topic that is made without saying how many (`num.partitions`): 1; at least 1.
  public var defaultPartitions = 1
  /// Defaults of all topics, by the topic configurations' names (`segment.bytes`, `retention.ms`, …).
  public var topicDefaults: [String: String] = [:]
  /// How often the recovery points are written down (`log.flush.offset.checkpoint.interval.ms`): 60 s.
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
  /// How many closed segments stay mapped when nobody reads them. EventLog's own; 256.
  public var mappedSegments = 256
  /// Where warnings go: a torn tail that was cut, an index that was rebuilt. nil is swift-log's default handler.
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
    for (broker, topic) in Self.topicTwins {
      if let value = properties.take(broker) { topicDefaults[topic] = value }
    }
    // Milliseconds beat minutes, minutes beat hours.
    for (prefix, topic) in [("log.retention", "retention.ms"), ("log.roll", "segment.ms")] {
      let hours = properties.take(prefix + ".hours")
      let minutes = properties.take(prefix + ".minutes")
      if let value = properties.take(prefix + ".ms") {
        topicDefaults[topic] = value
      } else if let (text, factor) = minutes.map({ ($0, Int64(60_000)) }) ?? hours.map({ ($0, Int64(3_600_000)) }) {
        guard let number = Int64(text) else {
          throw EventLogError(.invalidConfig, "\"\(text)\" is no value for \(prefix): it has to be a whole number")
        }
        topicDefaults[topic] = String(number < 0 ? -1 : number.multipliedReportingOverflow(by: factor).partialValue)
      }
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
    guard offsetsRetention > .zero, offsetsRetentionCheckInterval > .zero else {
      throw EventLogError(
        .invalidConfig,
        "offsets.retention.minutes and offsets.retention.check.interval.ms have to be more than zero")
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
