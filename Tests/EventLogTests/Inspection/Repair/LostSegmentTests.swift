import EventLog
import EventLogTesting
import Foundation
import Testing

@Suite("Segments that are gone, or their ends")
struct LostSegmentTests {
  /// A store with one partition, `a-0`, of several segments of batches with one record each.
  private func store(_ configs: [String: String] = [:], topic: String = "a") throws -> RepairWorld {
    let world = try RepairWorld()
    let broker = try Broker.open(world.path)
    try broker.admin.createTopic(
      topic, configs: ["segment.bytes": "1200", "index.interval.bytes": "200"].merging(configs) { $1 })
    let producer = try broker.producer()
    for number in 0..<60 {
      _ = try producer.append(ProducerRecord(topic: topic, key: "k\(number)", value: "value \(number)"))
    }
    try broker.close()
    return world
  }

  private func base(_ file: String) throws -> Int64 {
    try #require(Int64(URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent))
  }

  private func remove(_ log: String, withIndexes: Bool) throws {
    for ending in ["log"] + (withIndexes ? ["index", "timeindex"] : []) {
      try FileManager.default.removeItem(atPath: log.dropLast("log".count) + ending)
    }
  }

  private func verify(_ world: RepairWorld) throws -> StoreVerifier.Report { try StoreVerifier(path: world.path).run() }

  private func expectLoss(_ lost: Range<Int64>, _ world: RepairWorld) throws {
    #expect(try !verify(world).isSound)
    #expect(try world.repair.run(dryRun: true).losses.map(\.offsets) == [lost])
    let report = try world.repair.run()
    #expect(report.losses.map(\.offsets) == [lost])
    #expect(!report.isWhole && report.notRepaired == 0)
    #expect(try verify(world).faults == [])
    #expect(try world.repair.run().isWhole, "it is told once")
  }

  @Test(
    "that are empty while their indexes have entries were not always: the repair says what is lost", arguments: [0, 2])
  func emptied(number: Int) throws {
    let world = try store()
    let logs = try world.files(".log")
    try world.change(logs[number]) { $0.removeAll() }
    try expectLoss(base(logs[number])..<base(logs[number + 1]), world)
  }

  @Test("that end earlier than their indexes lost the rest", arguments: [[:], ["cleanup.policy": "compact"]])
  func cut(configs: [String: String]) throws {
    let world = try store(configs)
    let logs = try world.files(".log")
    let batches = try RepairWorld.batches(in: logs[1])
    try world.change(logs[1]) { $0.removeLast($0.count - batches[4].position) }
    try expectLoss(batches[4].base..<base(logs[2]), world)
  }

  @Test("but left their indexes are a fault, where the topic is not compacted")
  func orphans() throws {
    let world = try store()
    let logs = try world.files(".log")
    try remove(logs[2], withIndexes: false)
    let report = try verify(world)
    #expect(
      report.notes.map(\.message) == Array(repeating: "an index without a log; the next opening removes it", count: 2))
    try expectLoss(base(logs[2])..<base(logs[3]), world)
  }

  @Test("but left their indexes are a note, where the topic is compacted: it may have been in the midst of it")
  func compactedOrphans() throws {
    let world = try store(["cleanup.policy": "compact"])
    let logs = try world.files(".log")
    try remove(logs[2], withIndexes: false)
    let report = try verify(world)
    #expect(report.isSound && report.notes.count == 3)
    for dryRun in [true, false] {
      let report = try world.repair.run(dryRun: dryRun)
      #expect(report.isWhole && report.findings.count == 2)
      #expect(report.notes.map(\.offset) == [try base(logs[2])])
    }
  }

  @Test(
    "at the beginning, which nothing had deleted, are a fault, with or without their indexes", arguments: [true, false])
  func first(withIndexes: Bool) throws {
    let world = try store()
    let logs = try world.files(".log")
    try remove(logs[0], withIndexes: withIndexes)
    try expectLoss(0..<base(logs[1]), world)
    let broker = try Broker.open(world.path)
    #expect(try broker.admin.describeTopic("a").partitions.map(\.logStartOffset) == [base(logs[1])])
    try broker.close()
  }

  @Test(
    "without a trace are a note: a compaction may have taken what they had, before the topic came here, or formerly")
  func gap() throws {
    let world = try store()
    let logs = try world.files(".log")
    try remove(logs[2], withIndexes: true)
    for report in [try verify(world).notes, try world.repair.run(dryRun: true).notes, try world.repair.run().notes] {
      #expect(report.map(\.file) == [logs[1]])
      #expect(report.map(\.offset) == [try base(logs[2])])
    }
    #expect(try verify(world).isSound)
    #expect(try world.repair.run().isWhole)
  }

  @Test("of a topic that is compacted, and gaps that saved bytes explain, are worth no note")
  func explained() throws {
    let compacted = try store(["cleanup.policy": "compact"])
    try remove(try compacted.files(".log")[2], withIndexes: true)
    #expect(try verify(compacted).notes == [])
    #expect(try compacted.repair.run().notes == [])

    let damaged = try store()
    let log = try damaged.files(".log")[1]
    try damaged.change(log) { $0[$0.count - 1] ^= 1 }
    #expect(try damaged.repair.run().losses.count == 1)
    #expect(try verify(damaged).notes == [])
  }

  @Test("by retention, and records that were deleted, are no fault, nor is what compaction left of a topic")
  func deleted() async throws {
    let world = try store()
    let broker = try Broker.open(world.path, RepairWorld.quiet())
    _ = try broker.admin.deleteRecords([TopicPartition("a", 0): 30])
    _ = try broker.admin.applyRetention()
    try broker.admin.incrementalAlterConfigs("a", [.set("cleanup.policy", "compact")])
    for number in 0..<60 { _ = try broker.producer().append(ProducerRecord(topic: "a", key: "k", value: "\(number)")) }
    _ = try broker.admin.compact(TopicPartition("a", 0))
    try broker.admin.incrementalAlterConfigs("a", [.set("cleanup.policy", "delete")])
    try broker.close()
    let report = try verify(world)
    #expect(report.faults == [])
    #expect(report.notes == [], "the cleaner wrote down that it was at work here")
  }

  @Test("has room for what it saves, however long the topic's name is")
  func longName() throws {
    let name = String(repeating: "x", count: 249)
    let world = try store(topic: name)
    let logs = try world.files(".log")
    try world.change(logs[2]) { $0 += [1, 2, 3, 4] }
    let report = try world.repair.run()
    #expect(report.notRepaired == 0)
    #expect(try verify(world).faults == [])
    #expect(try FileManager.default.contentsOfDirectory(atPath: world.path).count { $0.hasSuffix(".quarantine") } == 1)
  }

  @Test("does not take a file of another name for a segment that is about to take its place")
  func foreignSwap() throws {
    let world = try store()
    try RepairWorld.write([], to: world.path + "/a-0/x.swap")
    #expect(try world.repair.run().findings == [])
  }

  @Test("are told of beside a checkpoint of the cleaner that is damaged, which a repair removes")
  func cleanerCheckpoint() throws {
    let world = try store()
    let file = world.path + "/cleaner-offset-checkpoint"
    try RepairWorld.write(Array("garbage".utf8), to: file)
    #expect(try verify(world).notes.map(\.file) == [file])
    #expect(try verify(world).isSound)
    #expect(try world.repair.run().findings.map(\.file) == [file])
    #expect(try verify(world).notes == [])
  }
}
