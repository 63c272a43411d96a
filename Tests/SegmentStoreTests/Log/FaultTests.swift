import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("When the system refuses")
struct FaultTests {
  private static let diskFull = EventLogError(.diskFull, "no room", errno: 28)
  private static let broken = EventLogError(.inputOutput, "broken", errno: 5)

  @Test("room, the append fails and changes nothing; with room again it goes on")
  func diskFull() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    let log = try TestLog(directory.path, fileSystem: system).open()
    system.fail(.allocate, isPermanent: true, with: Self.diskFull)
    let error = #expect(throws: EventLogError.self) { try log.append("a") }
    #expect(error?.code == .diskFull)
    #expect(error?.isRetriable == true)
    #expect(log.logEndOffset == 0)
    system.heal()
    #expect(try log.append("a") == 0)
    #expect(try log.values() == [0: "a"])
    _ = try log.close()
  }

  @Test("a new segment, the append fails, no file stays behind, and the next one tries again")
  func rollFails() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    var configuration = LogConfiguration()
    configuration.segmentBytes = 100
    let test = TestLog(directory.path, configuration, fileSystem: system)
    let log = try test.open()
    try log.append("a")
    system.fail(.open, with: Self.diskFull)
    #expect(throws: EventLogError.self) { try log.append("b") }
    #expect(log.segments.count == 1)
    system.heal()
    #expect(try log.append("b") == 1)
    #expect(try log.values() == [0: "a", 1: "b"])
    _ = try log.close()
  }

  @Test("a sync, nobody is told that it succeeded, and the partition takes nothing more until it is reopened")
  func syncFails() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    let log = try TestLog(directory.path, fileSystem: system).open()
    try log.append("safe", durably: true)
    system.fail(.syncData, with: Self.broken)
    let error = #expect(throws: EventLogError.self) { try log.append("lost", durably: true) }
    #expect(error?.code == .storageError)
    #expect(error?.isFatal == true)
    // The disk would say "done" now. That is not believed.
    #expect(throws: EventLogError.self) { try log.append("more") }
    #expect(throws: EventLogError.self) { try log.flush() }
    #expect(log.highWatermark == 1)
    #expect(try log.values() == [0: "safe"])
    #expect(FileManager.default.fileExists(atPath: directory.path + "/t-0.sync-failed"))
    log.abandon(Self.broken)
    // Reopened, the segment is written anew: its pages in memory can't be trusted to be on the disk.
    let before = Inode.of(directory.path + "/t-0/00000000000000000000.log")
    let again = try TestLog(directory.path).open()
    #expect(Inode.of(directory.path + "/t-0/00000000000000000000.log") != before)
    #expect(!FileManager.default.fileExists(atPath: directory.path + "/t-0.sync-failed"))
    #expect(try again.values()[0] == "safe")
    #expect(try again.append("goes on", durably: true) >= 1)
    _ = try again.close()
  }

  @Test("a sync of a segment that was rolled away, that one too is written anew when the log is reopened")
  func syncOfRolledSegmentFails() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    let test = TestLog(directory.path, fileSystem: system)
    let log = try test.open()
    try log.append("safe", durably: true)
    try log.append("in doubt")
    system.fail(.syncData, isPermanent: true, with: Self.broken)
    try log.rollActiveSegment()
    #expect(throws: EventLogError.self) { try log.append("behind", durably: true) }
    log.abandon(Self.broken)
    system.heal()
    let files = try Files.list(test.directory, ".log")
    #expect(files.count == 2)
    let before = files.map(Inode.of)
    let again = try test.open(PartitionCheckpoint(recoveryPoint: 1))
    for (file, inode) in zip(files, before) { #expect(Inode.of(file) != inode) }
    #expect(try again.values()[0] == "safe")
    _ = try again.close()
  }

  @Test("the sync of a recovery, the next one does not believe the disk: what a dead process left is written anew")
  func syncOfRecoveryFails() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    let test = TestLog(directory.path, fileSystem: system)
    let log = try test.open()
    try log.append("left by the dead process")
    log.abandon(Self.broken)
    for call in [FaultyFileSystem.Call.syncData, .syncDirectory] {
      let before = Inode.of(try test.activeFile)
      let suffix = call == .syncData ? ".log" : "t-0"
      system.arm(call, after: 0, times: 1, with: .fail(Self.broken)) { $0.hasSuffix(suffix) }
      #expect(throws: EventLogError.self) { try test.open() }
      #expect(FileManager.default.fileExists(atPath: directory.path + "/t-0.sync-failed"))
      system.heal()
      let again = try test.open()
      #expect(Inode.of(try test.activeFile) != before)
      #expect(!FileManager.default.fileExists(atPath: directory.path + "/t-0.sync-failed"))
      #expect(try again.values() == [0: "left by the dead process"])
      again.abandon(Self.broken)
    }
  }

  @Test("room for the indexes of closed segments, a log that was not closed opens all the same, and does without")
  func recoverOnFullDisk() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    var configuration = LogConfiguration()
    configuration.segmentBytes = 200
    let test = TestLog(directory.path, configuration, fileSystem: system)
    let log = try test.open()
    for number in 0..<10 { try log.append("value \(number)") }
    try log.finishRolledSegments()
    try #require(log.segments.count > 2)
    log.abandon(Self.broken)
    system.arm(.write, after: 0, times: nil, with: .fail(Self.diskFull)) { $0.contains("index") }
    let again = try test.open()
    #expect(try again.values().count == 10)
    #expect(test.warnings.all.contains { $0.contains("no room") })
    #expect(try Files.list(test.directory, "index").isEmpty)
    again.abandon(Self.broken)
  }

  @Test("room for the indexes, the log closes all the same, and the next opening has all records")
  func closeOnFullDisk() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    let test = TestLog(directory.path, fileSystem: system)
    let log = try test.open()
    for number in 0..<10 { try log.append("value \(number)") }
    system.fail(.write, isPermanent: true, with: Self.diskFull)
    let checkpoint = try log.close()
    #expect(checkpoint.logEndOffset == 10)
    system.heal()
    let again = try test.open(checkpoint, wasClean: true)
    #expect(try again.values().count == 10)
    _ = try again.close()
  }

  @Test("every sync, nobody waits for ever: neither who wait, nor the closing", arguments: [true, false])
  func everySyncFails(onThreads: Bool) async throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    let test = TestLog(directory.path, fileSystem: system)
    let log = try test.open()
    try log.append("its leader epoch is on the disk by now")
    system.fail(.syncData, isPermanent: true, with: Self.broken)
    await withTaskGroup(of: Bool.self) { group in
      for number in 0..<8 {
        group.addTask {
          guard let result = try? log.append(record: Record(value: "\(number)"), AppendOptions(isDurable: true)) else {
            return true
          }
          if onThreads { return (try? log.waitUntilDurable(upTo: result.nextOffset)) == nil }
          return await withCheckedContinuation { continuation in
            log.whenDurable(upTo: result.nextOffset) { continuation.resume(returning: $0 != nil) }
          }
        }
      }
      for await wasRefused in group { #expect(wasRefused) }
    }
    #expect(log.highWatermark == 1)
    #expect(log.durableOffset == 0)
    #expect(try log.close().logEndOffset == nil)
  }

  @Test(
    "any one call, what was acknowledged is there after reopening, and the log goes on",
    arguments: [FaultyFileSystem.Call.open, .write, .allocate, .truncate, .syncData, .syncDirectory, .map, .rename])
  func anyCall(call: FaultyFileSystem.Call) throws {
    for number in 0..<12 {
      let directory = try TemporaryDirectory()
      let system = FaultyFileSystem(root: directory.path)
      var configuration = LogConfiguration()
      configuration.segmentBytes = 300
      let test = TestLog(directory.path, configuration, fileSystem: system)
      system.fail(call, after: number, with: Self.broken)
      var acknowledged: [Int64: String] = [:]
      if let log = try? test.open() {
        for step in 0..<12 {
          if let offset = try? log.append("value \(step)", durably: true) { acknowledged[offset] = "value \(step)" }
        }
        _ = try? log.close()
      }
      system.heal()
      let again = try TestLog(directory.path, configuration).open()
      let values = try again.values()
      for (offset, value) in acknowledged { #expect(values[offset] == value, "\(call) \(number), offset \(offset)") }
      try again.append("on", durably: true)
      _ = try again.close()
    }
  }
}

