import Foundation
import RecordFormat
import SegmentStore
import Testing

@Suite("What a reader has before it")
struct BacklogTests {
  private static let done = EventLogError(.illegalState, "done")

  /// The timestamp of the first record from `offset` on, as the log's owner and as who looks in from outside has it.
  private func firstTimestamps(_ test: TestLog, _ log: PartitionLog, from offset: Int64) throws -> [Int64?] {
    let reader = PartitionReader(
      TopicPartition("t", 0), directory: test.directory, logStartOffset: 0, fileSystem: LocalFileSystem())
    return [
      try log.backlog(from: offset, isolation: .readUncommitted).firstTimestamp,
      try reader.firstTimestamp(from: offset),
    ]
  }

  @Test("begins at its first record's timestamp, whatever compaction has put into the header")
  func horizon() throws {
    let world = try CleanerWorld()
    try world.put([("a", "old"), ("b", nil), ("c", "kept")], timestamp: 777)
    try world.put([("a", "new")], timestamp: 888)
    try world.roll()
    try world.clean()
    let header = try #require(try world.batches().first?.header)
    try #require((header.deleteHorizon ?? 0) > world.now)
    for offset in 0..<3 as Range<Int64> {
      #expect(try firstTimestamps(world.test, world.log, from: offset) == [777, 777])
    }
    #expect(try firstTimestamps(world.test, world.log, from: 3) == [888, 888])
  }

  @Test("begins behind what compaction has left empty, and has no timestamp where its first record has none")
  func empty() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    _ = try test.open().close()
    try Files.write(
      CraftedBatch.empty(0, lastOffsetDelta: 3) + CraftedBatch.empty(4) + CraftedBatch.record(5, "a")
        + CraftedBatch.empty(6), to: try test.activeFile)
    let log = try test.open(PartitionCheckpoint(recoveryPoint: 7))
    #expect(try firstTimestamps(test, log, from: 0) == [1000, 1000])
    #expect(try firstTimestamps(test, log, from: 5) == [1000, 1000])
    #expect(try firstTimestamps(test, log, from: 6) == [nil, nil])
    _ = try log.append(record: Record(value: "no timestamp", timestamp: -1), AppendOptions(isDurable: true))
    try log.flush()
    #expect(try firstTimestamps(test, log, from: 6) == [nil, nil])
    log.abandon(Self.done)
  }
}
