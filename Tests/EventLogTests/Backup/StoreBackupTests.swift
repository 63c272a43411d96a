import EventLog
import Foundation
import Synchronization
import Testing

@Suite("A backup")
struct StoreBackupTests {
  private func records(_ broker: Broker, _ topicPartition: TopicPartition) throws -> [String] {
    let consumer = try broker.consumer()
    try consumer.assign([topicPartition])
    try consumer.seekToBeginning()
    var values: [String] = []
    while true {
      let records = try consumer.read()
      if records.isEmpty { return values }
      values += records.map { $0.valueString ?? "null" }
    }
  }

  private func end(_ broker: Broker, _ topicPartition: TopicPartition) throws -> Int64 {
    try broker.admin.listOffsets([topicPartition: .latest])[topicPartition]??.offset ?? 0
  }

  @Test("of a store at work is a store of one moment: each log up to some record, no offset beyond it, nothing damaged")
  func live() async throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory("store"))
    try broker.admin.createTopic("t", partitions: 3, configs: ["segment.bytes": "2000"])
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    // It writes as fast as it can, but not without bound: each copy is read and compared.
    let allowance = Atomic(300)
    let writer = Task {
      var number = 0
      while !Task.isCancelled {
        guard number < allowance.load(ordering: .relaxed) else {
          await Task.yield()
          continue
        }
        let partition = TopicPartition("t", number % 3)
        try producer.append([Record(value: "\(number / 3)")], to: partition)
        if number % 50 == 49 {
          try broker.admin.alterConsumerGroupOffsets("g", [partition: OffsetAndMetadata(Int64(number / 3 + 1))])
        }
        number += 1
        await Task.yield()
      }
      return number
    }
    var counts: [Int] = []
    for number in 0..<10 {
      // Each is taken of a longer log than the one before.
      let written = (counts.last ?? 0) / 3 + 20
      allowance.store(3 * written + 300, ordering: .relaxed)
      while try end(broker, TopicPartition("t", 2)) < written { await Task.yield() }
      let target = directory("backup-\(number)")
      let report = try StoreBackup(from: directory("store"), to: target, usesHardLinks: number % 2 == 0).run()
      #expect(report.topics == 1 && report.partitions == 3)
      #expect(number % 2 == 0 || report.linkedBytes == 0)
      #expect(try StoreVerifier(path: target).run().faults.filter { !$0.message.contains("has committed") } == [])
      let copy = try Broker.open(target)
      var count = 0
      for partition in 0..<3 {
        let values = try records(copy, TopicPartition("t", partition))
        #expect(values == (0..<values.count).map(String.init))
        count += values.count
        let committed = try copy.admin.listConsumerGroupOffsets("g")[TopicPartition("t", partition)]
        #expect(committed?.offset ?? 0 <= values.count)
      }
      #expect(count >= written)
      counts.append(count)
      // The copy is a store of its own: what is written to it does not reach the other, whose segments it may share.
      let before = try records(broker, TopicPartition("t", 0)).count
      try copy.producer(ProducerConfiguration(acks: .leader)).append(
        (0..<50).map { _ in Record(value: "only in the copy") }, to: TopicPartition("t", 0))
      try copy.close()
      let after = try records(broker, TopicPartition("t", 0))
      #expect(after.count >= before && !after.contains("only in the copy"))
    }
    writer.cancel()
    let total = try await writer.value
    #expect(counts == counts.sorted() && (counts.last ?? 0) <= total)
    try broker.close()
    #expect(try StoreVerifier(path: directory("store")).run().isSound)
  }

  @Test("keeps what the store deletes later")
  func outlives() throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory("store"))
    try broker.admin.createTopic("t", configs: ["segment.bytes": "500"])
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    for number in 0..<100 { try producer.append([Record(value: "\(number)")], to: TopicPartition("t", 0)) }
    let report = try StoreBackup(from: directory("store"), to: directory("backup")).run()
    #expect(report.linkedBytes > 0 && report.copiedBytes > 0 && report.segments > 5)
    try broker.admin.deleteTopic("t")
    try broker.close()
    let copy = try Broker.open(directory("backup"))
    #expect(try records(copy, TopicPartition("t", 0)) == (0..<100).map(String.init))
    try copy.close()
  }

  @Test(
    "is no repair: what lies behind a damage of the last segment is in it, as it is in the store",
    arguments: [8, 16, 62])
  func damaged(byte: Int) throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory("store"))
    try broker.admin.createTopic("t", configs: ["index.interval.bytes": "200"])
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    for number in 0..<50 { try producer.append([Record(value: "\(number)")], to: TopicPartition("t", 0)) }
    try broker.close()
    let name = "/t-0/00000000000000000000.log"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: directory("store") + name))
    // No checksum says more of the last one than that something is wrong with it: it might have been about to be stored.
    for number in byte == 62 ? [20, 49] : [20] {
      let batch = try RepairWorld.batches(in: directory("store") + name)[number]
      bytes[batch.position + byte] ^= 0x40
    }
    try bytes.write(to: URL(fileURLWithPath: directory("store") + name))
    _ = try StoreBackup(from: directory("store"), to: directory("backup")).run()
    #expect(try Data(contentsOf: URL(fileURLWithPath: directory("backup") + name)) == bytes)
    let copy = try Broker.open(directory("backup"))
    let consumer = try copy.consumer()
    try consumer.assign([TopicPartition("t", 0)])
    try consumer.seek(TopicPartition("t", 0), to: 40)
    let read = Array(try consumer.read())
    #expect(read.first?.valueString == "40")
    try copy.close()
  }

  @Test("never changes what it shares with the store: not when a damaged segment is cut, not when it is appended to")
  func shared() throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory("store"))
    try broker.admin.createTopic("t", configs: ["segment.bytes": "500"])
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    for number in 0..<100 { try producer.append([Record(value: "\(number)")], to: TopicPartition("t", 0)) }
    _ = try StoreBackup(from: directory("store"), to: directory("backup")).run()
    let log = URL(fileURLWithPath: directory("store/t-0"))
    let names = try FileManager.default.contentsOfDirectory(atPath: log.path)
    let segments = names.filter { $0.hasSuffix(".log") }.sorted()
    // A byte goes wrong in a closed segment, of which no checkpoint says yet that it was on the disk.
    let damaged = log.appendingPathComponent(segments[3])
    let handle = try FileHandle(forUpdating: damaged)
    try handle.seek(toOffset: 200)
    let byte = try #require(try handle.read(upToCount: 1)?.first)
    try handle.seek(toOffset: 200)
    try handle.write(contentsOf: [byte ^ 1])
    try handle.close()
    let before = try segments.dropLast().map { try Data(contentsOf: log.appendingPathComponent($0)) }
    let copy = try Broker.open(directory("backup"))
    let kept = try records(copy, TopicPartition("t", 0))
    #expect(!kept.isEmpty && kept.count < 100 && kept == (0..<kept.count).map(String.init))
    try copy.producer(ProducerConfiguration(acks: .leader)).append(
      [Record(value: "only in the copy")], to: TopicPartition("t", 0))
    try copy.close()
    #expect(try segments.dropLast().map { try Data(contentsOf: log.appendingPathComponent($0)) } == before)
    try? broker.close()
  }

  @Test("is refused where there is no store, or something in the way; one that was not finished is no store")
  func refusals() throws {
    let directory = try TemporaryDirectory()
    #expect { try StoreBackup(from: directory("nothing"), to: directory("backup")).run() } throws: {
      ($0 as? EventLogError)?.code == .metadataError
    }
    let broker = try Broker.open(directory("store"))
    try broker.admin.createTopic("t")
    #expect { try StoreBackup(from: directory("store"), to: directory("store")).run() } throws: {
      ($0 as? EventLogError)?.code == .invalidRequest
    }
    // Its directory is gone: somebody's hand was in the store.
    try FileManager.default.removeItem(atPath: directory("store/t-0"))
    #expect { try StoreBackup(from: directory("store"), to: directory("backup")).run() } throws: {
      ($0 as? EventLogError)?.topic == "t"
    }
    #expect(!FileManager.default.fileExists(atPath: directory("backup")), "it can be tried again")
    try? broker.close()
    // One whose process was killed.
    try FileManager.default.createDirectory(atPath: directory("backup/t-0"), withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: directory("backup/metadata.sqlite.unfinished")))
    #expect { try Broker.openReadOnly(directory("backup")) } throws: { ($0 as? EventLogError)?.code == .metadataError }
  }

  @Test("knows of what was deleted while it was made: its logs have lost nothing")
  func deletedMeanwhile() throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory("store"))
    try broker.admin.createTopic("t", partitions: 2, configs: ["segment.bytes": "1200"])
    let producer = try broker.producer()
    for number in 0..<40 {
      for partition in 0..<2 {
        _ = try producer.append(ProducerRecord(topic: "t", partition: partition, value: "value \(number)"))
      }
    }
    var isDeleted = false
    _ = try StoreBackup(from: directory("store"), to: directory("backup")).run { _, _ in
      guard !isDeleted else { return }
      isDeleted = true
      #expect(throws: Never.self) {
        _ = try broker.admin.deleteRecords(TopicPartition("t", 1), before: 30)
        _ = try broker.admin.applyRetention()
      }
    }
    #expect(isDeleted)
    #expect(try StoreVerifier(path: directory("backup")).run().faults == [])
    try broker.close()
    let logs = try FileManager.default.contentsOfDirectory(atPath: directory("backup/t-1")).filter {
      $0.hasSuffix(".log")
    }
    #expect(!logs.contains("00000000000000000000.log"), "else nothing was tried")
  }
}
