import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

/// What a dead process left is on the disk before it is shown. Where that takes long, the opening does not wait for it.
@Suite("A long tail that a dead process left")
struct LongTailTests {
  private let text = String(repeating: "x", count: 64 << 10)
  private let count = Int64(100)

  private func faults(_ directory: TemporaryDirectory) throws -> FaultyFileSystem {
    FaultyFileSystem(root: directory.path + "/data", syncs: false)
  }

  private func test(_ directory: TemporaryDirectory, _ faults: FaultyFileSystem) throws -> TestLog {
    let root = directory.path + "/data"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    return TestLog(root, fileSystem: faults)
  }

  /// Appends more than an opening waits for, of which the first `synced` records are on the disk, and dies.
  private func kill(_ test: TestLog, synced: Int64 = 0) throws -> PartitionCheckpoint {
    // As a new topic's: nothing but its own syncs makes its names durable.
    let log = try test.open(wasClean: true)
    for number in 0..<count {
      try log.append("\(number) " + text)
      if number + 1 == synced { try log.flush() }
    }
    let checkpoint = log.checkpoint
    #expect(checkpoint.recoveryPoint == synced)
    log.abandon(EventLogError(.illegalState, "killed"))
    return checkpoint
  }

  @Test("is not waited for by the opening, and shown once it is synced", arguments: [0, 30])
  func opening(synced: Int64) throws {
    let directory = try TemporaryDirectory()
    let faults = try faults(directory)
    let test = try test(directory, faults)
    let checkpoint = try kill(test, synced: synced)
    faults.arm(.syncData, after: 0, times: nil, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(".log") }
    let log = try test.open(checkpoint)
    #expect(log.isRecovering)
    #expect(log.logEndOffset == count)
    #expect(log.highWatermark == synced)
    #expect(log.checkpoint.recoveryPoint == synced)
    faults.heal()
    try log.waitUntilRecovered()
    #expect(!log.isRecovering)
    #expect(log.highWatermark == count)
    #expect(log.checkpoint.recoveryPoint == count)
    #expect(try log.values().count == Int(count))
    _ = try log.close()
  }

  @Test("is synced by who asks for it", arguments: ["read", "timestamp", "largest timestamp", "append", "close"])
  func asking(what: String) throws {
    let directory = try TemporaryDirectory()
    let faults = try faults(directory)
    let test = try test(directory, faults)
    let log = try test.open(try kill(test))
    switch what {
    case "read":
      let batches = try log.read(from: 0, maxBytes: 1 << 30).batches
      #expect(batches.count == Int(count))
    case "timestamp": #expect(try log.offset(forTimestamp: 0)?.offset == 0)
    case "largest timestamp": #expect(try log.offsetOfMaxTimestamp() != nil)
    case "append":
      let offset = try log.append("durable", durably: true)
      #expect(offset == count)
    default:
      let checkpoint = try log.close()
      #expect(checkpoint.recoveryPoint == count)
      #expect(checkpoint.logEndOffset == count)
    }
    faults.cutPower()
    log.abandon(EventLogError(.illegalState, "no power"))
    try faults.restorePower()
    let again = try test.open()
    try again.waitUntilRecovered()
    let values = try again.values()
    #expect(values.count == Int(again.logEndOffset))
    #expect(again.logEndOffset >= count)
    _ = try again.close()
  }

  @Test("is not waited for either where there are many short ones")
  func manyShort() throws {
    let directory = try TemporaryDirectory()
    let faults = try faults(directory)
    let test = try test(directory, faults)
    var log = try test.open(wasClean: true)
    try log.append("short")
    var waited = 0
    for _ in 0..<100 {
      log.abandon(EventLogError(.illegalState, "killed"))
      let syncs = faults.count(.syncData)
      log = try test.open()
      #expect(log.isRecovering == (faults.count(.syncData) == syncs))
      #expect(log.highWatermark == (log.isRecovering ? 0 : 1))
      if !log.isRecovering { waited += 1 }
    }
    #expect((1..<100).contains(waited))
    #expect(try log.values().isEmpty)
    try log.waitUntilRecovered()
    #expect(try log.values() == [0: "short"])
    _ = try log.close()
  }

