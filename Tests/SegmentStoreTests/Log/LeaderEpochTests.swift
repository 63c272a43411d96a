import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("The leader epoch")
struct LeaderEpochTests {
  private static let killed = EventLogError(.illegalState, "killed")

  /// A log that was written to and killed.
  private func killed(_ test: TestLog) throws {
    let log = try test.open()
    try log.append("before", durably: true)
    log.abandon(Self.killed)
  }

  private func epoch(_ log: PartitionLog, of offset: Int64) throws -> Int32? {
    try log.read(from: offset, maxBytes: 1).batches.first?.header.partitionLeaderEpoch
  }

  private func onDisk(_ test: TestLog) -> LeaderEpochCheckpoint {
    PartitionDirectory.leaderEpochs(test.directory, LocalFileSystem())
  }

  @Test("of what is written after an unclean stop is one more, and no opening waits for it")
  func first() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path)
    let test = TestLog(directory.path, fileSystem: files)
    try killed(test)
    let before = onDisk(test)
    let syncs = files.count(.syncData) + files.count(.syncDirectory)
    let log = try test.open(PartitionCheckpoint(recoveryPoint: 1))
    #expect(files.count(.syncData) + files.count(.syncDirectory) == syncs)
    #expect(onDisk(test) == before)
    #expect(log.leaderEpochs.entries == before.entries + [.init(epoch: 2, startOffset: 1)])
    try log.append("after")
    try log.append("and more")
    #expect(onDisk(test).entries == before.entries + [.init(epoch: 2, startOffset: 1)])
    #expect(log.leaderEpochs == onDisk(test))
    #expect(try [0, 1, 2].map { try epoch(log, of: $0) } == [1, 2, 2])
  }

  @Test("is on the disk before anything that has it: offsets that a power cut takes back are given out under another")
  func powerCuts() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path)
    let test = TestLog(directory.path, fileSystem: files)
    try killed(test)
    var seen: [Int32?] = []
    for _ in 0..<4 {
      let log = try test.open(PartitionCheckpoint(recoveryPoint: 1))
      #expect(try log.append("taken back") == 1)
      seen.append(try epoch(log, of: 1))
      files.cutPower()
      log.abandon(Self.killed)
      try files.restorePower()
    }
    #expect(seen == [2, 3, 4, 5])
  }

  @Test("is owed until something is appended, over any number of stops", arguments: [false, true])
  func owed(hasRecord: Bool) throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    try killed(test)
    var checkpoint = PartitionCheckpoint(recoveryPoint: 1)
    var wasClean = false
    for _ in 0..<3 {
      let log = try test.open(checkpoint, wasClean: wasClean)
      checkpoint = try log.close()
      if hasRecord {
        checkpoint.shutdown = log.cleanShutdown(settledTime: .max)
        #expect(checkpoint.shutdown != nil)
      }
      #expect(onDisk(test).latestEpoch == 1)
      wasClean = true
    }
    let log = try test.open(checkpoint, wasClean: true)
    try log.append("after")
    #expect(try epoch(log, of: 1) == 2)
    checkpoint = try log.close()
    let again = try test.open(checkpoint, wasClean: true)
    try again.append("in the same")
    #expect(try epoch(again, of: 2) == 2)
  }

  @Test("of a log that nobody used is another after an unclean stop, however that was opened and closed meanwhile")
  func untouched() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open()
    try log.append("before")
    var checkpoint = try log.close()
    checkpoint.shutdown = log.cleanShutdown(settledTime: .max)
    // Stops of a session that had no use for it: an unclean one, and a clean one.
    test.context.uncleanStops += 1
    _ = try #require(try test.untouched(checkpoint, wasClean: false))
    let opened = try #require(try test.untouched(checkpoint)).makeLog()
    #expect(opened.checkpoint.uncleanStops == PartitionCheckpoint.owesEpoch)
    try opened.append("after")
    #expect(try [0, 1].map { try epoch(opened, of: $0) } == [1, 2])
    #expect(opened.checkpoint.uncleanStops == 1)
  }

  @Test("has nothing old behind it: what was cut is off the disk before anything is written in its place")
  func cut() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path)
    let test = TestLog(directory.path, fileSystem: files)
    let log = try test.open(wasClean: true)
    try log.append("acknowledged", durably: true)
    let hole = try #require(log.segments.first).size
    try log.append("not on the disk")
    let behind = try #require(log.segments.first).size
    try log.append("on the disk, though later")
    log.abandon(Self.killed)
    let path = try test.activeFile
    var bytes = try Files.read(path)
    bytes.replaceSubrange(hole..<behind, with: repeatElement(0, count: behind - hole))
    try Files.write(bytes, to: path)
    files.writeOut()
    let recovered = try test.open(PartitionCheckpoint(recoveryPoint: 1))
    #expect(recovered.logEndOffset == 1)
    try recovered.append("not on the disk")
    // Without a sync of the log: where that writes pages out, the disk has one or the other.
    let durable = try #require(files.durableState()[path])
    #expect(durable.count <= hole || durable[hole...].allSatisfy { $0 == 0 })
    recovered.abandon(Self.killed)
  }

  @Test("is known of what was written before, where the file lost that and nothing was appended for some sessions")
  func lostFile() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    try killed(test)
    let log = try test.open(PartitionCheckpoint(recoveryPoint: 1))
    try log.append("in another")
    log.abandon(Self.killed)
    let before = onDisk(test)
    try FileManager.default.removeItem(atPath: test.directory + "/leader-epoch-checkpoint")
    let reopened = try test.open(PartitionCheckpoint(recoveryPoint: 1))
    var checkpoint = try reopened.close()
    checkpoint.shutdown = reopened.cleanShutdown(settledTime: .max)
    let again = try test.open(checkpoint, wasClean: true)
    try again.append("after")
    #expect(onDisk(test).entries == before.entries.filter { $0.epoch > 0 } + [.init(epoch: 3, startOffset: 2)])
  }

  @Test("that is owed is no reason to write a checkpoint down, which would take the record of the log with it")
  func unsaved() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open(wasClean: true)
    try log.append("before")
    var checkpoint = try log.close()
    checkpoint.shutdown = log.cleanShutdown(settledTime: .max)
    test.context.uncleanStops += 1
    let opened = try #require(try test.untouched(checkpoint, wasClean: false)).makeLog()
    #expect(opened.unsavedCheckpoint == nil)
    try opened.append("after")
    #expect(opened.unsavedCheckpoint != nil)
    opened.abandon(Self.killed)
  }

  @Test("that can't be written refuses the append, which has changed nothing, and is tried again")
  func diskFull() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, fileSystem: files)
    try killed(test)
    let log = try test.open(PartitionCheckpoint(recoveryPoint: 1))
    files.arm(.write, after: 0, times: 2, with: .fail(FaultyFileSystem.diskFull)) { $0.contains("leader-epoch") }
    for _ in 0..<2 {
      let error = #expect(throws: EventLogError.self) { try log.append("no room") }
      #expect(error?.code == .diskFull)
      #expect(error?.partition == 0)
    }
    #expect(try log.append("after") == 1)
    #expect(try epoch(log, of: 1) == 2)
  }

  @Test("whose name could not be synced ends the log's writes: a second try would prove nothing")
  func failedSync() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, fileSystem: files)
    try killed(test)
    let log = try test.open(PartitionCheckpoint(recoveryPoint: 1))
    files.arm(.syncDirectory, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { _ in true }
    for _ in 0..<2 { #expect(throws: EventLogError.self) { try log.append("not promised") } }
    #expect(try log.values() == [0: "before"])
    let checkpoint = try log.close()
    #expect(checkpoint.logEndOffset == nil)
    #expect(FileManager.default.fileExists(atPath: directory.path + "/t-0.sync-failed"))
    let again = try test.open(checkpoint)
    try again.append("after")
    #expect(try epoch(again, of: 1) ?? 0 > 1)
  }
}
