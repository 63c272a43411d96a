import EventLog
import Testing
import SegmentStore

@Suite("Configurations")
struct AdminConfigsTests {
  private func entry(_ admin: Admin, _ name: String) throws -> ConfigEntry {
    try #require(try admin.describeConfigs("t").first { $0.name == name })
  }

  @Test("of a topic win over the broker's, which win over the defaults; each says where it is from")
  func sources() throws {
    let fixture = try AdminFixture { $0.topicDefaults = ["retention.ms": " 1000 ", "segment.bytes": "4096"] }
    try fixture.admin.createTopic("t", configs: ["retention.ms": "5"])
    let retention = try entry(fixture.admin, "retention.ms")
    #expect(retention.value == "5")
    #expect(retention.source == .dynamicTopicConfig)
    #expect(retention.type == "LONG")
    #expect(!retention.isDefault && !retention.isReadOnly && !retention.isSensitive)
    #expect(retention.synonyms.map(\.name) == ["retention.ms", "log.retention.ms", "log.retention.ms"])
    #expect(retention.synonyms.map(\.value) == ["5", "1000", "604800000"])
    #expect(retention.synonyms.map(\.source) == [.dynamicTopicConfig, .staticBrokerConfig, .defaultConfig])
    #expect(try entry(fixture.admin, "segment.bytes").source == .staticBrokerConfig)
    #expect(try entry(fixture.admin, "segment.bytes").value == "4096")
    let ratio = try entry(fixture.admin, "min.cleanable.dirty.ratio")
    #expect(ratio.isDefault && ratio.value == "0.5" && ratio.type == "DOUBLE")
    #expect(try entry(fixture.admin, "cleanup.policy").type == "LIST")
    #expect(try entry(fixture.admin, "remote.storage.enable").isReadOnly)
    let broker = try fixture.admin.describeConfigs(.broker)
    #expect(broker.first { $0.name == "log.retention.ms" }?.value == "1000")
    #expect(broker.first { $0.name == "log.retention.ms" }?.source == .staticBrokerConfig)
    #expect(broker.first { $0.name == "num.partitions" }?.source == .defaultConfig)
    #expect(broker.allSatisfy { $0.isReadOnly })
  }

  @Test("are described each by itself, and only those that were asked for")
  func describeEach() throws {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t")
    let results = try fixture.admin.describeConfigs(
      each: [.topic("t"), .topic("none"), .broker], names: ["segment.ms", "num.partitions"])
    #expect(try results[.topic("t")]?.get().map(\.name) == ["segment.ms"])
    #expect(try results[.broker]?.get().map(\.name) == ["num.partitions"])
    #expect(errorCode(results[.topic("none")]) == .unknownTopicOrPartition)
  }

