import EventLog
import EventLogTesting
import Foundation
import SegmentStore
import Testing

/// A compacted topic that transactional producers and a plain one write to, and what its readers have to find: of each key
/// what was committed last.
private final class CompactedHistory {
  static let partition = TopicPartition("t", 0)
  static let names = ["t0", "t1", "t2"]

  struct Write {
    var offset: Int64
    var key: String
    var value: String?
  }

  let seed: UInt64
  var random: SplitMix
  let broker: TestBroker
  var transactional: [String: Producer] = [:]
  /// What was committed, and what is to be decided yet.
  var committed: [Write] = []
  var open: [String: [Write]] = [:]
  var number = 0

  init(seed: UInt64) async throws {
    self.seed = seed
    random = SplitMix(seed: (seed &+ 1) &* 0x9e6c_63d0_876a_9a47)
    broker = try TestBroker(clock: TestClock(), seed: seed)
    try broker.admin.createTopic(
      "t", configs: ["cleanup.policy": "compact", "segment.bytes": "2000", "delete.retention.ms": "1000"])
    try await begin()
  }

  private func begin() async throws {
    for name in Self.names { transactional[name] = try await broker.transactionalProducer(name) }
  }

  func step() async throws {
    let name = Self.names[Int.random(in: 0..<3, using: &random)]
    switch Int.random(in: 0..<100, using: &random) {
    case ..<20: committed += try await send(by: broker.producer())
    case ..<50: try await sendInTransaction(name)
    case ..<70: try await end(name, commits: Bool.random(using: &random))
    case ..<90: try await compact()
    case ..<96: try await broker.advance(by: .milliseconds(600))
    default:
      open = [:]
      try broker.restart(after: Bool.random(using: &random) ? .close : .kill)
      try await begin()
    }
  }

  private func send(by producer: Producer) async throws -> [Write] {
    var writes = (0..<Int.random(in: 1...2, using: &random)).map { _ in
      number += 1
      let isTombstone = Int.random(in: 0..<4, using: &random) == 0
      return Write(
        offset: 0, key: "k\(Int.random(in: 0..<5, using: &random))", value: isTombstone ? nil : "\(number)")
    }
    let sent = try await producer.send(
      writes.map { Record(key: Array($0.key.utf8), value: $0.value.map { Array($0.utf8) }) }, to: "t", partition: 0)
    for index in writes.indices { writes[index].offset = sent[index].offset }
    return writes
  }

  private func sendInTransaction(_ name: String) async throws {
    let producer = try #require(transactional[name])
    if open[name] == nil { try producer.beginTransaction() }
    open[name, default: []] += try await send(by: producer)
  }

  private func end(_ name: String, commits: Bool) async throws {
    guard let producer = transactional[name], let writes = open.removeValue(forKey: name) else { return }
    guard commits else { return try await producer.abortTransaction() }
    try await producer.commitTransaction()
    committed += writes
  }

  private func compact() async throws {
    let end = try broker.admin.compact(Self.partition).compactedTo
    let keys = try await broker.drain("t", isolation: .readCommitted).filter { $0.offset < end }.map(\.keyString)
    #expect(Set(keys).count == keys.count, "seed \(seed): of each key one record is left")
    try await check("after a compaction")
  }

  func check(_ what: String) async throws {
    // Nothing is shown behind a marker that is not on the disk.
    for producer in transactional.values { try await producer.flush() }
    // A reader sees nothing behind the beginning of an open transaction.
    let end = open.values.flatMap { $0 }.map(\.offset).min() ?? .max
    var expected: [String: String] = [:]
    for write in committed.sorted(by: { $0.offset < $1.offset }) where write.offset < end {
      expected[write.key] = write.value
    }
    var found: [String: String] = [:]
    for record in try await broker.drain("t", isolation: .readCommitted) {
      found[record.keyString ?? ""] = record.valueString
    }
    #expect(found == expected, "seed \(seed), \(what)")
  }

  func finish() async throws {
    for name in Self.names { try await end(name, commits: true) }
    for _ in 0..<3 {
      try await compact()
      try await broker.advance(by: .seconds(2))
    }
    try broker.close()
  }
}

@Suite("Random histories of a compacted topic with transactions")
struct TransactionCompactionModelTests {
  /// `EVENTLOG_HISTORIES=2000` runs more of them than there is time for every day.
  private static let histories = ProcessInfo.processInfo.environment["EVENTLOG_HISTORIES"].flatMap { UInt64($0) } ?? 20

  @Test("show of each key what was committed last, whenever it is compacted", arguments: 0..<histories)
  func agrees(seed: UInt64) async throws {
    let history = try await CompactedHistory(seed: seed)
    for _ in 0..<120 { try await history.step() }
    try await history.check("at the end")
    try await history.finish()
  }
}
