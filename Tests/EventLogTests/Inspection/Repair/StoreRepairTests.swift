import EventLog
import EventLogTesting
import Foundation
import RecordFormat
import Testing

@Suite("A repair")
struct StoreRepairTests {
  private static let samples = Bundle.module.bundleURL.appendingPathComponent("kafka-segments")

  /// A store with one partition, `a-0`, of batches with one record each.
  private func store(_ count: Int, configs: [String: String] = [:]) throws -> RepairWorld {
    let world = try RepairWorld()
    let broker = try Broker.open(world.path)
    try broker.admin.createTopic("a", configs: configs)
    let producer = try broker.producer()
    for number in 0..<count {
      _ = try producer.append(ProducerRecord(topic: "a", key: "k\(number)", value: "value \(number)"))
    }
    try broker.close()
    return world
  }

  private func segment(_ world: RepairWorld) throws -> (file: String, batches: [StoredBatch]) {
    let file = try #require(try world.files(".log").first)
    return (file, try RepairWorld.batches(in: file))
  }

  @Test("of a sound store changes nothing, and that of one that somebody has open is refused")
  func nothingToDo() throws {
    let world = try store(5)
    let log = try segment(world).file
    let before = try FileManager.default.attributesOfItem(atPath: log)[.systemFileNumber] as? NSNumber
    let report = try world.repair.run()
    #expect(report.findings == [])
    #expect(report.isWhole && report.partitions == 1)
    #expect(try FileManager.default.attributesOfItem(atPath: log)[.systemFileNumber] as? NSNumber == before)
    let broker = try Broker.open(world.path)
    for dryRun in [true, false] {
      let error = #expect(throws: EventLogError.self) { try world.repair.run(dryRun: dryRun) }
      #expect(error?.code == .directoryLocked)
    }
    try broker.close()
    _ = try world.repair.run()
    try Broker.open(world.path).close()
  }

