import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Synchronization
import Testing

@Suite("Logs that are synced in turn")
struct SyncInTurnTests {
  private let directory: TemporaryDirectory
  private let files: FaultyFileSystem

  init() throws {
    directory = try TemporaryDirectory()
    files = FaultyFileSystem(root: directory.path, tracksDurability: false, syncs: false)
  }

  private func open(_ count: Int) throws -> (tests: [TestLog], logs: [PartitionLog]) {
    let tests = try (0..<count).map { number in
      let root = directory.path + "/\(number)"
      try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
      return TestLog(root, fileSystem: files)
    }
    return (tests, try tests.map { try $0.open() })
  }

  @Test(
    "are on their way to the disk, several at once, before the first of them is synced", arguments: [1, 2, 32, 100])
  func writtenOut(count: Int) throws {
    let (_, logs) = try open(count)
    for log in logs { try log.append("value") }
    let open = files.openFiles
    // How many were on their way at each sync.
    let seen = Mutex<(writtenOut: Int, atSyncs: [Int])>((0, []))
    files.arm(.startWriteback, after: 0, times: nil, with: .fail(FaultyFileSystem.inputOutput)) { _ in
      seen.withLock { $0.writtenOut += 1 }
      return false
    }
    files.arm(.syncData, after: 0, times: nil, with: .fail(FaultyFileSystem.inputOutput)) { _ in
      seen.withLock { $0.atSyncs.append($0.writtenOut) }
      return false
    }
    PartitionLog.flushInTurn(logs)
    #expect(seen.withLock { $0.atSyncs } == (0..<count).map { count == 1 ? 0 : min(count, ($0 / 32 + 1) * 32) })
    #expect(logs.allSatisfy { $0.durableOffset == 1 })
    #expect(files.openFiles == open)
  }

  @Test("have nothing written out of which there is nothing to sync")
  func clean() throws {
    let (_, logs) = try open(4)
    for log in logs[..<3] { try log.append("value", durably: true) }
    try logs[0].append("another")
    PartitionLog.flushInTurn(logs)
    #expect(files.count(.startWriteback) == 1)
    #expect(logs.map(\.durableOffset) == [2, 1, 1, 0])
  }

  @Test("go to the disk each when it is its turn where there is much to write")
  func large() throws {
    let (_, logs) = try open(3)
    for log in logs { try log.append("value") }
    try logs[1].append(String(repeating: "x", count: 70_000))
    PartitionLog.flushInTurn(logs)
    #expect(files.count(.startWriteback) == 2)
    #expect(logs.map(\.durableOffset) == [1, 2, 1])
  }

  @Test("are synced though the first of them fails, which is warned of")
  func failure() throws {
    let (tests, logs) = try open(3)
    for log in logs { try log.append("value") }
    files.arm(.syncData, after: 0, times: nil, with: .fail(FaultyFileSystem.inputOutput)) { $0.contains("/0/t-0/") }
    files.arm(.open, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.contains("/1/t-0/") }
    PartitionLog.flushInTurn(logs)
    #expect(logs.map(\.durableOffset) == [0, 1, 1])
    #expect(tests.map(\.warnings.all.count) == [1, 0, 0])
  }

  @Test(
    "have their metadata on the disk before they are closed; a single one is left to its closing", arguments: [1, 3])
  func metadata(count: Int) throws {
    let (_, logs) = try open(count)
    let open = files.openFiles
    PartitionLog.syncMetadata(of: logs)
    #expect(files.count(.startWriteback) == (count == 1 ? 0 : count))
    #expect(files.count(.syncData) == (count == 1 ? 0 : count))
    #expect(files.openFiles == open)
    for log in logs { #expect(try log.close().logEndOffset == 0) }
    #expect(files.count(.syncData) == count)
    PartitionLog.syncMetadata(of: logs)
    #expect(files.count(.syncData) == count)
  }

  @Test("are not closed in order where a sync of the metadata failed: the next one would know nothing of it")
  func metadataFailure() throws {
    let (_, logs) = try open(3)
    files.arm(.syncData, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.contains("/1/t-0/") }
    PartitionLog.syncMetadata(of: logs)
    #expect(try logs[0].close().logEndOffset == 0)
    #expect(throws: EventLogError.self) { try logs[1].close() }
    #expect(try logs[2].close().logEndOffset == 0)
  }

  @Test("are synced one by one, with no file more open, where descriptors are lacking")
  func descriptors() throws {
    let (tests, logs) = try open(40)
    for log in logs { try log.append("value") }
    let open = files.openFiles
    files.arm(.open, after: 20, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(".log") }
    PartitionLog.flushInTurn(logs)
    #expect(files.count(.startWriteback) == 8)
    #expect(logs.allSatisfy { $0.durableOffset == 1 })
    #expect(files.openFiles == open)
    #expect(tests.allSatisfy { $0.warnings.all.isEmpty })
  }

  @Test("are not warned of where they are closed")
  func closed() throws {
    let (tests, logs) = try open(2)
    for log in logs { try log.append("value") }
    logs[0].abandon(EventLogError(.unknownTopicOrPartition, "the topic was deleted"))
    PartitionLog.flushInTurn(logs)
    #expect(logs[1].durableOffset == 1)
    #expect(tests.allSatisfy { $0.warnings.all.isEmpty })
  }
}