  @Test("was seen by nobody where a power cut takes it after all")
  func powerCut() throws {
    let directory = try TemporaryDirectory()
    let faults = try faults(directory)
    let test = try test(directory, faults)
    let log = try test.open(try kill(test, synced: 30))
    // Else nothing would ever come to the gate.
    try #require(log.isRecovering)
    let gate = Gate()
    faults.arm(.syncData, after: 0, times: nil, with: .hold(gate)) { $0.hasSuffix(".log") }
    let sync = Thread { try? log.waitUntilRecovered() }
    let reached = DispatchSemaphore(value: 0)
    gate.whenReached { reached.signal() }
    sync.start()
    reached.wait()
    let seen = try log.values().count
    #expect(seen == 30)
    let error = #expect(throws: EventLogError.self) {
      faults.cutPower()
      _ = try log.read(from: 30, maxBytes: 1)
    }
    #expect(error?.code == .storageError)
    log.abandon(EventLogError(.illegalState, "no power"))
    try faults.restorePower()
    let again = try test.open(PartitionCheckpoint(recoveryPoint: 30))
    #expect(try again.values().count == 30)
    _ = try again.close()
  }

  @Test("gives an error, and is there at the next opening, where its sync fails")
  func failingSync() throws {
    let directory = try TemporaryDirectory()
    let faults = try faults(directory)
    let test = try test(directory, faults)
    let log = try test.open(try kill(test))
    faults.arm(.syncData, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(".log") }
    let first = #expect(throws: EventLogError.self) { _ = try log.read(from: 0, maxBytes: 1) }
    #expect(first?.code == .storageError)
    // The disk works again; what it was given may be gone all the same.
    let second = #expect(throws: EventLogError.self) { _ = try log.read(from: 0, maxBytes: 1) }
    #expect(second?.code == .storageError)
    log.abandon(EventLogError(.illegalState, "killed"))
    let file = try test.activeFile
    let before = Inode.of(file)
    let again = try test.open()
    #expect(Inode.of(file) != before)
    #expect(try again.values().count == Int(count))
    _ = try again.close()
  }

  @Test("ends the log's writes where the first append can't sync it, and is written anew by the next opening")
  func failingSyncOfFirstAppend() throws {
    let directory = try TemporaryDirectory()
    let faults = try faults(directory)
    let test = try test(directory, faults)
    let log = try test.open(try kill(test))
    try #require(log.isRecovering)
    faults.arm(.syncData, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(".log") }
    // The disk works again at the second one.
    for _ in 0..<2 {
      let error = #expect(throws: EventLogError.self) { try log.append("behind what is lost", durably: true) }
      #expect(error?.code == .storageError)
    }
    #expect(throws: EventLogError.self) { try log.waitUntilRecovered() }
    log.abandon(EventLogError(.illegalState, "killed"))
    let file = try test.activeFile
    let before = Inode.of(file)
    let again = try test.open()
    #expect(Inode.of(file) != before)
    #expect(try again.values().count == Int(count))
    _ = try again.close()
  }

  @Test("is no longer than what was written since the checkpoint before the last")
  func checkpoints() throws {
    let directory = try TemporaryDirectory()
    let faults = try faults(directory)
    let log = try test(directory, faults).open()
    for number in 0..<3 { try log.append("\(number)") }
    try log.flushAtCheckpoint()
    #expect(log.checkpoint.recoveryPoint == 0)
    for number in 3..<5 { try log.append("\(number)") }
    try log.flushAtCheckpoint()
    #expect(log.checkpoint.recoveryPoint == 5)
    let syncs = faults.count(.syncData)
    for _ in 0..<3 { try log.flushAtCheckpoint() }
    #expect(faults.count(.syncData) == syncs)
    // One that failed is told of once, by the sync.
    for number in 5..<7 { try log.append("\(number)") }
    try log.flushAtCheckpoint()
    faults.fail(.syncData, with: FaultyFileSystem.inputOutput)
    #expect(throws: EventLogError.self) { try log.flushAtCheckpoint() }
    try log.flushAtCheckpoint()
    #expect(log.checkpoint.recoveryPoint == 5)
    log.abandon(EventLogError(.illegalState, "killed"))
  }

  @Test("keeps its producers, whose numbers go on")
  func producers() throws {
    let directory = try TemporaryDirectory()
    let faults = try faults(directory)
    let test = try test(directory, faults)
    let log = try test.open()
    for number in 0..<Int32(count) {
      _ = try log.append(
        record: Record(value: text),
        AppendOptions(isDurable: false, producer: ProducerStamp(id: 7, epoch: 0, sequence: number)))
    }
    log.abandon(EventLogError(.illegalState, "killed"))
    let again = try test.open()
    #expect(again.isRecovering)
    let repeated = try again.append(
      record: Record(value: text),
      AppendOptions(isDurable: false, producer: ProducerStamp(id: 7, epoch: 0, sequence: Int32(count) - 1)))
    #expect(repeated.baseOffset == count - 1)
    #expect(again.logEndOffset == count)
    _ = try again.close()
  }
}

extension PartitionLog {
  fileprivate func flushAtCheckpoint() throws {
    if isFlushDueAtCheckpoint() { try flush() }
  }
}
