import EventLog
import EventLogTesting
import Foundation
import Testing

@Suite("Retention")
struct RetentionTests {
  private func files(_ broker: TestBroker, _ partition: String, _ suffix: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: broker.path + "/" + partition).filter { $0.hasSuffix(suffix) }
      .sorted()
  }

  @Test("goes by the clock: after seven days everything is gone, and the offsets go on")
  func sevenDays() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t")
      try await broker.produce("t", values: ["a", "b"])
      try await broker.advance(by: .seconds(7 * 86_400 + 300))
      #expect(try broker.admin.listOffset(TopicPartition("t", 0), .earliest)?.offset == 2)
      #expect(try files(broker, "t-0", ".log.deleted").count == 1)
      try await broker.produce("t", values: ["c"])
      try await broker.expectRecords(in: "t", ["c"])
      try await broker.advance(by: .seconds(60))
      #expect(try files(broker, "t-0", ".deleted").isEmpty)
    }
  }

  @Test(
    "follows the log start at its next turn, and survives a restart of any kind", arguments: TestBroker.Stop.allCases)
  func restart(stop: TestBroker.Stop) async throws {
    var configuration = BrokerConfiguration()
    configuration.topicDefaults = ["segment.bytes": "1000", "retention.bytes": "2000"]
    try await withTestBroker(configuration: configuration, clock: TestClock(), powerCuts: true) { broker in
      try broker.admin.createTopic("t")
      for number in 0..<20 { try await broker.produce("t", values: ["\(number)" + String(repeating: "x", count: 400)]) }
      try await broker.advance(by: .seconds(30))
      let start = try #require(try broker.admin.listOffset(TopicPartition("t", 0), .earliest)?.offset)
      #expect(start > 10)
      let size = try broker.admin.describeLogDirs()[0].replicas[TopicPartition("t", 0)]?.size ?? 0
      #expect(size >= 2000 && size < 3000)
      try broker.restart(after: stop)
      #expect(try broker.admin.listOffset(TopicPartition("t", 0), .earliest)?.offset == start)
      #expect(try await broker.drain("t").map(\.offset) == Array(start..<20))
    }
  }

  @Test("tells beforehand what it would delete and why, also beside the owner, and deletes just that")
  func dryRun() async throws {
    let directory = try TemporaryDirectory()
    try await withTestBroker(.directory(directory.path)) { broker in
      try broker.admin.createTopic(
        "t", configs: ["segment.bytes": "1000", "retention.ms": "86400000", "retention.bytes": "1500"])
      let old = TestClock().now
      for number in 0..<10 {
        try await broker.produce(
          "t", [.init(value: String(repeating: "x", count: 400), timestamp: number < 4 ? old : nil)])
      }
      try await broker.settle()
      let partition = TopicPartition("t", 0)
      let planned = try #require(try broker.admin.describeRetention()[partition]?.get())
      #expect(planned.map(\.reason).contains(.retentionMs) && planned.map(\.reason).contains(.retentionBytes))
      let reader = try Broker.openReadOnly(directory.path)
      #expect(try reader.admin.describeRetention(["t"])[partition]?.get() == planned)
      try reader.close()
      #expect(try broker.admin.applyRetention(["t"])[partition]?.get() == planned)
      #expect(try broker.admin.describeRetention()[partition]?.get() == [])
      #expect(throws: EventLogError.self) { try broker.admin.describeRetention(["u"]) }
    }
  }

  @Test("at the cap, with drop-oldest: the oldest segments of all topics go, and appends go on")
  func dropOldest() async throws {
    var configuration = BrokerConfiguration()
    configuration.logDirsMaxBytes = 1 << 20
    configuration.logDirsFullPolicy = .dropOldest
    configuration.topicDefaults = ["segment.bytes": "65536"]
    try await withTestBroker(configuration: configuration, clock: TestClock()) { broker in
      let value = String(repeating: "x", count: 10_000)
      for topic in ["idle", "busy"] { try broker.admin.createTopic(topic) }
      for _ in 0..<14 { try await broker.produce("idle", values: [value]) }
      broker.clock?.advance(by: .milliseconds(1))
      for number in 0..<300 {
        try await broker.produce("busy", values: ["\(number)" + value])
        let dirs = try broker.admin.describeLogDirs()[0].replicas.values
        #expect(dirs.reduce(0) { $0 + $1.fileSize } < (1 << 20) + 100_000)
      }
      try await broker.settle()
      #expect(try broker.admin.listOffset(TopicPartition("idle", 0), .earliest)?.offset == 12, "the oldest came first")
      #expect(try await broker.drain("busy").last?.valueString?.hasPrefix("299x") == true)
      #expect(try await broker.drain("busy").count > 60)
      #expect(broker.warnings.contains { $0.message.contains("log.dirs.max.bytes") })
    }
  }

  @Test("at the cap, with drop-oldest and one segment that is never full: it is rolled, and goes")
  func dropActive() async throws {
    var configuration = BrokerConfiguration()
    configuration.logDirsMaxBytes = 1 << 20
    configuration.logDirsFullPolicy = .dropOldest
    try await withTestBroker(configuration: configuration) { broker in
      for number in 0..<300 {
        try await broker.produce("t", values: ["\(number)" + String(repeating: "x", count: 10_000)])
      }
      try await broker.settle()
      // Where the cap was neared once more at the very end, nothing is left; else the end of what was written.
      let numbers = try await broker.drain("t").compactMap { $0.valueString?.prefix { $0 != "x" } }.compactMap {
        Int($0)
      }
      #expect(numbers == Array((300 - numbers.count)..<300))
      let first = try broker.admin.listOffset(TopicPartition("t", 0), .earliest)?.offset ?? 0
      #expect(first == Int64(300 - numbers.count) && first > 100)
      #expect(try broker.admin.listOffset(TopicPartition("t", 0), .latest)?.offset == 300)
    }
  }

  @Test("at the cap, with refuse: an error that says so, until a topic is deleted")
  func refuse() async throws {
    let configuration = try BrokerConfiguration(properties: ["log.dirs.max.bytes": "200000"])
    try await withTestBroker(configuration: configuration) { broker in
      for topic in ["a", "b"] { try broker.admin.createTopic(topic) }
      let value = String(repeating: "x", count: 10_000)
      for _ in 0..<8 { try await broker.produce("a", values: [value]) }
      let error = await #expect(throws: EventLogError.self) {
        for _ in 0..<20 { try await broker.produce("b", values: [value]) }
      }
      #expect(error?.code == .diskFull)
      let kept = try await broker.drain("b").count
      #expect(kept > 3)
      try broker.admin.deleteTopic("a")
      try await broker.produce("b", values: [value])
      #expect(try await broker.drain("b").count == kept + 1)
    }
  }

  @Test("its configurations have bounds, and are described")
  func configuration() async throws {
    for (name, value) in [
      ("log.dirs.full.policy", "drop"), ("log.dirs.max.bytes", "-2"), ("log.dirs.max.bytes", "0"),
      ("log.retention.check.interval.ms", "0"), ("log.initial.task.delay.ms", "-1"),
    ] {
      #expect(throws: EventLogError.self, "\(name)") { try BrokerConfiguration(properties: [name: value]) }
    }
    let all = try BrokerConfiguration(properties: [
      "log.dirs.max.bytes": "1000000", "log.dirs.full.policy": "drop-oldest", "log.retention.check.interval.ms": "5",
    ])
    #expect(all.logDirsMaxBytes == 1_000_000 && all.logDirsFullPolicy == .dropOldest)
    #expect(try BrokerConfiguration(properties: ["log.dirs.max.bytes": "-1"]).logDirsMaxBytes == nil)
  }
}
