import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

/// Holds a log with damaged files against what was written: from whatever offset one reads, what comes first is that
/// record or an error, never another one, and never nothing.
private struct Truth {
  var values: [Int64: String]

  /// Checks all offsets; returns those that gave an error.
  @discardableResult
  func check(_ what: String, _ read: (Int64) throws -> FetchedBatches) -> Set<Int64> {
    var failed: Set<Int64> = []
    for (offset, value) in values {
      do {
        let found = try Self.first(try read(offset), from: offset)
        #expect(
          found?.offset == offset && found?.value == value,
          "\(what): offset \(offset) gave \(String(describing: found))")
      } catch {
        #expect(error is EventLogError)
        failed.insert(offset)
      }
    }
    return failed
  }

  static func first(_ fetched: FetchedBatches, from offset: Int64) throws -> (offset: Int64, value: String)? {
    for batch in fetched.batches {
      let records = try batch.records()
      var cursor = records.makeCursor()
      while cursor.advance() {
        let found = batch.header.baseOffset + Int64(cursor.record.offsetDelta)
        guard found >= offset else { continue }
        let start = cursor.record.valueStart
        return (
          found,
          String(decoding: records.region.bytes(start..<(start + max(0, cursor.record.valueCount))), as: UTF8.self)
        )
      }
    }
    return nil
  }
}

@Suite("Damage on the disk")
struct DamageTests {
  private static let killed = EventLogError(.illegalState, "killed")

  /// Texts of one length, so that all batches have one.
  private static func text(_ number: Int) -> String { "value \(1000 + number)" }

  private func configuration() -> LogConfiguration {
    var configuration = LogConfiguration()
    configuration.segmentBytes = 1200
    configuration.indexIntervalBytes = 200
    return configuration
  }

  /// A log of three segments, closed in order.
  private func closed(
    _ root: String, count: Int = 36, recordsPerBatch: Int = 1
  ) throws -> (PartitionCheckpoint, Truth) {
    let log = try TestLog(root, configuration()).open()
    var truth = Truth(values: [:])
    for first in stride(from: 0, to: count, by: recordsPerBatch) {
      let records = (first..<(first + recordsPerBatch)).map { number in
        Record(key: "k", value: Self.text(number), timestamp: Int64(1000 + number))
      }
      let base = try log.append(records: records.span, AppendOptions(isDurable: false)).baseOffset
      for index in records.indices { truth.values[base + Int64(index)] = Self.text(first + index) }
    }
    return (try log.close(), truth)
  }

  @Test(
    "of a single bit never shows a wrong record or hides one, in a log that was closed in order", arguments: [1, 3])
  func anyBit(recordsPerBatch: Int) throws {
    let directory = try TemporaryDirectory()
    let (checkpoint, truth) = try closed(directory.path, recordsPerBatch: recordsPerBatch)
    let test = TestLog(directory.path, configuration())
    let file = try #require(try Files.list(test.directory, ".log").first)
    let good = try Files.read(file)
    let batch = try #require(try firstBatchSize(good))
    for position in good.indices {
      // All bits of what says where a batch lies and ends, in the first batches; of the rest one each.
      let bits = position < 3 * batch && position % batch < 27 ? 0..<8 : (position % 8)..<(position % 8 + 1)
      for bit in bits {
        var bytes = good
        bytes[position] ^= 1 << UInt8(bit)
        try Files.write(bytes, to: file)
        let log = try test.open(checkpoint, wasClean: true)
        let failed = truth.check("byte \(position), bit \(bit)") { try log.read(from: $0, maxBytes: 1) }
        let damaged = Int64(position / batch * recordsPerBatch)
        #expect(failed.allSatisfy { $0 >= damaged }, "byte \(position), bit \(bit): \(failed)")
        #expect(!failed.contains(Int64(truth.values.count - 1)), "other segments are not touched")
        // Read to the end, every offset is either given or its place refused.
        var seen: Set<Int64> = []
        try? collect(log, &seen)
        if failed.isEmpty {
          #expect(seen.count == truth.values.count / recordsPerBatch, "byte \(position), bit \(bit)")
        }
        log.abandon(Self.killed)
      }
    }
  }

  private func firstBatchSize(_ bytes: [UInt8]) throws -> Int? {
    bytes.withUnsafeBytes { buffer in
      guard case .batch(let header) = RecordBatchCheck.header(buffer, available: buffer.count) else { return nil }
      return header.sizeInBytes
    }
  }

  private func collect(_ log: PartitionLog, _ seen: inout Set<Int64>) throws {
    var next = log.logStartOffset
    var position: ReadPosition?
    while next < log.highWatermark {
      let fetched = try log.read(from: next, maxBytes: 300, after: position)
      for batch in fetched.batches { seen.insert(batch.header.baseOffset) }
      guard fetched.nextOffset > next else { return }
      next = fetched.nextOffset
      position = fetched.position
    }
  }

