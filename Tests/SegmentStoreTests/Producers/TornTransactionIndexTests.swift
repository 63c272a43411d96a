import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("The index of aborted transactions, after a power cut that tears")
struct TornTransactionIndexTests {
  @Test(
    "is there where a snapshot says that it is complete, or made anew: nothing that was aborted is shown, and all else is",
    arguments: [false, true])
  func torn(rolls: Bool) throws {
    for seed in 0..<60 as Range<UInt64> {
      let directory = try TemporaryDirectory()
      let files = FaultyFileSystem(root: directory.path)
      let test = TestLog(directory.path, fileSystem: files)
      let log = try test.open(wasClean: true)
      try log.append(["first"], by: 0, transactional: true)
      try log.end(.commit, 0)
      try log.append(["aborted"], by: 1, transactional: true)
      try log.flush()
      // A clean stop leaves a snapshot that knows of the open transaction, and the marker comes after it.
      let stopped = try log.close()
      let again = try test.open(stopped, wasClean: true)
      try again.end(.abort, 1)
      try again.append(["last"], by: 2)
      if rolls { try again.rollActiveSegment() }
      try again.flush()
      let checkpoint = rolls ? again.checkpoint : try again.close()
      files.cutPower()
      again.abandon(EventLogError(.illegalState, "the power is cut"))
      test.context.shutDown()
      try files.restorePower(tornBy: seed)
      let after = TestLog(directory.path, fileSystem: files)
      let found = try after.open(PartitionCheckpoint(logStartOffset: 0, recoveryPoint: checkpoint.recoveryPoint))
      #expect(try found.committedValues() == [0: "first", 4: "last"], "seed \(seed)")
      found.abandon(EventLogError(.illegalState, "over"))
      after.context.shutDown()
    }
  }

  @Test("that is damaged, and can't be made anew, is not taken for none at the opening after that")
  func failedReplacement() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, fileSystem: files)
    let log = try test.open(wasClean: true)
    try log.append(["aborted"], by: 1, transactional: true)
    try log.end(.abort, 1)
    try log.append(["last"], by: 2)
    let checkpoint = try log.close()
    try Files.write([1, 2, 3], to: SegmentFiles(directory: test.directory, baseOffset: 0).transactionIndex)
    files.arm(.rename, after: 0, times: nil, with: .fail(FaultyFileSystem.inputOutput)) { $0.contains(".txnindex") }
    for _ in 0..<2 {
      let again = try test.open(checkpoint, wasClean: true)
      #expect(try again.committedValues() == [2: "last"])
      again.abandon(EventLogError(.illegalState, "killed"))
    }
  }

  @Test("that is zeros is no index")
  func zeros() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open(wasClean: true)
    try log.append(["first"], by: 0, transactional: true)
    try log.end(.commit, 0)
    try log.append(["last"], by: 2)
    let checkpoint = try log.close()
    // Its name and its length came to the disk, and its content did not.
    let path = SegmentFiles(directory: test.directory, baseOffset: 0).transactionIndex
    try Files.write([UInt8](repeating: 0, count: AbortedTransaction.size), to: path)
    let again = try test.open(PartitionCheckpoint(logStartOffset: 0, recoveryPoint: checkpoint.recoveryPoint))
    #expect(try again.committedValues() == [0: "first", 2: "last"])
    _ = try again.close()
  }
}
