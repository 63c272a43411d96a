internal import RecordFormat

/// Where a consumer begins that has no committed offset, or one that is out of range (`auto.offset.reset`).
public enum OffsetReset: Sendable, Hashable {
  /// At the log start.
  case earliest
  /// At the high watermark: only what comes from now on.
  case latest
  /// At the first record that is no older than this (`by_duration:PT1H`, KIP-1106).
  case byDuration(Duration)
  /// Nowhere: `poll` throws `noOffsetForPartition` or `offsetOutOfRange`.
  case none
}

extension OffsetReset {
  /// From Kafka's text: `earliest`, `latest`, `none`, or `by_duration:` and a duration of ISO 8601.
  init(_ text: String) throws(EventLogError) {
    switch text.lowercased() {
    case "earliest": self = .earliest
    case "latest": self = .latest
    case "none": self = .none
    default:
      let prefix = "by_duration:"
      guard text.lowercased().hasPrefix(prefix), let duration = ISO8601.duration(String(text.dropFirst(prefix.count))),
        duration >= .zero
      else {
        throw EventLogError(
          .invalidConfig,
          "\"\(text)\" is no value for auto.offset.reset: there are earliest, latest, none, and by_duration: with a "
            + "duration such as PT1H")
      }
      self = .byDuration(duration)
    }
  }
}

/// What a consumer sees of transactions (`isolation.level`).
public enum Isolation: Sendable, Hashable, CaseIterable {
  /// Everything below the high watermark.
  case readUncommitted
  /// Only what is committed, up to the first open transaction.
  case readCommitted

  /// As `isolation.level` has it.
  package var name: String { self == .readCommitted ? "read_committed" : "read_uncommitted" }
}

/// What a consumer goes by. Names in brackets are Kafka's, as `init(properties:)` takes them.
public struct ConsumerConfiguration: Sendable {
  /// The group it belongs to (`group.id`); nil for a consumer that only assigns.
  public var group: String?
  /// Which protocol the group speaks (`group.protocol`): `classic`, or `consumer` for KIP-848's. All members of a group
  /// have to speak the same.
  public var groupProtocol: GroupProtocol = .classic
  /// Makes the consumer a static member (`group.instance.id`, KIP-345): one that takes its place in the group up again when
  /// it comes back within `session.timeout.ms`, without a rebalance. nil for a dynamic one.
  public var groupInstanceID: String?
  /// With `group.protocol=consumer`, how the broker divides partitions: `uniform` or `range`
  /// (`group.remote.assignor`); nil leaves it to the others of the group, and then to `uniform`.
  public var remoteAssignor: String?
  /// How long a static member's place is kept after its consumer was closed (`session.timeout.ms`): 45 s. A consumer in
  /// this process is alive as long as it exists, so that for others there is nothing to time out but
  /// `max.poll.interval.ms`.
  public var sessionTimeout: Duration = .seconds(45)
  /// Where to begin without a committed offset (`auto.offset.reset`): `latest`, as in Kafka.
  public var autoOffsetReset: OffsetReset = .latest
  /// Whether positions are committed by themselves (`enable.auto.commit`): true. It happens within `poll`, before a
  /// rebalance and in `close`, and covers only what earlier polls returned.
  public var enableAutoCommit = true
  /// How often that happens (`auto.commit.interval.ms`): 5 s.
  public var autoCommitInterval: Duration = .seconds(5)
  /// The most records that one poll returns (`max.poll.records`): 500; at least 1.
  public var maxPollRecords = 500
  /// How long a member may stay away from `poll` before the group goes on without it (`max.poll.interval.ms`): 5 min.
  public var maxPollInterval: Duration = .seconds(300)
  /// The most bytes that one fetch reads from one partition (`max.partition.fetch.bytes`): 1 MiB. The first batch comes
  /// whole, however large, so that a consumer is never stuck.
  public var maxPartitionFetchBytes = 1_048_576
  /// The most bytes that one fetch reads from all partitions (`fetch.max.bytes`): 50 MiB.
  public var fetchMaxBytes = 52_428_800
  /// How many bytes a poll waits for (`fetch.min.bytes`): 1.
  public var fetchMinBytes = 1
  /// How long it waits for them (`fetch.max.wait.ms`): 500 ms.
  public var fetchMaxWait: Duration = .milliseconds(500)
  /// What is seen of transactions (`isolation.level`): everything.
  public var isolation: Isolation = .readUncommitted
  /// Whether each batch's checksum is compared before its records are returned (`check.crcs`): true.
  public var checkCRCs = true
  /// Whether a pattern leaves out topics that begin with two underscores (`exclude.internal.topics`): true.
  public var excludeInternalTopics = true
  /// Whether subscribing makes topics that are missing, where the broker's `auto.create.topics.enable` says so too
  /// (`allow.auto.create.topics`): true.
  public var allowAutoCreateTopics = true
  /// How long a commit may take (`default.api.timeout.ms`): 60 s.
  public var defaultAPITimeout: Duration = .seconds(60)
  /// How the group divides partitions, the first that all members have (`partition.assignment.strategy`): range and
  /// cooperative-sticky. Each needs a name of its own.
  public var assignors: [GroupAssignor] = [.range, .cooperativeSticky]
  /// Who sees what polls return and what is committed, in this order (`interceptor.classes`, which has to be set in code).
  public var interceptors: [any ConsumerInterceptor] = []

  public init() {}

