import Foundation
import RecordFormat
import SegmentStore
import Testing

/// What a partition with transactions has to be, said simply.
private struct Model {
  struct Batch {
    var offset: Int64
    var values: [String]
    var producer: Int64?
    var isTransactional: Bool
  }

  var batches: [Batch] = []
  var next: Int64 = 0
  /// First offsets of the open transactions.
  var open: [Int64: Int64] = [:]
  var aborted: [AbortedTransaction] = []
  var sequence: [Int64: Int32] = [:]

  mutating func append(_ values: [String], by producer: Int64?, transactional: Bool) {
    batches.append(Batch(offset: next, values: values, producer: producer, isTransactional: transactional))
    if transactional, let producer, open[producer] == nil { open[producer] = next }
    if let producer { sequence[producer, default: -1] += Int32(values.count) }
    next += Int64(values.count)
  }

  mutating func end(_ producer: Int64, isAbort: Bool) {
    if let first = open.removeValue(forKey: producer), isAbort {
      aborted.append(
        AbortedTransaction(
          producerID: producer, firstOffset: first, lastOffset: next, lastStableOffset: open.values.min() ?? next + 1))
    }
    next += 1
  }

  var lastStableOffset: Int64 { open.values.min() ?? next }

  var committed: [Int64: String] {
    var result: [Int64: String] = [:]
    for batch in batches where batch.offset < lastStableOffset {
      let isAborted = aborted.contains {
        batch.isTransactional && $0.producerID == batch.producer && $0.firstOffset <= batch.offset
          && batch.offset < $0.lastOffset
      }
      if isAborted { continue }
      for (index, value) in batch.values.enumerated() { result[batch.offset + Int64(index)] = value }
    }
    return result
  }
}

@Suite("Transactions and producers of a log")
struct ProducerModelTests {
  /// How the log is stopped before it is opened again.
  enum Stop: CaseIterable {
    case clean, killed, snapshotsGone, newestSnapshotDamaged, indexDamaged
  }

  @Test("are what a simple model says, also after stops of every kind", arguments: 0..<16)
  func model(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.segmentBytes = 700
    let test = TestLog(directory.path, configuration)
    defer { test.context.shutDown() }
    var log = try test.open()
    var model = Model()
    for step in 0..<120 {
      let producer = Int64.random(in: 1...4, using: &random)
      switch Int.random(in: 0..<20, using: &random) {
      case 0..<4:
        let value = "plain \(step)"
        try log.append(value)
        model.append([value], by: nil, transactional: false)
      case 4..<12:
        let values = (0..<Int.random(in: 1...3, using: &random)).map { "\(producer): \(step).\($0)" }
        // Producers 1 and 2 are transactional.
        try log.append(values, by: producer, transactional: producer <= 2)
        model.append(values, by: producer, transactional: producer <= 2)
      case 12..<18:
        guard producer <= 2 else { continue }
        let isAbort = Bool.random(using: &random)
        try log.end(isAbort ? .abort : .commit, producer)
        model.end(producer, isAbort: isAbort)
      default:
        let stop = Stop.allCases.randomElement(using: &random) ?? .clean
        log = try reopen(log, test, stop)
      }
      #expect(log.logEndOffset == model.next)
      #expect(log.lastStableOffset == model.lastStableOffset, "seed \(seed), step \(step)")
      #expect(try log.committedValues() == model.committed, "seed \(seed), step \(step)")
      let states = log.producers()
      #expect(
        Dictionary(uniqueKeysWithValues: states.map { ($0.producerID, $0.lastSequence) }).filter { $0.value >= 0 }
          == model.sequence, "seed \(seed), step \(step)")
    }
    #expect(log.abortedTransactions(from: 0, below: .max) == model.aborted, "seed \(seed)")
    _ = try log.close()
  }

  private func reopen(_ log: PartitionLog, _ test: TestLog, _ stop: Stop) throws -> PartitionLog {
    guard stop != .killed else {
      log.abandon(EventLogError(.illegalState, "killed"))
      return try test.open()
    }
    let checkpoint = try log.close()
    switch stop {
    case .snapshotsGone:
      for path in try Files.list(test.directory, ".snapshot") { try FileManager.default.removeItem(atPath: path) }
    case .newestSnapshotDamaged:
      if let path = try Files.list(test.directory, ".snapshot").last { try Files.write([0, 1, 2], to: path) }
    case .indexDamaged:
      if let path = try Files.list(test.directory, ".txnindex").first { try Files.write([1, 2, 3], to: path) }
    default: break
    }
    return try test.open(checkpoint, wasClean: true)
  }
}
