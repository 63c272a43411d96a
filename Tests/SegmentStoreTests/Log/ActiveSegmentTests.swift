import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

/// Room is reserved before it is stored into; a log that is synced often has it filled with zeros as well.
@Suite("The active segment's room")
struct ActiveSegmentTests {
  private func append(_ count: Int, to log: PartitionLog, isDurable: Bool) throws -> Int64 {
    let offset = log.logEndOffset
    let value = [UInt8](repeating: UInt8(truncatingIfNeeded: offset &* 7 | 1), count: count)
    let result = try log.append(record: Record(value: value), AppendOptions(isDurable: isDurable))
    if isDurable { try log.waitUntilDurable(upTo: result.nextOffset) }
    return result.baseOffset
  }

  /// Every value from the log start on, by its length and its bytes, which are all the same.
  private func lengths(_ log: PartitionLog) throws -> [Int] {
    var lengths: [Int] = []
    var next = log.logStartOffset
    while next < log.highWatermark {
      let fetched = try log.read(from: next, maxBytes: 1 << 20)
      for batch in fetched.batches {
        let records = try batch.records()
        var cursor = records.makeCursor()
        while cursor.advance() {
          let record = cursor.record
          let offset = batch.header.baseOffset + Int64(record.offsetDelta)
          let bytes = records.region.bytes(record.valueStart..<(record.valueStart + record.valueCount))
          #expect(bytes.allSatisfy { $0 == UInt8(truncatingIfNeeded: offset &* 7 | 1) }, "offset \(offset)")
          lengths.append(record.valueCount)
        }
      }
      next = fetched.nextOffset
    }
    return lengths
  }

  @Test("holds what was stored into it, however often it is synced", arguments: UInt64(1)...12)
  func random(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.segmentBytes = 1 << 20
    let faults = FaultyFileSystem(root: directory.path, tracksDurability: false, syncs: false)
    let test = TestLog(directory.path, configuration, fileSystem: faults)
    var log = try test.open()
    var model: [Int] = []
    var durability = 50
    for _ in 0..<150 {
      switch Int.random(in: 0..<60, using: &random) {
      case 0:
        _ = try log.close()
        log = try test.open()
      case 1:
        log.abandon(EventLogError(.illegalState, "killed"))
        log = try test.open()
      case 2: durability = [0, 50, 100].randomElement(using: &random) ?? 50
      case 3:
        faults.arm(.write, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(".log") }
      default:
        let largest = [100, 5_000, 70_000, 300_000].randomElement(using: &random) ?? 1
        let count = Int.random(in: 1...largest, using: &random)
        _ = try append(count, to: log, isDurable: Int.random(in: 0..<100, using: &random) < durability)
        model.append(count)
      }
      if Int.random(in: 0..<10, using: &random) == 0 { try log.flush() }
    }
    faults.heal()
    try log.flush()
    #expect(try lengths(log) == model, "seed \(seed)")
    _ = try log.close()
    log = try test.open()
    try log.waitUntilRecovered()
    #expect(try lengths(log) == model, "seed \(seed)")
    _ = try log.close()
  }

  @Test("is filled with zeros for who syncs often, and not for who writes much")
  func zeros() throws {
    let directory = try TemporaryDirectory()
    let faults = FaultyFileSystem(root: directory.path, tracksDurability: false, syncs: false)
    let log = try TestLog(directory.path, fileSystem: faults).open()
    for _ in 0..<10 { _ = try append(10_000, to: log, isDurable: true) }
    let before = faults.count(.write)
    for _ in 0..<10 { _ = try append(10_000, to: log, isDurable: true) }
    let filled = faults.count(.write) - before
    #expect(filled >= 24 && filled <= 60)
    // A megabyte without a sync tells that it has changed its mind.
    for _ in 0..<130 { _ = try append(10_000, to: log, isDurable: false) }
    let then = faults.count(.write)
    for _ in 0..<200 { _ = try append(10_000, to: log, isDurable: false) }
    #expect(faults.count(.write) == then)
    #expect(try lengths(log).count == 350)
    _ = try log.close()
  }

  @Test("is little for a log that little is written to, however long it was before, and grows with what is written")
  func room() throws {
    let directory = try TemporaryDirectory()
    let budget = DiskBudget()
    let test = TestLog(directory.path, budget: budget)
    var log = try test.open()
    for _ in 0..<300 { _ = try append(10_000, to: log, isDurable: false) }
    #expect(try fileSize(test) > 4_000_000, "a log that grows fast asks for more and more")
    let checkpoint = try log.close()
    let before = try fileSize(test)
    log = try test.open(checkpoint, wasClean: true)
    let used = budget.used
    _ = try append(100, to: log, isDurable: false)
    #expect(try fileSize(test) - before <= 24 << 10)
    #expect(try budget.used - used == fileSize(test) - before)
    for _ in 0..<300 { _ = try append(10_000, to: log, isDurable: false) }
    #expect(try fileSize(test) - before > 4_000_000)
    #expect(try budget.used - used == fileSize(test) - before)
    _ = try log.close()
  }

  private func fileSize(_ test: TestLog) throws -> Int64 {
    try test.context.fileSystem.status(test.activeFile)?.size ?? 0
  }
}
