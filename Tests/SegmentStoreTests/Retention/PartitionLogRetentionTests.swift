import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("Segments that are deleted")
struct PartitionLogRetentionTests {
  /// A log of four segments of five records, the last one active.
  private func filled(_ test: TestLog, segments: Int = 4) throws -> PartitionLog {
    let log = try test.open()
    for segment in 0..<segments {
      for record in 0..<5 { try log.append("value \(segment * 5 + record)", timestamp: Int64(1000 + segment)) }
      if segment < segments - 1 { try log.rollActiveSegment() }
    }
    try log.flush()
    return log
  }

  private func names(_ test: TestLog) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: test.directory).sorted()
  }

  /// As the broker does it, with SQLite's part in a variable.
  @discardableResult
  private func delete(
    _ log: PartitionLog, now: Int64, _ checkpoint: inout PartitionCheckpoint
  ) throws -> [ExpiredSegment] {
    let settled = try log.settle(try log.expiredSegments(now: now))
    guard let last = settled.last else { return [] }
    checkpoint = log.checkpoint
    checkpoint.logStartOffset = max(last.endOffset, log.logStartOffset)
    try log.advanceLogStart(to: last.endOffset)
    try log.removeSegmentsBelowLogStart()
    return settled
  }

  @Test("are renamed at once, unlinked after file.delete.delay.ms, and gone for readers")
  func renamed() throws {
    let directory = try TemporaryDirectory()
    let time = ManualTime(wallMilliseconds: 2000)
    var configuration = LogConfiguration()
    configuration.retentionMilliseconds = 998
    let test = TestLog(directory.path, configuration, time: .manual(time))
    let log = try filled(test)
    var checkpoint = PartitionCheckpoint()
    let deleted = try delete(log, now: 2000, &checkpoint)
    #expect(deleted.map(\.baseOffset) == [0, 5])
    #expect(log.logStartOffset == 10)
    #expect(log.segments.map(\.baseOffset) == [10, 15])
    #expect(try names(test).filter { $0.hasSuffix(".log.deleted") }.count == 2)
    #expect(throws: EventLogError.self) { try log.read(from: 9, maxBytes: 1000) }
    #expect(try log.values().keys.sorted() == Array(10..<20))
    time.advance(milliseconds: 59_999)
    #expect(test.context.deletedFiles.count > 0)
    time.advance(milliseconds: 1)
    test.context.shutDown()
    #expect(try names(test).filter { $0.hasSuffix(".deleted") }.isEmpty)
    #expect(try test.context.diskBudget.used == log.sizeInBytes + Int64(reserved(test, log)))
    _ = try log.close()
    test.context.shutDown()
  }

  @Test("leave no log without its other files, wherever the deletion is broken off", arguments: [true, false])
  func brokenOff(bySync: Bool) throws {
    var number = 0
    var isDone = false
    while !isDone {
      let directory = try TemporaryDirectory()
      let system = FaultyFileSystem(root: directory.path, tracksDurability: false)
      let test = TestLog(directory.path, fileSystem: system)
      let log = try filled(test)
      try log.finishRolledSegments()
      let before = try names(test)
      try log.advanceLogStart(to: 10)
      system.fail(
        bySync ? .syncDirectory : .rename, after: number, isPermanent: true, with: FaultyFileSystem.inputOutput)
      isDone = (try? log.removeSegmentsBelowLogStart()) != nil
      let after = try names(test)
      for name in before where after.contains("\(name.prefix(20)).log") {
        #expect(after.contains(name), "\(name), call \(number)")
      }
      number += 1
      log.abandon(EventLogError(.illegalState, "killed"))
    }
    #expect(number > 2)
  }

  /// What the active segment's file has beyond what is written.
  private func reserved(_ test: TestLog, _ log: PartitionLog) throws -> Int {
    let active = try #require(log.segments.last)
    return try Files.read(try test.activeFile).count - active.size
  }

  @Test("all of them: the active one is rolled, the log end stays, and the log goes on")
  func everything() throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.retentionMilliseconds = 10
    let test = TestLog(directory.path, configuration)
    let log = try filled(test)
    var checkpoint = PartitionCheckpoint()
    #expect(try delete(log, now: 1_000_000, &checkpoint).count == 4)
    #expect(log.logStartOffset == 20)
    #expect(log.logEndOffset == 20)
    #expect(log.segments.map(\.baseOffset) == [20])
    #expect(try delete(log, now: 2_000_000, &checkpoint).isEmpty)
    #expect(try log.append("next") == 20)
    _ = try log.close()
    test.context.shutDown()
  }

  @Test("leave the active one where something was appended to it after the decision")
  func appendedMeanwhile() throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.retentionMilliseconds = 10
    let test = TestLog(directory.path, configuration)
    let log = try filled(test)
    let expired = try log.expiredSegments(now: 1_000_000)
    #expect(expired.count == 4)
    try log.append("young")
    #expect(try log.settle(expired).count == 3)
    _ = try log.close()
    test.context.shutDown()
  }

  @Test("where no record has a timestamp, go by when their file was last written")
  func withoutTimestamps() throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.retentionMilliseconds = 1000
    let test = TestLog(directory.path, configuration)
    let log = try test.open()
    try log.append("a", timestamp: -1)
    try log.rollActiveSegment()
    try log.flush()
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    #expect(try log.expiredSegments(now: now).isEmpty)
    #expect(try log.expiredSegments(now: now + 60_000).map(\.baseOffset) == [0])
    _ = try log.close()
    test.context.shutDown()
  }

  @Test("stay readable to who holds their records, and whoever was in the middle of them is told that they are gone")
  func readers() throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.retentionMilliseconds = 998
    configuration.fileDeleteDelayMilliseconds = 0
    let test = TestLog(directory.path, configuration)
    let log = try filled(test)
    let held = try log.read(from: 0, maxBytes: 1)
    var checkpoint = PartitionCheckpoint()
    try delete(log, now: 2000, &checkpoint)
    let areValid = held.batches.allSatisfy { $0.hasValidChecksum }
    #expect(areValid)
    let error = #expect(throws: EventLogError.self) {
      try log.read(from: held.nextOffset, maxBytes: 1, after: held.position)
    }
    #expect(error?.code == .offsetOutOfRange)
    #expect(try log.offset(forTimestamp: 0)?.offset == 10)
    #expect(try log.offsetOfMaxTimestamp()?.offset == 15)
    _ = try log.close()
    test.context.shutDown()
  }

  enum Stop: CaseIterable { case kill, powerCut, tornPowerCut }

  @Test(
    "never come back, and nothing else goes, wherever the power is cut or the process killed", arguments: Stop.allCases)
  func crashes(stop: Stop) throws {
    // Which call of the deletion is the last that is made.
    for step in 0..<40 {
      var isWhole = false
      for seed in 0..<(stop == .tornPowerCut ? 12 : 1) as Range<UInt64> {
        isWhole = try crash(stop, after: step, seed: seed &+ UInt64(step) &* 100)
      }
      if isWhole, step > 12 { break }
    }
  }

  /// - Returns: whether the deletion came to its end before.
  private func crash(_ stop: Stop, after step: Int, seed: UInt64) throws -> Bool {
    let what = Comment(rawValue: "\(stop) after step \(step), seed \(seed)")
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.retentionMilliseconds = 998
    let files = FaultyFileSystem(root: directory.path, syncs: false)
    let test = TestLog(directory.path, configuration, fileSystem: files)
    let log = try filled(test)
    try log.rollActiveSegment()
    try log.flush()
    var checkpoint = log.checkpoint
    let calls: [FaultyFileSystem.Call] = [.rename, .syncDirectory, .unlink, .open]
    for call in calls {
      files.arm(call, after: step, times: nil, with: .fail(FaultyFileSystem.inputOutput)) { $0.contains("/t-0") }
    }
    // Half of the torn ones take the active segment as well.
    let isWhole = (try? delete(log, now: seed % 2 == 0 ? 2000 : 1_000_000, &checkpoint)) != nil
    if stop != .kill { files.cutPower() }
    log.abandon(EventLogError(.illegalState, "killed"))
    switch stop {
    case .kill: files.heal()
    case .powerCut: try files.restorePower()
    case .tornPowerCut: try files.restorePower(tornBy: seed)
    }
    test.context.shutDown()
    let second = TestLog(directory.path, configuration, fileSystem: files)
    defer { second.context.shutDown() }
    let again = try second.open(checkpoint)
    let start = checkpoint.logStartOffset
    #expect(again.logStartOffset == start, what)
    #expect(again.logEndOffset == 20, what)
    #expect(try again.values() == Dictionary(uniqueKeysWithValues: (start..<20).map { ($0, "value \($0)") }), what)
    // What was left of them goes with the next run.
    try delete(again, now: 2000, &checkpoint)
    #expect(again.segments.allSatisfy { $0.baseOffset >= 10 }, what)
    let left = try names(test).filter { $0.hasSuffix("index") && $0 < "00000000000000000010" }
    #expect(left.isEmpty, what)
    #expect(try again.append("next") == 20, what)
    _ = try again.close()
    return isWhole
  }

  @Test("the cap: an append that would go beyond it is refused, and deleting makes room")
  func cap() throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.fileDeleteDelayMilliseconds = 0
    let test = TestLog(directory.path, configuration, budget: DiskBudget(limit: 100_000))
    let log = try test.open()
    var count = 0
    let value = String(repeating: "x", count: 5000)
    let error = #expect(throws: EventLogError.self) {
      while true {
        try log.append(value)
        count += 1
        if count == 5 { try log.rollActiveSegment() }
        #expect(test.context.diskBudget.used <= 100_000)
        #expect(count < 100)
      }
    }
    #expect(error?.code == .diskFull)
    #expect(error?.message.contains("log.dirs.max.bytes") == true)
    #expect(count > 10)
    #expect(try log.values().count == count)
    try log.flush()
    try log.advanceLogStart(to: 5)
    #expect(try log.removeSegmentsBelowLogStart() > 0)
    try log.append(value)
    log.abandon(EventLogError(.illegalState, "deleted"))
    #expect(test.context.diskBudget.used == 0)
    test.context.shutDown()
  }
}
