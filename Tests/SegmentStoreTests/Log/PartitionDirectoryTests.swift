import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("The small files of a partition's directory")
struct PartitionDirectoryTests {
  @Test("of which a power cut left only the beginning don't keep the log from being opened, and are made whole")
  func tornMetadata() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open()
    try log.append("a", durably: true)
    log.abandon(EventLogError(.illegalState, "killed"))
    let path = test.directory + "/" + PartitionMetadataFile.name
    let whole = try Files.read(path)
    for count in 0..<whole.count {
      try Files.write(Array(whole.prefix(count)), to: path)
      let log = try test.open()
      #expect(log.logEndOffset == 1)
      log.abandon(EventLogError(.illegalState, "killed"))
      #expect(try Files.read(path) == whole, "cut to \(count) bytes")
    }
    // Another topic's is another matter, and so is one that is damaged rather than torn.
    try Files.write(Array(String(decoding: whole, as: UTF8.self).dropLast().utf8) + Array("?".utf8), to: path)
    let error = #expect(throws: EventLogError.self) { try test.open() }
    #expect(error?.code == .storageError)
  }

  @Test("that are torn give no leader epoch with an offset that lacks digits")
  func tornEpochs() throws {
    let directory = try TemporaryDirectory()
    var epochs = LeaderEpochCheckpoint()
    epochs.assign(3, from: 12_345)
    for count in 0..<epochs.text.utf8.count {
      try Files.write(Array(epochs.text.utf8.prefix(count)), to: directory.path + "/" + LeaderEpochCheckpoint.name)
      #expect(
        PartitionDirectory.leaderEpochs(directory.path, LocalFileSystem()).entries.isEmpty, "cut to \(count) bytes")
    }
    try Files.write(Array(epochs.text.utf8), to: directory.path + "/" + LeaderEpochCheckpoint.name)
    #expect(PartitionDirectory.leaderEpochs(directory.path, LocalFileSystem()) == epochs)
  }

  @Test("lie in a directory that takes the place of an empty file, unless the log was on the disk, and of nothing else")
  func emptyFile() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    // Where a file system keeps no journal, a power cut may take a directory that was not synced and give its name to a file.
    try Files.write([], to: test.directory)
    let log = try test.open()
    #expect(try log.append("a", durably: true) == 0)
    #expect(test.warnings.all.count { $0.contains("an empty file lay") } == 1)
    log.abandon(EventLogError(.illegalState, "killed"))

    try FileManager.default.removeItem(atPath: test.directory)
    try Files.write([], to: test.directory)
    #expect(throws: EventLogError.self) { try test.open(log.checkpoint) }
    #expect(try Files.read(test.directory) == [])
    try Files.write([1], to: test.directory)
    #expect(throws: EventLogError.self) { try test.open() }
    #expect(try Files.read(test.directory) == [1])
    try FileManager.default.removeItem(atPath: test.directory)
    try FileManager.default.createSymbolicLink(atPath: test.directory, withDestinationPath: directory.path)
    #expect(throws: EventLogError.self) { try test.open() }
  }

  @Test("never go back to an earlier leader epoch, where nothing was written in the latest one yet")
  func emptyEpoch() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open()
    try log.append("a", durably: true)
    log.abandon(EventLogError(.illegalState, "killed"))
    var checkpoint = try test.open().close()
    for _ in 0..<2 { checkpoint = try test.open(checkpoint, wasClean: true).close() }
    let again = try test.open(checkpoint, wasClean: true)
    let offset = try again.append("b")
    let first = try again.read(from: 0, maxBytes: 1).batches.map(\.header.partitionLeaderEpoch)
    let second = try again.read(from: offset, maxBytes: 1).batches.map(\.header.partitionLeaderEpoch)
    #expect(second == first.map { $0 + 1 })
  }

  @Test("that the disk does not give are not taken for missing: a leader epoch would be given out again")
  func unreadableEpochs() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, fileSystem: files)
    let log = try test.open()
    try log.append("a", durably: true)
    log.abandon(EventLogError(.illegalState, "killed"))
    files.arm(.open, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) {
      $0.hasSuffix(LeaderEpochCheckpoint.name)
    }
    let error = #expect(throws: EventLogError.self) { try test.open() }
    #expect(error?.code == .inputOutput)
  }

  @Test(
    "give an offset that a power cut took back out again under another leader epoch, also where nothing of the log is left",
    arguments: [0, 1], [false, true])
  func epochs(durable: Int, isTorn: Bool) throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path)
    var checkpoint = PartitionCheckpoint()
    var seen: Set<[Int64]> = []
    for round in 0..<6 {
      let test = TestLog(directory.path, fileSystem: files)
      let log = try test.open(checkpoint, wasClean: round == 0)
      if round == 0 { for number in 0..<durable { try log.append("\(number)", durably: true) } }
      let offset = try log.append("round \(round)")
      let batches = try log.read(from: offset, maxBytes: 1000).batches
      let epoch = try #require(batches.first { $0.header.baseOffset == offset }).header.partitionLeaderEpoch
      let isNew = seen.insert([offset, Int64(epoch)]).inserted
      #expect(isNew, "offset \(offset), epoch \(epoch) in round \(round)")
      checkpoint = log.checkpoint
      files.cutPower()
      log.abandon(EventLogError(.illegalState, "the power is cut"))
      test.context.shutDown()
      if isTorn { try files.restorePower(tornBy: UInt64(round)) } else { try files.restorePower() }
    }
  }
}