@Suite("After a power cut")
struct PowerCutTests {
  @Test("what was acknowledged after a kill and a reopening is there, the partition's own name too")
  func namesAfterKill() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    try system.syncDirectory(directory.path)
    let test = TestLog(directory.path, fileSystem: system)
    let log = try test.open()
    try log.append("left by the dead process")
    log.abandon(EventLogError(.illegalState, "killed"))
    let again = try test.open()
    #expect(again.highWatermark == 1)
    // What is shown now, a power cut must not take back.
    let shown = system.durableState().filter { $0.key.hasSuffix(".log") }
    #expect(shown.first?.value.isEmpty == false)
    _ = try again.close()
  }

  @Test("every record that was acknowledged with acks=all is there, at every moment", arguments: UInt64(0)..<30)
  func acknowledged(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    var generator = SplitMix(seed: seed)
    var configuration = LogConfiguration()
    configuration.segmentBytes = Int.random(in: 200...2000, using: &generator)
    let system = FaultyFileSystem(root: directory.path)
    try system.syncDirectory(directory.path)
    let log = try TestLog(directory.path, configuration, fileSystem: system).open()
    var acknowledged: [Int64: String] = [:]
    for step in 0..<Int.random(in: 1...40, using: &generator) {
      let text = "value \(step) " + String(repeating: "x", count: Int.random(in: 0..<100, using: &generator))
      let isDurable = Int.random(in: 0..<3, using: &generator) == 0
      let offset = try log.append(text, durably: isDurable)
      if isDurable { acknowledged.merge(try log.values().filter { $0.key <= offset }) { $1 } }
      guard Int.random(in: 0..<6, using: &generator) == 0 else { continue }
      let after = try TemporaryDirectory()
      for (path, bytes) in system.durableState() {
        let copy = after.path + path.dropFirst(directory.path.count)
        let parent = String(copy[..<(copy.lastIndex(of: "/") ?? copy.startIndex)])
        try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: copy))
      }
      let recovered = try TestLog(after.path, configuration).open()
      let values = try recovered.values()
      for (offset, value) in acknowledged {
        #expect(values[offset] == value, "seed \(seed), step \(step), offset \(offset)")
      }
      recovered.abandon(EventLogError(.illegalState, "done"))
    }
    _ = try log.close()
  }
}

