import RecordFormat
import Testing

@testable import EventLog

/// The ends of what every configuration takes, as Apache Kafka has them.
@Suite("The bounds of topic configurations")
struct TopicConfigBoundsTests {
  private struct Bounds {
    var name: String
    var type: String
    var standard: String
    var accepted: [String]
    var refused: [String]
  }

  private static let longMax = "9223372036854775807"
  private static let beyondLong = "9223372036854775808"

  private static func long(_ name: String, _ standard: String, from low: Int) -> Bounds {
    Bounds(
      name: name, type: "LONG", standard: standard, accepted: ["\(low)", longMax],
      refused: ["\(low - 1)", beyondLong, "", "1.5", "1e3", "one"])
  }

  private static func int(_ name: String, _ standard: String, from low: Int, to high: Int = 2_147_483_647) -> Bounds {
    Bounds(
      name: name, type: "INT", standard: standard, accepted: ["\(low)", "\(high)"],
      refused: ["\(low - 1)", "\(high + 1)", "", "0.5", "many"])
  }

  private static let applicable: [Bounds] = [
    Bounds(
      name: "cleanup.policy", type: "LIST", standard: "delete",
      accepted: ["delete", "compact", "compact,delete", "delete , compact", ""],
      refused: ["Delete", "none", "delete,", ",delete", "delete,,compact", "delete compact"]),
    long("retention.ms", "604800000", from: -1),
    Bounds(
      name: "retention.bytes", type: "LONG", standard: "-1", accepted: ["-9223372036854775808", "0", longMax],
      refused: [beyondLong, "-9223372036854775809", "1k", ""]),
    int("segment.bytes", "1073741824", from: 14), long("segment.ms", "604800000", from: 1),
    long("segment.jitter.ms", "0", from: 0), int("segment.index.bytes", "10485760", from: 4),
    int("index.interval.bytes", "4096", from: 0), int("max.message.bytes", "1048588", from: 0),
    Bounds(
      name: "message.timestamp.type", type: "STRING", standard: "CreateTime",
      accepted: ["CreateTime", "LogAppendTime"],
      refused: ["createtime", "LOGAPPENDTIME", "NoTimestampType", ""]),
    long("message.timestamp.before.max.ms", longMax, from: 0), long("message.timestamp.after.max.ms", longMax, from: 0),
    Bounds(
      name: "compression.type", type: "STRING", standard: "producer",
      accepted: ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"], refused: ["none", "GZIP", "brotli", ""]),
    Bounds(
      name: "compression.gzip.level", type: "INT", standard: "-1", accepted: ["-1", "1", "9"],
      refused: ["-2", "0", "10", "best"]),
    int("compression.lz4.level", "9", from: 1, to: 17), int("compression.zstd.level", "3", from: -131_072, to: 22),
    Bounds(
      name: "min.cleanable.dirty.ratio", type: "DOUBLE", standard: "0.5", accepted: ["0", "0.0", "1", "1.0", "1e-9"],
      refused: ["-0.001", "1.001", "half", "", "nan", "inf"]),
    long("delete.retention.ms", "86400000", from: 0), long("min.compaction.lag.ms", "0", from: 0),
    long("max.compaction.lag.ms", longMax, from: 1), long("file.delete.delay.ms", "60000", from: 0),
    long("flush.messages", longMax, from: 1), long("flush.ms", longMax, from: 0),
    Bounds(
      name: "preallocate", type: "BOOLEAN", standard: "false", accepted: ["true", "false", "TRUE", " False "],
      refused: ["yes", "1", "", "t"]),
    int("min.insync.replicas", "1", from: 1, to: 1),
  ]

  @Test("are all known, with Kafka's types and defaults")
  func complete() throws {
    #expect(Set(Self.applicable.map(\.name)) == Set(TopicConfigs.all.filter(\.isApplicable).map(\.name)))
    for bounds in Self.applicable {
      let definition = try TopicConfigs.definition(bounds.name)
      #expect(definition.typeName == bounds.type, "\(bounds.name)")
      #expect(definition.defaultValue == bounds.standard, "\(bounds.name)")
      #expect(!definition.documentation.isEmpty)
    }
  }

  @Test("are taken up to their ends, and refused beyond, by name")
  func ends() throws {
    for bounds in Self.applicable {
      let definition = try TopicConfigs.definition(bounds.name)
      for value in bounds.accepted + [bounds.standard, " \(bounds.standard) "] {
        #expect(throws: Never.self, "\(bounds.name)=\(value)") { _ = try definition.normalize(value) }
      }
      for value in bounds.refused {
        let error = #expect(throws: EventLogError.self, "\(bounds.name)=\(value)") { try definition.normalize(value) }
        #expect(error?.code == .invalidConfig)
        #expect(error?.message.contains(bounds.name) == true)
      }
    }
  }

  @Test("of what means nothing in one process take the default alone")
  func notApplicable() throws {
    for definition in TopicConfigs.all where !definition.isApplicable {
      #expect(try definition.normalize(definition.defaultValue) == definition.defaultValue)
      #expect(throws: EventLogError.self, "\(definition.name)") { try definition.normalize("1000") }
    }
  }

  @Test("are the same for the broker's names of the defaults, in any unit")
  func brokerNames() throws {
    for bounds in Self.applicable {
      let definition = try TopicConfigs.definition(bounds.name)
      let configuration = try BrokerConfiguration(properties: [definition.brokerName: bounds.accepted[0]])
      #expect(configuration.topicDefaults[bounds.name] == bounds.accepted[0])
      #expect(throws: EventLogError.self, "\(definition.brokerName)") {
        try BrokerConfiguration(properties: [definition.brokerName: bounds.refused[0]])
      }
    }
  }

  @Test("of the broker hold for topics as they would be stored")
  func spaces() throws {
    let log = TopicConfigs.logConfiguration([:], defaults: ["segment.bytes": " 77 ", "cleanup.policy": " compact "])
    #expect(log.segmentBytes == 77)
    #expect(log.isCompacted && !log.isDeleted)
  }
}
