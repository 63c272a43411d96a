import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("The index files of a log that is closed")
struct ClosingIndexTests {
  private func entries(_ test: TestLog) throws -> (offsets: Set<OffsetIndexEntry>, times: Set<TimeIndexEntry>) {
    let log = try test.activeFile
    let bytes = try [".index", ".timeindex"].map { kind in
      try test.context.fileSystem.contents(of: log.replacingOccurrences(of: ".log", with: kind))
    }
    let offsets = try #require(IndexFile.offsets(bytes[0], logSize: 1 << 30))
    let times = try #require(IndexFile.times(bytes[1]))
    return (Set(offsets), Set(times))
  }

  private func append(_ log: PartitionLog, _ range: Range<Int>, size: Int) throws {
    for number in range {
      try log.append(String(repeating: "x", count: size) + "\(number)", timestamp: Int64(number) * 10)
    }
  }

  /// Segments that one read holds, and that it does not.
  @Test(
    "say where its batches are, whether it was opened once or many times, and whatever was in them before an append",
    arguments: [10, 500], ["left alone", "cut off", "garbage", "too long", "gone"])
  func sameEntries(size: Int, before: String) throws {
    var configuration = LogConfiguration()
    configuration.indexIntervalBytes = 300
    let directories = [try TemporaryDirectory(), try TemporaryDirectory()]
    let tests = directories.map { TestLog($0.path, configuration) }
    let whole = try tests[0].open()
    try append(whole, 0..<90, size: size)
    _ = try whole.close()

    var checkpoint = PartitionCheckpoint()
    for round in 0..<3 {
      let log = try tests[1].open(checkpoint, wasClean: round > 0)
      try append(log, (round * 30)..<(round * 30 + 30), size: size)
      checkpoint = try log.close()
      checkpoint.shutdown = log.cleanShutdown(settledTime: .max)
      guard round < 2 else { continue }
      let fileSystem = tests[1].context.fileSystem
      for kind in [".index", ".timeindex"] {
        let path = try tests[1].activeFile.replacingOccurrences(of: ".log", with: kind)
        let bytes = try fileSystem.contents(of: path)
        switch before {
        case "cut off": try fileSystem.overwrite(path, with: Array(bytes.dropLast(5)))
        case "garbage": try fileSystem.overwrite(path, with: bytes.map { ~$0 })
        case "too long": try fileSystem.overwrite(path, with: bytes + [UInt8](repeating: 0x7f, count: 6000))
        case "gone": try fileSystem.unlink(path)
        default: break
        }
      }
    }
    let (expected, found) = (try entries(tests[0]), try entries(tests[1]))
    // The interval is counted anew after each stop, and each stop adds what the largest timestamp was by then.
    #expect(found.offsets.isSubset(of: expected.offsets))
    #expect(found.offsets.count >= expected.offsets.count - 2)
    #expect(found.times.count >= expected.times.count - 2)
    #expect(found.times.allSatisfy { $0.timestamp == Int64($0.relativeOffset) * 10 })
    #expect(found.times.contains(TimeIndexEntry(timestamp: 890, relativeOffset: 89)))
  }
}