  @Test("of a base offset, which no checksum covers, is refused by who only looks in as well")
  func baseOffsetForReaders() throws {
    let directory = try TemporaryDirectory()
    let (_, truth) = try closed(directory.path)
    let test = TestLog(directory.path, configuration())
    let file = try #require(try Files.list(test.directory, ".log").first)
    let good = try Files.read(file)
    let batch = try #require(try firstBatchSize(good))
    for number in 0..<4 {
      for bit in 0..<64 {
        var bytes = good
        bytes[number * batch + 7 - bit / 8] ^= 1 << UInt8(bit % 8)
        try Files.write(bytes, to: file)
        let reader = PartitionReader(
          TopicPartition("t", 0), directory: test.directory, logStartOffset: 0, fileSystem: LocalFileSystem())
        let failed = truth.check("batch \(number), bit \(bit)") { try reader.read(from: $0, maxBytes: 1) }
        #expect(failed.allSatisfy { $0 >= number }, "batch \(number), bit \(bit): \(failed)")
      }
    }
  }

  @Test("in the middle of the last segment does not end the log for who only looks in")
  func readersSeePastDamage() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open()
    for number in 0..<5 { try log.append(Self.text(number)) }
    let size = log.segments[0].size / 5
    log.abandon(Self.killed)
    var bytes = try Files.read(try test.activeFile)
    bytes[2 * size + 70] ^= 1
    try Files.write(bytes, to: try test.activeFile)
    let reader = PartitionReader(
      TopicPartition("t", 0), directory: test.directory, logStartOffset: 0, fileSystem: LocalFileSystem())
    #expect(try reader.logEndOffset() == 5)
    #expect(try reader.read(from: 0, maxBytes: 1 << 20).nextOffset == 2)
    #expect(throws: EventLogError.self) { try reader.read(from: 2, maxBytes: 1 << 20) }
    #expect(try reader.read(from: 3, maxBytes: 1 << 20).batches.count == 2)
  }

  @Test(
    "by zeros in the middle: what lies behind them is not cut where it had been on the disk", arguments: [true, false])
  func zeros(wasClean: Bool) throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.indexIntervalBytes = 200
    let test = TestLog(directory.path, configuration)
    let log = try test.open()
    var truth = Truth(values: [:])
    for number in 0..<30 { truth.values[try log.append(Self.text(number))] = Self.text(number) }
    let checkpoint = try log.close()
    var bytes = try Files.read(try test.activeFile)
    let size = bytes.count / 30
    for index in (10 * size)..<(12 * size) { bytes[index] = 0 }
    try Files.write(bytes, to: try test.activeFile)
    let again = try test.open(checkpoint, wasClean: wasClean)
    #expect(again.logEndOffset == 30)
    #expect(try Files.read(try test.activeFile) == bytes)
    let failed = truth.check("zeros") { try again.read(from: $0, maxBytes: 1) }
    #expect(failed.isSuperset(of: [10, 11]))
    #expect(failed.isDisjoint(with: Set<Int64>(0..<10)))
    #expect(failed.isDisjoint(with: Set<Int64>(20..<30)))
    // The error says where to go on, and that is true.
    let error = #expect(throws: EventLogError.self) { try again.read(from: 10, maxBytes: 1) }
    #expect(error?.offset == 10)
    let hint = error?.message.split(separator: " ").compactMap { Int64($0) }.last
    let next = try #require(hint)
    #expect(try again.read(from: next, maxBytes: 1).batches.count == 1)
    #expect(try again.append("more") == 30)
    again.abandon(Self.killed)
  }

  @Test("in another segment than the last: what was acknowledged behind it stays")
  func lostTail() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open()
    for number in 0..<10 { try log.append(Self.text(number)) }
    let size = log.segments[0].size / 10
    try log.rollActiveSegment()
    try log.append("behind", durably: true)
    log.abandon(Self.killed)
    let first = try #require(try Files.list(test.directory, ".log").first)
    try Files.write(Array(try Files.read(first).prefix(6 * size)), to: first)
    // All ten were on the disk: no crash took the last four.
    let again = try test.open(PartitionCheckpoint(recoveryPoint: 9))
    #expect(try again.read(from: 10, maxBytes: 1).batches.count == 1)
    #expect(test.warnings.all.contains { $0.contains("missing") })
    _ = try again.close()
  }

  @Test("that takes all files of a partition does not have offsets given out a second time", arguments: [true, false])
  func filesGone(wasClean: Bool) throws {
    let directory = try TemporaryDirectory()
    let (checkpoint, _) = try closed(directory.path)
    let test = TestLog(directory.path, configuration())
    try FileManager.default.removeItem(atPath: test.directory)
    let again = try test.open(checkpoint, wasClean: wasClean)
    #expect(again.logEndOffset == 36)
    #expect(test.warnings.all.count == 1)
    #expect(try again.append("goes on") == 36)
    _ = try again.close()
  }

  @Test("of the epoch file: the batches tell the epochs, which never go back", arguments: [true, false])
  func epochs(wasClean: Bool) throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    _ = try test.open().close()
    let file = try test.activeFile
    try Files.write(
      CraftedBatch.record(0, "a", epoch: 3) + CraftedBatch.record(1, "b", epoch: 7), to: file)
    let checkpoints = try Files.list(test.directory, "checkpoint")
    for text in [nil, "", "0\n1\n2147483647 0\n"] {
      if let text {
        try Files.write(Array(text.utf8), to: test.directory + "/leader-epoch-checkpoint")
      } else {
        for path in checkpoints { try FileManager.default.removeItem(atPath: path) }
      }
      let log = try test.open(
        PartitionCheckpoint(recoveryPoint: 2, logEndOffset: wasClean ? 2 : nil), wasClean: wasClean)
      let offset = try log.append("c")
      let batch = try #require(try log.read(from: offset, maxBytes: 1).batches.first)
      #expect(batch.header.partitionLeaderEpoch >= (wasClean ? 7 : 8))
      log.abandon(Self.killed)
      try Files.write(
        CraftedBatch.record(0, "a", epoch: 3) + CraftedBatch.record(1, "b", epoch: 7), to: file)
    }
  }
}

