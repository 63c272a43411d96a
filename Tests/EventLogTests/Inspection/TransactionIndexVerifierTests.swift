import EventLog
import EventLogTesting
import Foundation
import RecordFormat
import Testing
import SegmentStore

/// The random history of a store with transactions, with small segments.
private struct TransactionalStore: StoreFiles {
  let directory: TemporaryDirectory
  var path: String { directory("store") }
  var verifier: StoreVerifier { StoreVerifier(path: path) }

  init() throws { directory = try TemporaryDirectory() }

  /// Two partitions, three producers whose transactions lie over one another, and a clean close.
  func fill(seed: UInt64, transactions: Int = 40, cleanup: String = "delete") throws {
    var random = SplitMix(seed: seed &* 0xd134_2543_de82_ef95)
    let broker = try Broker.open(path)
    try broker.admin.createTopic(
      "a", partitions: 2, configs: ["segment.bytes": "1500", "cleanup.policy": cleanup, "delete.retention.ms": "0"])
    let producers = try (0..<3).map { number in
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "t\(number)"
      let producer = try broker.producer(configuration)
      try producer.initTransactions()
      return producer
    }
    var isOpen = [false, false, false]
    for _ in 0..<(transactions * 4) {
      let number = Int.random(in: 0..<3, using: &random)
      if !isOpen[number] { try producers[number].beginTransaction() }
      isOpen[number] = true
      _ = try producers[number].append(
        ProducerRecord(
          topic: "a", partition: Int.random(in: 0..<2, using: &random), key: "\(Int.random(in: 0..<9, using: &random))",
          value: "some value"))
      guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
      isOpen[number] = false
      if Bool.random(using: &random) {
        try producers[number].commitTransaction()
      } else {
        try producers[number].abortTransaction()
      }
    }
    for (producer, isOpen) in zip(producers, isOpen) where isOpen { try producer.abortTransaction() }
    try broker.close()
  }
}

@Suite("The check of transaction indexes and producer snapshots")
struct TransactionIndexVerifierTests {
  private static let samples = Bundle.module.bundleURL.appendingPathComponent("kafka-segments")

  @Test(
    "finds nothing in stores with transactions, nor where their beginning was deleted",
    arguments: 1...6 as ClosedRange<UInt64>)
  func sound(seed: UInt64) throws {
    let store = try TransactionalStore()
    try store.fill(seed: seed)
    #expect(try store.files(".txnindex").count > 3)
    let report = try store.verifier.run()
    #expect(report.faults == [])
    #expect(report.notes == [])
    let broker = try Broker.open(store.path)
    for partition in 0..<2 {
      _ = try broker.admin.deleteRecords([TopicPartition("a", partition): 60 + Int64(seed)])
    }
    _ = try broker.admin.applyRetention()
    #expect(try store.verifier.run().faults == [], "while its owner is at work")
    try broker.close()
    #expect(try store.verifier.run().faults == [])
  }

  @Test("finds nothing in what compaction has left, once and again", arguments: 1...6 as ClosedRange<UInt64>)
  func compacted(seed: UInt64) throws {
    let store = try TransactionalStore()
    try store.fill(seed: seed, cleanup: "compact")
    let before = try store.verifier.run().records
    for round in 0..<3 {
      let broker = try Broker.open(store.path)
      for partition in 0..<2 { _ = try broker.admin.compact(TopicPartition("a", partition)) }
      #expect(try store.verifier.run().faults == [], "round \(round), while its owner is at work")
      try broker.close()
      let report = try store.verifier.run()
      #expect(report.faults == [], "round \(round)")
      #expect(report.notes == [], "round \(round)")
    }
    #expect(try store.verifier.run().records < before / 2)
  }

