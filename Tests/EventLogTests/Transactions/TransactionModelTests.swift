import EventLog
import EventLogTesting
import Foundation
import RecordFormat
import Testing
import SegmentStore

/// What a store with transactions has to hold, said simply.
private struct Model {
  /// What counts, by partition, in the order in which it was sent; and everything that was ever sent.
  var counts: [Set<String>] = [[], [], []]
  var sent: Set<String> = []
  /// The offset that each producer's transactions have committed.
  var offsets: [String: Int64] = [:]
}

/// Eight producers, four of them transactional, and four readers of both isolation levels, over stops of every kind.
private final class History {
  static let partitions = (0..<3).map { TopicPartition("out", $0) }
  let seed: UInt64
  var random: SplitMix
  let broker: TestBroker
  var model = Model()
  var transactional: [String: Producer] = [:]
  /// What is open: the values by partition, and the offset.
  var open: [String: (values: [(Int, String)], offset: Int64)] = [:]
  var plain: [Producer] = []
  var readers: [Reader] = []
  var number = 0

  final class Reader {
    let isolation: Isolation
    var consumer: Consumer?
    var positions: [TopicPartition: Int64] = [:]
    var read: [[String]] = [[], [], []]
    init(_ isolation: Isolation) { self.isolation = isolation }
  }

  init(seed: UInt64) throws {
    self.seed = seed
    random = SplitMix(seed: (seed &+ 1) &* 0xd134_2543_de82_ef95)
    broker = try TestBroker(clock: TestClock(), seed: seed, powerCuts: true)
    try broker.admin.createTopic("out", partitions: 3, configs: ["segment.bytes": "2000"])
    try broker.admin.createTopic("in")
    readers = (0..<4).map { Reader($0 < 2 ? .readCommitted : .readUncommitted) }
  }

  /// As many input records as there may be offsets committed.
  func fill() async throws {
    try await broker.produce("in", values: (0..<100).map { "\($0)" })
  }