@Suite("A damaged batch in the middle of a segment")
struct DamagedBatchTests {
  @Test("gives its error where it is reached; what lies before it is returned, and what lies behind can be sought")
  func middle() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open()
    for number in 0..<5 { try log.append("value \(number)") }
    let checkpoint = try log.close()
    var bytes = try Data(contentsOf: URL(fileURLWithPath: try test.activeFile))
    let size = bytes.count / 5
    bytes[2 * size + 70] ^= 1
    try bytes.write(to: URL(fileURLWithPath: try test.activeFile))
    let again = try TestLog(directory.path).open(checkpoint, wasClean: true)
    #expect(again.logEndOffset == 5)
    #expect(try again.values(from: 3) == [3: "value 3", 4: "value 4"])
    #expect(throws: EventLogError.self) { try again.values(from: 2) }
    again.abandon(EventLogError(.illegalState, "done"))
  }

  @Test("is met by readers of a log that is open just the same")
  func whileOpen() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open()
    for number in 0..<5 { try log.append("value \(number)") }
    let size = log.segments[0].size / 5
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: try test.activeFile))
    try handle.seek(toOffset: UInt64(2 * size + 70))
    try handle.write(contentsOf: Data([0xee]))
    try handle.close()
    let before = try log.read(from: 0, maxBytes: 1 << 20)
    #expect(before.batches.count == 2)
    #expect(before.nextOffset == 2)
    let error = #expect(throws: EventLogError.self) { try log.read(from: 2, maxBytes: 1 << 20) }
    #expect(error?.code == .corruptMessage)
    #expect(error?.offset == 2)
    #expect(error?.position == Int64(2 * size))
    #expect(try log.read(from: 3, maxBytes: 1 << 20).batches.count == 2)
    log.abandon(EventLogError(.unknownTopicOrPartition, "deleted"))
    let gone = #expect(throws: EventLogError.self) { try log.read(from: 0, maxBytes: 1) }
    #expect(gone?.code == .unknownTopicOrPartition)
  }
}