  @Test(
    "finds nothing in what Kafka wrote, neither as it lies there nor as it was imported",
    arguments: ["transactions-0", "transactions-1", "idempotent-0", "compacted-0"])
  func kafka(name: String) throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory("store"))
    try broker.admin.importPartition(from: Self.samples.appendingPathComponent(name).path)
    try broker.close()
    #expect(try StoreVerifier(path: directory("store")).run().faults == [])
    let raw = try StoreVerifier(path: Self.samples.path).run()
    #expect(raw.faults.map(\.message) == ["the metadata database is missing"])
    #expect(raw.notes == [])
  }

  /// Changes each index of a store by itself, and gives what is found in it.
  private func faults(
    _ change: ([[UInt8]]) -> [[UInt8]]
  ) throws -> [(file: String, entry: AbortedTransaction, faults: [StoreVerifier.Fault])] {
    let store = try TransactionalStore()
    try store.fill(seed: 7)
    var found: [(String, AbortedTransaction, [StoreVerifier.Fault])] = []
    for file in try store.files(".txnindex") {
      let bytes = try TransactionalStore.read(file)
      let entries = stride(from: 0, to: bytes.count, by: AbortedTransaction.size).map {
        Array(bytes[$0..<($0 + AbortedTransaction.size)])
      }
      let first = try #require(entries.first)
      let entry = try #require(first.withUnsafeBytes { $0.baseAddress.flatMap(AbortedTransaction.init(loadingFrom:)) })
      try TransactionalStore.write(change(entries).flatMap(\.self), to: file)
      found.append((file, entry, try store.verifier.run().faults))
      try TransactionalStore.write(bytes, to: file)
    }
    #expect(found.count > 3)
    return found
  }

  @Test("tells of an entry that is missing, with its file and offset")
  func missing() throws {
    for (file, entry, faults) in try faults({ Array($0.dropFirst()) }) {
      try #require(faults.count == 1)
      #expect(faults[0].file == file)
      #expect(faults[0].offset == entry.firstOffset)
      #expect(faults[0].message.hasPrefix("no entry for the aborted transaction of producer \(entry.producerID) "))
    }
  }

  @Test("tells of an entry too many, and of one that names another producer, beginning or end")
  func extra() throws {
    func changed(_ change: @escaping (inout AbortedTransaction) -> Void) -> ([[UInt8]]) -> [[UInt8]] {
      { entries in
        guard let first = entries.first,
          var entry = first.withUnsafeBytes({ $0.baseAddress.flatMap(AbortedTransaction.init(loadingFrom:)) })
        else { return entries }
        change(&entry)
        var bytes: [UInt8] = []
        entry.append(to: &bytes)
        return [bytes] + entries.dropFirst()
      }
    }
    for (file, _, faults) in try faults(changed({ $0.producerID += 100 })) {
      #expect(faults.first?.file == file)
      #expect(faults.first?.position == 0)
      #expect(faults.first?.message.contains("the log has no marker") == true)
    }
    for (_, _, faults) in try faults(changed({ $0.firstOffset += 1 })) {
      #expect(faults.first?.message.contains("in the log it begins at") == true)
    }
    for (_, _, faults) in try faults(changed({ $0.firstOffset -= $0.firstOffset > 0 ? 1 : -1 })) {
      #expect(faults.first?.message.contains("in the log it begins at") == true)
    }
    for (_, _, faults) in try faults(changed({ $0.lastOffset -= 1 })) {
      #expect(faults.first?.message.contains("the log has no marker") == true)
    }
    for (_, _, faults) in try faults({ $0 + $0.suffix(1) }) {
      #expect(faults.map(\.message) == ["the entries are out of order"])
    }
  }

  @Test("notes an index that is to be made anew, since the snapshot behind it is missing or damaged")
  func notes() throws {
    let store = try TransactionalStore()
    try store.fill(seed: 8)
    let index = try #require(try store.files(".txnindex").first)
    try FileManager.default.removeItem(atPath: index)
    #expect(try !store.verifier.run().isSound)
    let snapshots = try store.files(".snapshot")
    for file in snapshots {
      var bytes = try TransactionalStore.read(file)
      bytes[bytes.count - 1] ^= 1
      try TransactionalStore.write(bytes, to: file)
    }
    let report = try store.verifier.run()
    #expect(report.faults == [])
    #expect(Set(report.notes.map(\.file)) == Set(snapshots + [index]))
    #expect(report.notes.allSatisfy { $0.message.contains("it is made anew from the log") })
    var configuration = BrokerConfiguration()
    configuration.warningHandler = { _ in }
    try Broker.open(store.path, configuration).close()
    #expect(try store.verifier.run().isSound)
    #expect(FileManager.default.fileExists(atPath: index), "as the note has said")
  }
}
