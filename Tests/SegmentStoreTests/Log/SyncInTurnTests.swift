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
    "are on their way to the disk, several at once, before the first of them is synced", arguments: [1, 2, 128, 300])
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
    #expect(seen.withLock { $0.atSyncs } == (0..<count).map { count == 1 ? 0 : min(count, ($0 / 128 + 1) * 128) })
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
    "have their metadata on the disk before they are closed, also where that was in vain at first", arguments: [1, 3])
  func metadata(count: Int) throws {
    let (_, logs) = try open(count)
    let open = files.openFiles
    files.arm(.syncData, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) {
      $0.hasSuffix("/0/t-0/partition.metadata")
    }
    PartitionLog.syncMetadata(of: logs)
    #expect(files.count(.startWriteback) == (count == 1 ? 0 : count))
    #expect(files.count(.syncData) == count)
    #expect(files.openFiles == open)
    for log in logs { _ = try log.close() }
    #expect(files.count(.syncData) == count + 1)
    PartitionLog.syncMetadata(of: logs)
    #expect(files.count(.syncData) == count + 1)
  }
}
