import RecordFormat
import Testing

@testable import EventLog

@Suite("Topic configurations")
struct TopicConfigsTests {
  @Test("have Kafka's defaults, and each default is a value that may be set")
  func defaults() throws {
    for definition in TopicConfigs.all {
      if case .notApplicable = definition.kind { continue }
      #expect(try definition.normalize(definition.defaultValue) == definition.defaultValue, "\(definition.name)")
    }
    let log = TopicConfigs.logConfiguration([:], defaults: [:])
    #expect(log.segmentBytes == 1 << 30)
    #expect(log.maxMessageBytes == 1_048_588)
    #expect(log.isDeleted && !log.isCompacted)
    #expect(log.compression == nil)
  }

  @Test(
    "take values up to their bounds and no further",
    arguments: [
      ("segment.bytes", "14", true), ("segment.bytes", "13", false), ("segment.bytes", "2147483648", false),
      ("retention.ms", "-1", true), ("retention.ms", "-2", false), ("retention.bytes", "-5", true),
      ("segment.ms", "0", false), ("min.cleanable.dirty.ratio", "1", true), ("min.cleanable.dirty.ratio", "1.1", false),
      ("cleanup.policy", "compact, delete", true), ("cleanup.policy", "compact,erase", false),
      ("message.timestamp.type", "createtime", false), ("preallocate", "TRUE", true), ("preallocate", "yes", false),
      ("flush.messages", "0", false), ("min.insync.replicas", "2", false), ("compression.type", "none", false),
      ("compression.type", "uncompressed", true), ("max.message.bytes", " 5 ", true),
      ("max.message.bytes", "5k", false),
      ("compression.zstd.level", "-131072", true), ("compression.zstd.level", "23", false),
    ])
  func bounds(name: String, value: String, isAccepted: Bool) throws {
    let definition = try TopicConfigs.definition(name)
    if isAccepted {
      let stored = try definition.normalize(value)
      #expect(try definition.normalize(stored) == stored)
    } else {
      let error = #expect(throws: EventLogError.self) { try definition.normalize(value) }
      #expect(error?.code == .invalidConfig)
      #expect(error?.message.contains(name) == true)
    }
  }

  @Test("of the broker: milliseconds beat minutes, minutes beat hours")
  func precedence() throws {
    let all = ["log.retention.hours": "1", "log.retention.minutes": "2", "log.retention.ms": "3"]
    #expect(try BrokerConfiguration(properties: all).topicDefaults["retention.ms"] == "3")
    #expect(
      try BrokerConfiguration(properties: all.filter { $0.key != "log.retention.ms" }).topicDefaults["retention.ms"]
        == "120000")
    #expect(
      try BrokerConfiguration(properties: ["log.retention.hours": "1"]).topicDefaults["retention.ms"] == "3600000")
    #expect(throws: EventLogError.self) { try BrokerConfiguration(properties: ["log.retention.years": "1"]) }
  }

  @Test("of the broker in hours and minutes are as large as Kafka's, and none is taken for a smaller one")
  func units() throws {
    for (name, topic, factor) in [
      ("log.retention.hours", "retention.ms", Int64(3_600_000)), ("log.retention.minutes", "retention.ms", 60_000),
      ("log.roll.hours", "segment.ms", 3_600_000),
    ] {
      let largest = Int64(Int32.max)
      let configuration = try BrokerConfiguration(properties: [name: "\(largest)"])
      #expect(configuration.topicDefaults[topic] == "\(largest * factor)")
      for value in ["5124095576031", "2147483648", "-2", "1h"] {
        let error = #expect(throws: EventLogError.self) { try BrokerConfiguration(properties: [name: value]) }
        #expect(error?.code == .invalidConfig)
        #expect(error?.message.contains(name) == true)
      }
    }
    let never = try BrokerConfiguration(properties: ["log.retention.hours": "-1"])
    #expect(never.topicDefaults["retention.ms"] == "-1")
  }
}
