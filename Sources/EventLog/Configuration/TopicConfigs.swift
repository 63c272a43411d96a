internal import RecordFormat
internal import SegmentStore

/// The configurations of a topic, with Kafka's names, defaults and ranges.
enum TopicConfigs {
  static let all: [ConfigDefinition] = [
    .init(
      name: "cleanup.policy", kind: .list(of: ["compact", "delete"]), defaultValue: "delete",
      brokerName: "log.cleanup.policy",
      documentation: "Whether old segments are deleted, compacted by key, or both."),
    .init(
      name: "retention.ms", kind: .long(-1...Int64.max), defaultValue: "604800000", brokerName: "log.retention.ms",
      documentation: "How long records are kept, by their timestamps; -1 for ever."),
    .init(
      name: "retention.bytes", kind: .long(Int64.min...Int64.max), defaultValue: "-1",
      brokerName: "log.retention.bytes",
      documentation: "How many bytes each partition keeps at least; negative for no limit."),
    .init(
      name: "segment.bytes", kind: .int(14...Int32.max), defaultValue: "1073741824", brokerName: "log.segment.bytes",
      documentation: "The largest size of a segment."),
    .init(
      name: "segment.ms", kind: .long(1...Int64.max), defaultValue: "604800000", brokerName: "log.roll.ms",
      documentation: "The record time after which a segment is rolled even if it is not full."),
    .init(
      name: "segment.jitter.ms", kind: .long(0...Int64.max), defaultValue: "0", brokerName: "log.roll.jitter.ms",
      documentation: "The most by which a roll by time is brought forward at random."),
    .init(
      name: "segment.index.bytes", kind: .int(4...Int32.max), defaultValue: "10485760",
      brokerName: "log.index.size.max.bytes",
      documentation: "The largest size of an index; a segment rolls when its index is full."),
    .init(
      name: "index.interval.bytes", kind: .int(0...Int32.max), defaultValue: "4096",
      brokerName: "log.index.interval.bytes",
      documentation: "How many bytes of log come between two index entries."),
    .init(
      name: "max.message.bytes", kind: .int(0...Int32.max), defaultValue: "1048588", brokerName: "message.max.bytes",
      documentation: "The largest record batch, after compression."),
    .init(
      name: "message.timestamp.type", kind: .choice(["CreateTime", "LogAppendTime"]), defaultValue: "CreateTime",
      brokerName: "log.message.timestamp.type",
      documentation: "Whose clock a record's timestamp is from."),
    .init(
      name: "message.timestamp.before.max.ms", kind: .long(0...Int64.max), defaultValue: "9223372036854775807",
      brokerName: "log.message.timestamp.before.max.ms",
      documentation: "How far a record's timestamp may lie in the past."),
    .init(
      name: "message.timestamp.after.max.ms", kind: .long(0...Int64.max), defaultValue: "9223372036854775807",
      brokerName: "log.message.timestamp.after.max.ms",
      documentation: "How far a record's timestamp may lie in the future."),
    .init(
      name: "compression.type", kind: .choice(["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
      defaultValue: "producer", documentation: "How batches are compressed; producer: as the producer says."),
    .init(
      name: "compression.gzip.level", kind: .level(.gzip), defaultValue: "\(CompressionLevels.gzip.defaultLevel)",
      documentation: "The level of gzip where compression.type is gzip."),
    .init(
      name: "compression.lz4.level", kind: .level(.lz4), defaultValue: "\(CompressionLevels.lz4.defaultLevel)",
      documentation: "The level of lz4 where compression.type is lz4."),
    .init(
      name: "compression.zstd.level", kind: .level(.zstd), defaultValue: "\(CompressionLevels.zstd.defaultLevel)",
      documentation: "The level of zstd where compression.type is zstd."),
    .init(
      name: "min.cleanable.dirty.ratio", kind: .double(0...1), defaultValue: "0.5",
      brokerName: "log.cleaner.min.cleanable.ratio",
      documentation: "The share of uncompacted bytes above which a compacted log is cleaned."),
    .init(
      name: "delete.retention.ms", kind: .long(0...Int64.max), defaultValue: "86400000",
      brokerName: "log.cleaner.delete.retention.ms",
      documentation: "How long tombstones are kept in a compacted log."),
    .init(
      name: "min.compaction.lag.ms", kind: .long(0...Int64.max), defaultValue: "0",
      brokerName: "log.cleaner.min.compaction.lag.ms",
      documentation: "How long a record stays uncompacted at least."),
    .init(
      name: "max.compaction.lag.ms", kind: .long(1...Int64.max), defaultValue: "9223372036854775807",
      brokerName: "log.cleaner.max.compaction.lag.ms",
      documentation: "How long a record may stay uncompacted."),
    .init(
      name: "file.delete.delay.ms", kind: .long(0...Int64.max), defaultValue: "60000",
      brokerName: "log.segment.delete.delay.ms",
      documentation: "How long a deleted segment's file is kept."),
    .init(
      name: "flush.messages", kind: .long(1...Int64.max), defaultValue: "9223372036854775807",
      brokerName: "log.flush.interval.messages",
      documentation: "After how many records the log is synced, whatever acks says."),
    .init(
      name: "flush.ms", kind: .long(0...Int64.max), defaultValue: "9223372036854775807",
      brokerName: "log.flush.interval.ms",
      documentation: "After how long the log is synced, whatever acks says."),
    .init(
      name: "preallocate", kind: .boolean, defaultValue: "false", brokerName: "log.preallocate",
      documentation: "Accepted and without effect: room is always reserved before it is written."),
    .init(
      name: "min.insync.replicas", kind: .int(1...1), defaultValue: "1",
      documentation: "Always 1: the store itself."),
    .init(
      name: "unclean.leader.election.enable", kind: .notApplicable(oneCopy), defaultValue: "false",
      documentation: oneCopy),
    .init(
      name: "leader.replication.throttled.replicas", kind: .notApplicable(oneCopy), defaultValue: "",
      documentation: oneCopy),
    .init(
      name: "follower.replication.throttled.replicas", kind: .notApplicable(oneCopy), defaultValue: "",
      documentation: oneCopy),
    .init(
      name: "remote.storage.enable", kind: .notApplicable(noTiers), defaultValue: "false", documentation: noTiers),
    .init(
      name: "remote.log.copy.disable", kind: .notApplicable(noTiers), defaultValue: "false", documentation: noTiers),
    .init(
      name: "remote.log.delete.on.disable", kind: .notApplicable(noTiers), defaultValue: "false", documentation: noTiers
    ),
    .init(name: "local.retention.ms", kind: .notApplicable(noTiers), defaultValue: "-2", documentation: noTiers),
    .init(name: "local.retention.bytes", kind: .notApplicable(noTiers), defaultValue: "-2", documentation: noTiers),
  ]

  private static let oneCopy = "there is one copy of the log, and no replication"
  private static let noTiers = "there is no tiered storage"

  static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  static func definition(_ name: String) throws(EventLogError) -> ConfigDefinition {
    guard let definition = byName[name] else {
      throw EventLogError(.invalidConfig, "there is no topic configuration \"\(name)\"")
    }
    return definition
  }

  /// Checks what somebody set: each value, and those that depend on another.
  static func normalize(
    _ configs: [String: String], defaults: [String: String]
  ) throws(EventLogError) -> [String: String] {
    var result: [String: String] = [:]
    for (name, value) in configs { result[name] = try definition(name).normalize(value) }
    let values = Values(configs: result, defaults: defaults)
    guard values.long("min.compaction.lag.ms") <= values.long("max.compaction.lag.ms") else {
      throw EventLogError(.invalidConfig, "min.compaction.lag.ms may not be larger than max.compaction.lag.ms")
    }
    return result
  }

  /// What the broker was given as the default of all topics, as it would be stored.
  static func brokerDefault(_ definition: ConfigDefinition, _ defaults: [String: String]) -> String? {
    defaults[definition.name].map { (try? definition.normalize($0)) ?? $0 }
  }

  /// Values by name: set for the topic, else set for the broker, else the default.
  struct Values {
    let configs: [String: String]
    let defaults: [String: String]

    func text(_ name: String) -> String {
      guard let definition = TopicConfigs.byName[name] else { return "" }
      return configs[name] ?? TopicConfigs.brokerDefault(definition, defaults) ?? definition.defaultValue
    }

    func long(_ name: String) -> Int64 { Int64(text(name)) ?? 0 }
    func int(_ name: String) -> Int { Int(text(name)) ?? 0 }
  }

  /// What a log goes by.
  static func logConfiguration(_ configs: [String: String], defaults: [String: String]) -> LogConfiguration {
    let values = Values(configs: configs, defaults: defaults)
    var log = LogConfiguration()
    log.segmentBytes = values.int("segment.bytes")
    log.segmentMilliseconds = values.long("segment.ms")
    log.segmentJitterMilliseconds = values.long("segment.jitter.ms")
    log.segmentIndexBytes = values.int("segment.index.bytes")
    log.indexIntervalBytes = values.int("index.interval.bytes")
    log.maxMessageBytes = values.int("max.message.bytes")
    log.timestampType = values.text("message.timestamp.type") == "LogAppendTime" ? .logAppendTime : .createTime
    log.timestampBeforeMaxMilliseconds = values.long("message.timestamp.before.max.ms")
    log.timestampAfterMaxMilliseconds = values.long("message.timestamp.after.max.ms")
    let compression = values.text("compression.type")
    log.compression = compression == "uncompressed" ? CompressionType.none : CompressionType(name: compression)
    if log.compression != nil { log.compressionLevel = Int32(values.text("compression.\(compression).level")) }
    let policies = ConfigDefinition.split(values.text("cleanup.policy"))
    log.isCompacted = policies.contains("compact")
    log.isDeleted = policies.contains("delete")
    log.retentionMilliseconds = values.long("retention.ms")
    log.retentionBytes = values.long("retention.bytes")
    log.fileDeleteDelayMilliseconds = values.long("file.delete.delay.ms")
    log.minCleanableDirtyRatio = Double(values.text("min.cleanable.dirty.ratio")) ?? 0.5
    log.deleteRetentionMilliseconds = values.long("delete.retention.ms")
    log.minCompactionLagMilliseconds = values.long("min.compaction.lag.ms")
    log.maxCompactionLagMilliseconds = values.long("max.compaction.lag.ms")
    log.flushMessages = values.long("flush.messages")
    log.flushMilliseconds = values.long("flush.ms")
    return log
  }
}
