import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("A log that is prepared to be closed")
struct PrepareToCloseTests {
  @Test("is what it would be without, and takes appends until it is closed", arguments: [0, 3])
  func appends(between: Int) throws {
    let directories = [try TemporaryDirectory(), try TemporaryDirectory()]
    let tests = directories.map { TestLog($0.path) }
    var checkpoints: [PartitionCheckpoint] = []
    for (number, test) in tests.enumerated() {
      let log = try test.open()
      for value in 0..<5 { try log.append("value \(value)", timestamp: Int64(value)) }
      if number == 1 { log.prepareToClose() }
      for value in 0..<between { try log.append("later \(value)", timestamp: Int64(10 + value)) }
      checkpoints.append(try log.close())
      log.prepareToClose()
    }
    #expect(checkpoints[0] == checkpoints[1])
    #expect(checkpoints[1].logEndOffset == Int64(5 + between))
    let names = try FileManager.default.contentsOfDirectory(atPath: tests[0].directory)
    for name in names where name != "partition.metadata" {
      let files = tests.map { FileManager.default.contents(atPath: $0.directory + "/" + name) }
      // An entry of the time index says what the largest timestamp was when it was prepared.
      if name.hasSuffix(".timeindex"), between > 0 { continue }
      #expect(files[0] == files[1], "\(name)")
    }
    #expect(try tests[1].open(checkpoints[1], wasClean: true).values().count == 5 + between)
  }

  @Test("has given back what it had reserved, before any sync")
  func trimmed() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, fileSystem: files)
    let log = try test.open()
    try log.append("value")
    files.fail(.syncData, isPermanent: true, with: FaultyFileSystem.inputOutput)
    log.prepareToClose()
    #expect(files.count(.syncData) == 0)
    #expect(try files.status(test.activeFile)?.size == log.sizeInBytes)
    #expect(throws: EventLogError.self) { try log.close() }
  }

  @Test(
    "closes as if nothing had been tried where that failed", arguments: [FaultyFileSystem.Call.truncate, .open, .write])
  func failed(call: FaultyFileSystem.Call) throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, fileSystem: files)
    let log = try test.open()
    try log.append("value")
    files.fail(call, isPermanent: true, with: FaultyFileSystem.inputOutput)
    log.prepareToClose()
    files.heal()
    #expect(log.failure == nil)
    let checkpoint = try log.close()
    #expect(checkpoint.logEndOffset == 1)
    #expect(try test.open(checkpoint, wasClean: true).values() == [0: "value"])
  }
}
