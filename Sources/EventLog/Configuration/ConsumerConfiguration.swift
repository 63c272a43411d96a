internal import RecordFormat

/// Where a consumer begins that has no committed offset, or one that is out of range (`auto.offset.reset`).
public enum OffsetReset: Sendable, Hashable {
  /// At the log start.
  case earliest
  /// At the high watermark: only what comes from now on.
  case latest
  /// Nowhere: `poll` throws `noOffsetForPartition` or `offsetOutOfRange`.
  case none
}

/// What a consumer sees of transactions (`isolation.level`).
public enum Isolation: Sendable, Hashable {
  /// Everything below the high watermark.
  case readUncommitted
  /// Only what is committed, up to the first open transaction.
  case readCommitted
}

/// What a consumer goes by. Names in brackets are Kafka's, as `init(properties:)` takes them.
public struct ConsumerConfiguration: Sendable {
  /// The group it belongs to (`group.id`); nil for a consumer that only assigns.
  public var group: String?
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
  /// How the group divides partitions, the first that all members have (`partition.assignment.strategy`): range and
  /// cooperative-sticky. Each needs a name of its own.
  public var assignors: [GroupAssignor] = [.range, .cooperativeSticky]

  public init() {}

  /// From Kafka's names, such as `auto.offset.reset`.
  ///
  /// - Throws: `invalidConfig` for a name that is unknown or not supported, or a value out of range.
  public init(properties: [String: String]) throws {
    var properties = Properties(properties, of: "consumer")
    if let id = properties.take("group.id") { group = id }
    try properties.choice(
      "auto.offset.reset", [("earliest", OffsetReset.earliest), ("latest", .latest), ("none", .none)]
    ) { autoOffsetReset = $0 }
    try properties.boolean("enable.auto.commit") { enableAutoCommit = $0 }
    try properties.duration("auto.commit.interval.ms") { autoCommitInterval = $0 }
    try properties.integer("max.poll.records", in: 1...Int64(Int32.max)) { maxPollRecords = Int($0) }
    try properties.duration("max.poll.interval.ms", in: 1...Int64(Int32.max)) { maxPollInterval = $0 }
    try properties.integer("max.partition.fetch.bytes", in: 0...Int64(Int32.max)) { maxPartitionFetchBytes = Int($0) }
    try properties.integer("fetch.max.bytes", in: 0...Int64(Int32.max)) { fetchMaxBytes = Int($0) }
    try properties.integer("fetch.min.bytes", in: 0...Int64(Int32.max)) { fetchMinBytes = Int($0) }
    try properties.duration("fetch.max.wait.ms") { fetchMaxWait = $0 }
    try properties.choice(
      "isolation.level", [("read_uncommitted", Isolation.readUncommitted), ("read_committed", .readCommitted)]
    ) { isolation = $0 }
    try properties.boolean("check.crcs") { checkCRCs = $0 }
    if let list = properties.take("partition.assignment.strategy") {
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
    try properties.refuse("group.protocol", unless: ["classic"], because: "this version has the classic protocol only")
    try properties.refuse("group.instance.id", because: "this version has no static membership yet")
    properties.ignore(
      "bootstrap.servers", "client.id", "client.rack", "session.timeout.ms", "heartbeat.interval.ms",
      "exclude.internal.topics", "default.api.timeout.ms", "request.timeout.ms", "retry.backoff.ms",
      "metadata.max.age.ms", "allow.auto.create.topics")
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
    if let group, group.trimmingSpaces.isEmpty {
      throw EventLogError(.invalidGroupID, "group.id may not be empty")
    }
  }
}
