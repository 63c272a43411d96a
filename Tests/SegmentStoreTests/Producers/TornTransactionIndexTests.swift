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

  @Test("says nothing of what is written in the place of a transaction that a power cut took back")
  func staleEntry() throws {
    var staleCount = 0
    for seed in 0..<60 as Range<UInt64> {
      let directory = try TemporaryDirectory()
      let files = FaultyFileSystem(root: directory.path)
      let test = TestLog(directory.path, fileSystem: files)
      var stopped = PartitionCheckpoint()
      // With and without something before it, which a snapshot knows of.
      if seed % 2 == 0 {
        let log = try test.open(wasClean: true)
        try log.append(["first"], by: 0)
        stopped = try log.close()
      }
      let again = try test.open(stopped, wasClean: true)
      try again.append(["aborted"], by: 1, transactional: true)
      try again.end(.abort, 1)
      files.cutPower()
      again.abandon(EventLogError(.illegalState, "the power is cut"))
      test.context.shutDown()
      try files.restorePower(tornBy: seed)
      let index = SegmentFiles(directory: test.directory, baseOffset: 0).transactionIndex
      let hasEntry = (try? Files.read(index))?.isEmpty == false
      let after = TestLog(directory.path, fileSystem: files)
      let found = try after.open(PartitionCheckpoint(logStartOffset: 0, recoveryPoint: stopped.recoveryPoint))
      guard found.logEndOffset == stopped.recoveryPoint else {
        found.abandon(EventLogError(.illegalState, "the transaction is there"))
        continue
      }
      staleCount += hasEntry ? 1 : 0
      #expect(((try? Files.read(index)) ?? []).isEmpty, "seed \(seed): it is gone before anybody reads it")
      try found.append(["kept"], by: 1, transactional: true)
      try found.end(.commit, 1)
      try found.append(["last"], by: 2)
      let closed = try found.close()
      let last = try after.open(closed, wasClean: true)
      #expect(Array(try last.committedValues().values.sorted().suffix(2)) == ["kept", "last"], "seed \(seed)")
      last.abandon(EventLogError(.illegalState, "over"))
      after.context.shutDown()
    }
    #expect(staleCount > 0)
  }

  @Test("that could not be removed is not vouched for by a snapshot")
  func stubbornFile() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, fileSystem: files)
    let log = try test.open(wasClean: true)
    try log.append(["first"], by: 0)
    let stopped = try log.close()
    let path = SegmentFiles(directory: test.directory, baseOffset: 0).transactionIndex
    var stale: [UInt8] = []
    AbortedTransaction(producerID: 1, firstOffset: 1, lastOffset: 2, lastStableOffset: 1).append(to: &stale)
    try Files.write(stale, to: path)
    files.arm(.unlink, after: 0, times: nil, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(".txnindex") }
    let found = try test.open(PartitionCheckpoint(logStartOffset: 0, recoveryPoint: stopped.recoveryPoint))
    try found.append(["kept"], by: 1, transactional: true)
    try found.end(.commit, 1)
    let closed = try found.close()
    #expect(try Files.read(path) == stale)
    files.heal()
    let last = try test.open(closed, wasClean: true)
    #expect(try last.committedValues() == [0: "first", 1: "kept"])
    _ = try last.close()
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