@Suite("Wrong indexes")
struct WrongIndexTests {
  private static func text(_ number: Int) -> String { "value \(number)" }

  private func configuration() -> LogConfiguration {
    var configuration = LogConfiguration()
    configuration.segmentBytes = 3000
    configuration.indexIntervalBytes = 200
    return configuration
  }

  @Test("that the disk does not give are made anew, and keep no log from being opened", arguments: [false, true])
  func unreadable(wasClean: Bool) throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, configuration(), fileSystem: files)
    let log = try test.open(wasClean: true)
    for number in 0..<20 { try log.append(Self.text(number)) }
    let checkpoint = try log.close()
    for kind in [".index", ".timeindex"] {
      files.arm(.open, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(kind) }
      let again = try test.open(checkpoint, wasClean: wasClean)
      files.heal()
      #expect(try again.values().count == 20)
      #expect(try again.close().logEndOffset == 20)
    }
  }

  @Test("hide nothing: whatever an index says, every record is found", arguments: UInt64(0)..<40)
  func random(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    var generator = SplitMix(seed: seed)
    let test = TestLog(directory.path, configuration())
    let log = try test.open()
    var truth = Truth(values: [:])
    for number in 0..<120 {
      truth.values[try log.append(Self.text(number), timestamp: Int64(1000 + number))] = Self.text(number)
    }
    let checkpoint = try log.close()
    let files = try Files.list(test.directory, ".index")
    let contents = try files.map { try Files.read($0) }
    for file in files {
      var bytes = try #require(contents.randomElement(using: &generator))
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: break  // that of another segment, perhaps
      case 1: bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count / 8, using: &generator) * 8))
      case 2:
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
          let place = Int.random(in: bytes.indices, using: &generator)
          bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        }
      default:
        // Offsets that lead too far, all in good order.
        for start in stride(from: 0, to: bytes.count, by: 8) where bytes[start + 3] > 2 { bytes[start + 3] -= 2 }
      }
      try Files.write(bytes, to: file)
    }
    let again = try test.open(checkpoint, wasClean: true)
    let failed = truth.check("seed \(seed)") { try again.read(from: $0, maxBytes: 1) }
    #expect(failed.isEmpty, "seed \(seed)")
    for number in stride(from: Int64(0), to: 120, by: 7) {
      #expect(try again.offset(forTimestamp: 1000 + number)?.offset == number, "seed \(seed), timestamp of \(number)")
    }
    let reader = PartitionReader(
      TopicPartition("t", 0), directory: test.directory, logStartOffset: 0, fileSystem: LocalFileSystem())
    #expect(truth.check("seed \(seed), reader") { try reader.read(from: $0, maxBytes: 1) }.isEmpty)
    _ = try again.close()
  }

  @Test("that were cut at an entry are noticed: timestamps behind the cut are found", arguments: 0..<8)
  func cutTimeIndex(entries: Int) throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path, configuration())
    let log = try test.open()
    for number in 0..<120 { try log.append(Self.text(number), timestamp: Int64(1000 + number)) }
    let checkpoint = try log.close()
    for file in try Files.list(test.directory, ".timeindex") {
      try Files.write(Array(try Files.read(file).prefix(entries * 12)), to: file)
    }
    let again = try test.open(checkpoint, wasClean: true)
    for number in Int64(0)..<120 { #expect(try again.offset(forTimestamp: 1000 + number)?.offset == number) }
    #expect(try again.offsetOfMaxTimestamp()?.offset == 119)
    _ = try again.close()
  }

  @Test(
    "are not what a log without timestamps has: no entries, as Kafka wants it, and no complaint at the next opening")
  func noTimestamps() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path, configuration())
    let log = try test.open()
    for number in 0..<60 { try log.append(Self.text(number), timestamp: -1) }
    let checkpoint = try log.close()
    for file in try Files.list(test.directory, ".timeindex") { #expect(try Files.read(file).isEmpty) }
    let again = try TestLog(directory.path, configuration()).open(checkpoint, wasClean: true)
    #expect(try again.values().count == 60)
    #expect(try again.offset(forTimestamp: 0) == nil)
    #expect(test.warnings.all.isEmpty)
    _ = try again.close()
  }
}