  @Test("takes a damaged batch out, saves its bytes as they lay, and keeps the offsets of all others")
  func damagedBatch() async throws {
    let world = try store(9)
    let (file, batches) = try segment(world)
    try world.change(file) { $0[batches[4].position + 70] ^= 1 }
    let bytes = try RepairWorld.read(file)
    let report = try world.repair.run()
    let loss = try #require(report.losses.first)
    #expect(report.findings.count == 1 && !report.isWhole && report.notRepaired == 0)
    #expect(report.findings[0].position == Int64(batches[4].position))
    #expect(loss.topicPartition == TopicPartition("a", 0) && loss.offsets == 4..<5 && loss.records == 1)
    let quarantine = try #require(loss.quarantine)
    #expect(quarantine == "\(world.path)/a-0.00000000000000000000-\(batches[4].position).quarantine")
    #expect(
      try RepairWorld.read(quarantine)
        == Array(bytes[batches[4].position..<(batches[4].position + batches[4].bytes.count)]))
    #expect(try StoreVerifier(path: world.path).run().isSound)
    let broker = try Broker.open(world.path)
    #expect(try await RepairWorld.values(broker, 0).keys.sorted() == [0, 1, 2, 3, 5, 6, 7, 8])
    let names = try broker.admin.listTopics()
    #expect(names == ["a"], "the saved bytes are no partition's")
    try broker.close()
    #expect(FileManager.default.fileExists(atPath: quarantine), "an opening leaves them")
  }

  @Test(
    "makes an offset, a length or a magic right that no checksum covers: nothing is lost", arguments: [7, 11, 9, 16])
  func header(byte: Int) throws {
    let world = try store(9)
    let (file, batches) = try segment(world)
    let before = try RepairWorld.read(file)
    for number in [0, 4, 8] {
      for bit in [0, 2, 5, 7] {
        try RepairWorld.write(before, to: file)
        try world.change(file) { $0[batches[number].position + byte] ^= 1 << UInt8(bit) }
        let report = try world.repair.run()
        #expect(report.isWhole, "batch \(number), bit \(bit): \(report.findings)")
        #expect(try RepairWorld.read(file) == before, "batch \(number), bit \(bit)")
      }
    }
  }

  @Test("finds the next batch behind zeroed pages, and says which offsets are gone")
  func zeros() throws {
    let world = try store(200)
    let (file, batches) = try segment(world)
    try world.change(file) { for index in 4096..<8192 { $0[index] = 0 } }
    let gone = batches.filter { $0.position + $0.bytes.count > 4096 && $0.position < 8192 }
    let report = try world.repair.run()
    let loss = try #require(report.losses.first)
    #expect(report.losses.count == 1)
    #expect(loss.offsets == gone[0].base..<(try #require(gone.last)).next)
    let kept = try RepairWorld.batches(in: file)
    #expect(kept.map(\.base) == batches.map(\.base).filter { !loss.offsets.contains($0) })
    #expect(try StoreVerifier(path: world.path).run().isSound)
  }

  @Test("does not take the bytes of a record for a batch, though they are one")
  func embedded() throws {
    let inner = try segment(try store(40)).batches[30].bytes
    let world = try RepairWorld()
    let broker = try Broker.open(world.path)
    try broker.admin.createTopic("a")
    for value in [[1], inner, [2]] {
      _ = try broker.producer().append([Record(key: nil, value: value)], to: TopicPartition("a", 0))
    }
    try broker.close()
    let (file, batches) = try segment(world)
    try world.change(file) { $0[batches[1].position + 62] ^= 1 }
    _ = try world.repair.run()
    #expect(try RepairWorld.batches(in: file).map(\.base) == [0, 2])
  }

  @Test("has a log that lost its end go on where it had ended, and its groups with it", arguments: [true, false])
  func lostEnd(allFiles: Bool) throws {
    let world = try store(10)
    let broker = try Broker.open(world.path)
    try broker.admin.alterConsumerGroupOffsets("g", [TopicPartition("a", 0): OffsetAndMetadata(9)])
    try broker.close()
    let (file, batches) = try segment(world)
    if allFiles {
      try FileManager.default.removeItem(atPath: file)
    } else {
      try world.change(file) { $0.removeLast($0.count - batches[6].position) }
    }
    let report = try world.repair.run()
    #expect(report.losses.map(\.offsets) == [(allFiles ? 0 : 6)..<10])
    #expect(try StoreVerifier(path: world.path).run().isSound)
    let again = try Broker.open(world.path, RepairWorld.quiet())
    #expect(try again.producer().append(ProducerRecord(topic: "a", value: "on")).offset == 10)
    try again.close()
  }

  /// A store with transactions that were aborted, or not.
  private func transactions(_ areAborted: [Bool]) throws -> RepairWorld {
    let world = try RepairWorld()
    let broker = try Broker.open(world.path)
    try broker.admin.createTopic("a")
    var configuration = ProducerConfiguration()
    configuration.transactionalID = "t"
    let producer = try broker.producer(configuration)
    try producer.initTransactions()
    for isAborted in areAborted {
      try producer.beginTransaction()
      _ = try producer.append(ProducerRecord(topic: "a", value: isAborted ? "aborted" : "committed"))
      if isAborted { try producer.abortTransaction() } else { try producer.commitTransaction() }
    }
    try broker.close()
    return world
  }

  @Test("keeps what was committed and what was aborted apart where the markers between them are damaged")
  func markers() async throws {
    for aborts in [true, false] {
      let world = try transactions([aborts, !aborts])
      let (file, batches) = try segment(world)
      let markers = batches.filter(\.isControl)
      try #require(markers.count == 2)
      for marker in markers { try world.change(file) { $0[marker.position + 65] ^= 1 } }
      let report = try world.repair.run()
      #expect(report.isWhole, "\(report.findings)")
      #expect(try StoreVerifier(path: world.path).run().isSound)
      let again = try Broker.open(world.path)
      #expect(try await RepairWorld.values(again, 0, .readCommitted).values.sorted() == ["committed"])
      try again.close()
      let reader = try Broker.openReadOnly(world.path)
      #expect(try await RepairWorld.values(reader, 0, .readCommitted).values.sorted() == ["committed"])
      try reader.close()
    }
  }

  @Test("leaves segments that overlap as they are, and says so")
  func overlap() throws {
    let world = try store(30, configs: ["segment.bytes": "800"])
    let logs = try world.files(".log")
    let second = try RepairWorld.batches(in: logs[1])
    let first = try RepairWorld.batches(in: logs[0])
    // The first segment's last batches a second time, at the beginning of the second.
    try world.change(logs[1]) { $0 = first[first.count - 2].bytes + $0 }
    let before = try RepairWorld.read(logs[1])
    let report = try world.repair.run()
    #expect(report.notRepaired > 0)
    #expect(report.losses == [])
    #expect(try RepairWorld.read(logs[1]) == before)
    #expect(second.count > 2)
  }

  @Test("of a backup that shares its files with the store does not touch the store's")
  func sharedFiles() throws {
    let world = try store(40, configs: ["segment.bytes": "800"])
    let backup = world.directory("backup")
    _ = try StoreBackup(from: world.path, to: backup).run()
    let log = try #require(try world.files(".log").first)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
    try handle.seek(toOffset: 70)
    try handle.write(contentsOf: Data([0xee]))
    try handle.close()
    let before = try RepairWorld.read(log)
    #expect(try StoreRepair(path: backup).run().losses.count == 1)
    #expect(try RepairWorld.read(log) == before)
    #expect(try StoreVerifier(path: backup).run().isSound)
  }

  @Test(
    "of what Kafka wrote keeps all batches but the damaged one",
    arguments: ["transactions-0", "codec-lz4-0", "codec-zstd-0", "idempotent-0", "compacted-0"])
  func kafka(name: String) async throws {
    let world = try RepairWorld()
    let broker = try Broker.open(world.path)
    _ = try broker.admin.importPartition(from: Self.samples.appendingPathComponent(name).path)
    try broker.close()
    #expect(try world.repair.run().findings == [])
    let logs = try world.files(".log")
    let before = try logs.flatMap { try RepairWorld.batches(in: $0) }
    let data = try #require(before.dropFirst(before.count / 2).first { !$0.isControl })
    try world.change(data.file) { $0[data.position + data.bytes.count - 3] ^= 1 }
    let report = try world.repair.run()
    #expect(report.losses.map(\.offsets) == [data.base..<data.next])
    let after = try logs.flatMap { try RepairWorld.batches(in: $0) }
    #expect(after.map(\.bytes) == before.filter { $0.base != data.base }.map(\.bytes))
    #expect(try StoreVerifier(path: world.path).run().isSound)
    try Broker.open(world.path).close()
    #expect(try StoreVerifier(path: world.path).run().isSound)
  }

  @Test("of a directory that is no store, or whose database is damaged, changes nothing and says what to do")
  func noStore() throws {
    let directory = try TemporaryDirectory()
    let empty = #expect(throws: EventLogError.self) { try StoreRepair(path: directory.path).run() }
    #expect(empty?.code == .metadataError)
    #expect(try directory.files() == [], "not even a lock is left")
    let missing = #expect(throws: EventLogError.self) { try StoreRepair(path: directory("none")).run() }
    #expect(missing?.code == .inputOutput)
    let world = try store(5)
    let (file, batches) = try segment(world)
    try world.change(file) { $0[batches[2].position + 70] ^= 1 }
    try world.change(world.path + "/metadata.sqlite") { for index in 0..<100 { $0[index] = 0xee } }
    let before = try RepairWorld.read(file)
    let error = #expect(throws: EventLogError.self) { try world.repair.run() }
    #expect(error?.code == .metadataError)
    #expect(error?.message.contains("backup") == true)
    #expect(try RepairWorld.read(file) == before)
  }
}