  @Test("are changed as Kafka changes them, and refused as a whole where one change is wrong")
  func rules() throws {
    let fixture = try AdminFixture()
    let admin = fixture.admin
    try admin.createTopic("t")
    for (operations, code) in [
      ([.set("segment.ms", "1"), .delete("segment.ms")], .invalidRequest),
      ([.set("segment.ms", "1"), .append("retention.ms", "1")], .invalidConfig),
      ([.set("segment.ms", "1"), .subtract("retention.ms", "1")], .invalidConfig),
      ([.set("segment.ms", "1"), .set("no.such", "1")], .invalidConfig),
      ([.set("segment.ms", "1"), .delete("no.such")], .invalidConfig),
      ([.set("segment.ms", "1"), .append("cleanup.policy", "erase")], .invalidConfig),
      ([.set("min.compaction.lag.ms", "9"), .set("max.compaction.lag.ms", "8")], .invalidConfig),
      ([.set("unclean.leader.election.enable", "true")], .invalidConfig),
    ] as [([AlterConfigOperation], EventLogError.Code)] {
      #expect(errorCode { try admin.incrementalAlterConfigs("t", operations) } == code, "\(operations)")
      #expect(try admin.describeTopic("t").configs.isEmpty, "\(operations)")
    }
    try admin.incrementalAlterConfigs("t", [.set("segment.ms", "1")], validateOnly: true)
    #expect(try admin.describeTopic("t").configs.isEmpty)
    try admin.incrementalAlterConfigs("t", [.append("cleanup.policy", "compact,delete"), .set("segment.ms", "2")])
    #expect(try admin.describeTopic("t").configs == ["cleanup.policy": "delete,compact", "segment.ms": "2"])
    try admin.incrementalAlterConfigs("t", [.subtract("cleanup.policy", "delete"), .delete("segment.ms")])
    #expect(try admin.describeTopic("t").configs == ["cleanup.policy": "compact"])
    let results = try admin.incrementalAlterConfigs(each: [
      .topic("t"): [.set("flush.ms", "3")], .topic("none"): [.set("flush.ms", "3")],
      .broker: [.set("num.partitions", "3")],
    ])
    #expect(errorCode(results[.topic("t")]) == nil)
    #expect(errorCode(results[.topic("none")]) == .unknownTopicOrPartition)
    #expect(errorCode(results[.broker]) == .invalidRequest)
    try admin.alterConfigs("t", to: ["retention.ms": "9"], validateOnly: true)
    #expect(try admin.describeTopic("t").configs == ["cleanup.policy": "compact", "flush.ms": "3"])
    try admin.alterConfigs("t", to: ["retention.ms": "9"])
    #expect(try admin.describeTopic("t").configs == ["retention.ms": "9"])
    #expect(errorCode { try admin.alterConfigs("t", to: ["retention.ms": "x"]) } == .invalidConfig)
  }

  @Test("stay what a model says after any changes, and after reopening", arguments: 0..<4 as Range<UInt64>)
  func model(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t")
    var model: [String: String] = [:]
    for step in 0..<60 {
      let name = ["retention.ms", "segment.bytes", "cleanup.policy", "preallocate"].randomElement(using: &random) ?? ""
      let value = ["7", "true", "compact", "delete", "compact,delete", "", "-9"].randomElement(using: &random) ?? ""
      let operation: AlterConfigOperation =
        switch Int.random(in: 0..<4, using: &random) {
        case 0: .delete(name)
        case 1: .append(name, value)
        case 2: .subtract(name, value)
        default: .set(name, value)
        }
      var expected: [String: String]? = model
      expected = Self.apply(operation, to: model)
      let code = errorCode { try fixture.admin.incrementalAlterConfigs("t", [operation]) }
      #expect((code == nil) == (expected != nil), "seed \(seed), step \(step): \(operation)")
      model = expected ?? model
      #expect(try fixture.admin.describeTopic("t").configs == model, "seed \(seed), step \(step): \(operation)")
    }
    try fixture.reopen()
    #expect(try fixture.admin.describeTopic("t").configs == model, "seed \(seed)")
  }

  /// What becomes of the configurations; nil where the change is refused.
  private static func apply(_ operation: AlterConfigOperation, to before: [String: String]) -> [String: String]? {
    var after = before
    let items = { (text: String) in text.split(separator: ",").map(String.init) }
    func isValid(_ name: String, _ value: String) -> Bool {
      switch name {
      case "retention.ms": (Int64(value) ?? -2) >= -1
      case "segment.bytes": (Int64(value) ?? 0) >= 14
      case "preallocate": value == "true" || value == "false"
      default: items(value).allSatisfy { $0 == "compact" || $0 == "delete" }
      }
    }
    switch operation {
    case .delete(let name): after[name] = nil
    case .set(let name, let value):
      guard isValid(name, value) else { return nil }
      after[name] = value
    case .append(let name, let value):
      guard name == "cleanup.policy", isValid(name, value) else { return nil }
      var list = items(before[name] ?? "delete")
      for item in items(value) where !list.contains(item) { list.append(item) }
      after[name] = list.joined(separator: ",")
    case .subtract(let name, let value):
      guard name == "cleanup.policy" else { return nil }
      after[name] = items(before[name] ?? "delete").filter { !items(value).contains($0) }.joined(separator: ",")
    }
    return after
  }
}