  func begin() async throws {
    for name in ["t0", "t1", "t2", "t3"] { transactional[name] = try await broker.transactionalProducer(name) }
    plain = try (0..<4).map { _ in try broker.producer() }
    for reader in readers {
      var configuration = ConsumerConfiguration()
      configuration.isolation = reader.isolation
      configuration.autoOffsetReset = .none
      let consumer = try broker.consumer(configuration)
      try consumer.assign(Self.partitions)
      for partition in Self.partitions {
        // What was not on the disk when the power was cut, and was shown to nobody who waits for commits, may be gone.
        let end = try consumer.endOffsets([partition])[partition] ?? 0
        let position = reader.positions[partition] ?? 0
        if reader.isolation == .readCommitted { #expect(position <= end, "seed \(seed)") }
        try consumer.seek(partition, to: min(position, end))
      }
      reader.consumer = consumer
    }
  }

  func value(_ who: String) -> String {
    number += 1
    let value = "\(who) \(number)"
    model.sent.insert(value)
    return value
  }

  func step() async throws {
    switch random.next(below: 100) {
    case ..<15:
      let producer = plain[random.next(below: plain.count)]
      let partition = random.next(below: 3)
      let value = value("plain")
      try await producer.send(ProducerRecord(topic: "out", partition: partition, value: value))
      model.counts[partition].insert(value)
    case ..<60: try await sendInTransaction("t\(random.next(below: 4))")
    case ..<78: try await end("t\(random.next(below: 4))")
    case ..<95: for reader in readers { try await read(reader) }
    case ..<97: try await stopWithinCommit()
    default: try await stop([.close, .kill, .powerCut, .tornPowerCut][random.next(below: 4)])
    }
  }

  private func sendInTransaction(_ name: String) async throws {
    guard let producer = transactional[name] else { return }
    if open[name] == nil {
      try producer.beginTransaction()
      let offset = (model.offsets[name] ?? 0) + 1
      try producer.sendOffsets(
        [TopicPartition("in", 0): OffsetAndMetadata(offset)], to: ConsumerGroupMetadata(group: name))
      open[name] = ([], offset)
    }
    let partition = random.next(below: 3)
    let values = (0...random.next(below: 2)).map { _ in value(name) }
    _ = try await producer.send(values.map { Record(value: $0) }, to: "out", partition: partition)
    open[name]?.values += values.map { (partition, $0) }
  }

  private func end(_ name: String) async throws {
    guard let producer = transactional[name], let transaction = open.removeValue(forKey: name) else { return }
    if random.next(below: 3) == 0 { return try await producer.abortTransaction() }
    try await producer.commitTransaction()
    take(transaction, of: name)
  }

  private func take(_ transaction: (values: [(Int, String)], offset: Int64), of name: String) {
    for (partition, value) in transaction.values { model.counts[partition].insert(value) }
    model.offsets[name] = transaction.offset
  }

  private func stop(_ stop: TestBroker.Stop) async throws {
    open = [:]
    try broker.restart(after: stop)
    try await begin()
  }

  /// A commit that ends nobody knows how: the store has to say, and to mean it.
  private func stopWithinCommit() async throws {
    guard let (name, transaction) = open.sorted(by: { $0.key < $1.key }).first, let producer = transactional[name]
    else { return }
    broker.broker.stopTransactions(after: random.next(below: 6))
    let isSure = (try? await producer.commitTransaction()) != nil
    open = [:]
    try broker.restart(after: [.kill, .powerCut, .tornPowerCut][random.next(below: 3)])
    let offset = (try? broker.admin.listConsumerGroupOffsets(name))?[TopicPartition("in", 0)]?.offset ?? 0
    if offset == transaction.offset { take(transaction, of: name) }
    #expect(!isSure || offset == transaction.offset, "seed \(seed)")
    try await begin()
  }

  private func read(_ reader: Reader) async throws {
    guard let consumer = reader.consumer else { return }
    for record in try await consumer.poll(timeout: .zero) {
      reader.read[record.partition].append(record.valueString ?? "")
    }
    for partition in Self.partitions { reader.positions[partition] = try consumer.position(partition) }
  }

  func check(_ what: String) async throws {
    // Nothing is shown behind a transaction's batch that is not on the disk.
    for producer in transactional.values { try await producer.flush() }
    for partition in 0..<3 {
      let records = try await broker.drain("out", isolation: .readCommitted).filter { $0.partition == partition }
      let values = records.map { $0.valueString ?? "" }
      // What lies behind the beginning of an open transaction is still to come.
      let isOpen = open.values.contains { $0.values.contains { $0.0 == partition } }
      #expect(
        isOpen ? model.counts[partition].isSuperset(of: values) : Set(values) == model.counts[partition],
        "seed \(seed), \(what), partition \(partition)")
      #expect(Set(values).count == values.count, "seed \(seed), \(what), partition \(partition): nothing twice")
      for reader in readers where reader.isolation == .readCommitted {
        #expect(reader.read[partition] == Array(values.prefix(reader.read[partition].count)), "seed \(seed), \(what)")
      }
    }
    for reader in readers {
      for values in reader.read { #expect(model.sent.isSuperset(of: values), "seed \(seed), \(what)") }
    }
    for (name, offset) in model.offsets {
      let committed = try broker.admin.listConsumerGroupOffsets(name)[TopicPartition("in", 0)]?.offset
      #expect(committed == offset, "seed \(seed), \(what), \(name)")
    }
  }

  /// Ends what is open, and reads to the end.
  func finish() async throws {
    for name in open.keys.sorted() { try await end(name) }
    for producer in transactional.values { try await producer.flush() }
    for reader in readers {
      for _ in 0..<200 { try await read(reader) }
      guard reader.isolation == .readCommitted else { continue }
      for partition in 0..<3 {
        #expect(reader.read[partition].count == model.counts[partition].count, "seed \(seed): read exactly once")
      }
    }
    try await check("at the end")
    try broker.close()
  }
}

extension SplitMix {
  fileprivate mutating func next(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}

@Suite("Random histories of transactions")
struct TransactionModelTests {
  /// `EVENTLOG_HISTORIES=2000` runs more of them than there is time for every day.
  private static let histories = ProcessInfo.processInfo.environment["EVENTLOG_HISTORIES"].flatMap { UInt64($0) } ?? 12

  @Test("of eight producers and four readers agree with a simple model, through crashes", arguments: 0..<histories)
  func agrees(seed: UInt64) async throws {
    let history = try History(seed: seed)
    try await history.fill()
    try await history.begin()
    for step in 0..<150 {
      try await history.step()
      if step % 50 == 49 { try await history.check("step \(step)") }
    }
    try await history.finish()
  }
}