  /// From Kafka's names, such as `auto.offset.reset`.
  ///
  /// - Throws: `invalidConfig` for a name that is unknown or not supported, or a value out of range.
  public init(properties: [String: String]) throws {
    try self.init(Properties(properties, of: "consumer"))
  }

  /// From a source that is asked for Kafka's names one by one, such as a process's environment. A name that nobody asks for,
  /// because it is mistyped, goes unnoticed.
  ///
  /// - Parameter lookup: the value that a name has; nil where it has none.
  /// - Throws: `invalidConfig` for a name that is not supported, or a value out of range.
  public init(lookup: @escaping (_ name: String) -> String?) throws {
    try self.init(Properties(lookup, of: "consumer"))
  }

  private init(_ source: Properties) throws {
    var properties = source
    if let id = properties.take("group.id") { group = id }
    if let text = properties.take("auto.offset.reset") { autoOffsetReset = try OffsetReset(text) }
    try properties.boolean("enable.auto.commit") { enableAutoCommit = $0 }
    try properties.duration("auto.commit.interval.ms") { autoCommitInterval = $0 }
    try properties.integer("max.poll.records", in: 1...Int64(Int32.max)) { maxPollRecords = Int($0) }
    try properties.duration("max.poll.interval.ms", in: 1...Int64(Int32.max)) { maxPollInterval = $0 }
    try properties.integer("max.partition.fetch.bytes", in: 0...Int64(Int32.max)) { maxPartitionFetchBytes = Int($0) }
    try properties.integer("fetch.max.bytes", in: 0...Int64(Int32.max)) { fetchMaxBytes = Int($0) }
    try properties.integer("fetch.min.bytes", in: 0...Int64(Int32.max)) { fetchMinBytes = Int($0) }
    try properties.duration("fetch.max.wait.ms") { fetchMaxWait = $0 }
    try properties.choice("isolation.level", Isolation.allCases.map { ($0.name, $0) }) { isolation = $0 }
    try properties.boolean("check.crcs") { checkCRCs = $0 }
    let strategies = properties.take("partition.assignment.strategy")
    let isAssignorNamed = strategies != nil
    if let list = strategies {
      var chosen: [GroupAssignor] = []
      for name in ConfigDefinition.split(list) {
        guard let assignor = GroupAssignor(name: name) else {
          throw EventLogError(
            .invalidConfig,
            "there is no assignor \"\(name)\" for partition.assignment.strategy; there are "
              + GroupAssignor.allBuiltIn.map(\.name).joined(separator: ", "))
        }
        chosen.append(assignor)
      }
      assignors = chosen
    }
    if let id = properties.take("group.instance.id") { groupInstanceID = id }
    try properties.choice("group.protocol", [("classic", GroupProtocol.classic), ("consumer", .consumer)]) {
      groupProtocol = $0
    }
    if let name = properties.take("group.remote.assignor") { remoteAssignor = name }
    if groupProtocol == .consumer, isAssignorNamed {
      throw EventLogError(
        .invalidConfig,
        "partition.assignment.strategy does not go with group.protocol=consumer; group.remote.assignor does")
    }
    try properties.duration("session.timeout.ms", in: 1...Int64(Int32.max)) { sessionTimeout = $0 }
    try properties.boolean("exclude.internal.topics") { excludeInternalTopics = $0 }
    try properties.boolean("allow.auto.create.topics") { allowAutoCreateTopics = $0 }
    try properties.duration("default.api.timeout.ms") { defaultAPITimeout = $0 }
    try properties.refuse("interceptor.classes", because: "set `interceptors` in code")
    for side in ["key", "value"] {
      try properties.refuse("\(side).deserializer", because: "give the deserializers to `Broker.consumer(key:value:)`")
    }
    properties.ignore(
      "bootstrap.servers", "client.id", "client.rack", "heartbeat.interval.ms", "request.timeout.ms",
      "retry.backoff.ms",
      "metadata.max.age.ms")
    try properties.finish()
    try validate()
  }

  func validate() throws(EventLogError) {
    guard maxPollRecords >= 1 else { throw EventLogError(.invalidConfig, "max.poll.records has to be at least 1") }
    guard fetchMaxBytes >= 0, maxPartitionFetchBytes >= 0, fetchMinBytes >= 0, fetchMaxWait >= .zero,
      autoCommitInterval >= .zero, maxPollInterval > .zero
    else {
      throw EventLogError(
        .invalidConfig,
        "fetch.max.bytes, max.partition.fetch.bytes, fetch.min.bytes, fetch.max.wait.ms and "
          + "auto.commit.interval.ms may not be negative, max.poll.interval.ms has to be positive")
    }
    try GroupAssignor.validate(assignors)
    if let remoteAssignor, ServerAssignor(rawValue: remoteAssignor) == nil {
      throw EventLogError(
        .unsupportedAssignor,
        "there is no assignor \"\(remoteAssignor)\" for group.remote.assignor; there are "
          + ServerAssignor.allCases.map(\.rawValue).joined(separator: ", "))
    }
    guard sessionTimeout > .zero, defaultAPITimeout >= .zero, groupInstanceID != "" else {
      throw EventLogError(
        .invalidConfig,
        "session.timeout.ms has to be positive, default.api.timeout.ms may not be negative, and group.instance.id "
          + "may not be empty")
    }
    if let group, group.trimmingSpaces.isEmpty {
      throw EventLogError(.invalidGroupID, "group.id may not be empty")
    }
  }
}
