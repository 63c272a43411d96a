import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("What is rare, but valid")
struct EdgeCaseTests {
  private static let transaction = BatchAttributes(isTransactional: true)
  private static let marker = BatchAttributes(isTransactional: true, isControl: true)

  /// A log of crafted batches, opened as after a clean stop.
  private func log(_ root: String, base: Int64 = 0, _ batches: [[UInt8]], end: Int64) throws -> (TestLog, PartitionLog)
  {
    let test = TestLog(root)
    _ = try test.open(PartitionCheckpoint(logStartOffset: base)).close()
    try Files.write(Array(batches.joined()), to: try test.activeFile)
    let log = try test.open(PartitionCheckpoint(logStartOffset: base, recoveryPoint: end))
    return (test, log)
  }

  @Test("markers and batches whose records were compacted away are passed over, in either isolation")
  func emptyBatches() throws {
    let directory = try TemporaryDirectory()
    let (_, log) = try log(
      directory.path,
      [
        CraftedBatch.record(0, "a"), CraftedBatch.empty(1, attributes: Self.marker, producerID: 7),
        CraftedBatch.empty(2, lastOffsetDelta: 3),
        CraftedBatch.record(6, "b", attributes: Self.transaction, producerID: 8),
        CraftedBatch.empty(7, attributes: Self.marker, producerID: 7), CraftedBatch.record(8, "c"),
      ], end: 9)
    #expect(try log.values() == [0: "a", 6: "b", 8: "c"])
    // The transaction of producer 8 is still open.
    #expect(log.lastStableOffset == 6)
    #expect(try log.read(from: 0, maxBytes: 1 << 20, isolation: .readCommitted).nextOffset == 6)
    _ = try log.close()
  }

  @Test("an import takes them over", arguments: [true, false])
  func importOfEmptyMarkers(isEmpty: Bool) throws {
    let directory = try TemporaryDirectory()
    let source = directory.path + "/x-0"
    try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
    try Files.write(
      CraftedBatch.record(0, "a") + CraftedBatch.empty(1, attributes: isEmpty ? Self.marker : .init(), producerID: 7),
      to: source + "/00000000000000000000.log")
    var work = PartitionImport(
      from: source, to: directory.path + "/y-0", fileSystem: LocalFileSystem(), progress: { _, _ in })
    #expect(try work.run().logEndOffset == 2)
  }

  @Test("index entries that name offsets beyond the last there is are no entries", arguments: [true, false])
  func indexBeyondLastOffset(wasClean: Bool) throws {
    for (base, bytes) in [(.max - 3, CraftedBatch.record(.max - 3, "a")), (Int64.max, [1, 2, 3])] {
      let directory = try TemporaryDirectory()
      let test = TestLog(directory.path)
      try FileManager.default.createDirectory(atPath: test.directory, withIntermediateDirectories: true)
      let files = SegmentFiles(directory: test.directory, baseOffset: base)
      try Files.write(bytes, to: files.log)
      try Files.write([], to: files.offsetIndex)
      var entry: [UInt8] = []
      TimeIndexEntry(timestamp: 1000, relativeOffset: 100).append(to: &entry)
      try Files.write(entry, to: files.timeIndex)
      let end = base == .max ? 7 : base + 1
      let log = try test.open(PartitionCheckpoint(recoveryPoint: 0, logEndOffset: end), wasClean: wasClean)
      #expect(try log.values(from: base).count == (base == .max ? 0 : 1))
      log.abandon(EventLogError(.illegalState, "done"))
    }
  }

  @Test("a compacted segment at the last offset there is takes its place")
  func swapAtLastOffset() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    try FileManager.default.createDirectory(atPath: test.directory, withIntermediateDirectories: true)
    let files = SegmentFiles(directory: test.directory, baseOffset: .max)
    try Files.write([], to: files.log + SegmentFiles.swapSuffix)
    let log = try test.open()
    #expect(log.logEndOffset == .max)
    log.abandon(EventLogError(.illegalState, "done"))
  }

  @Test("an import of what Kafka left in the middle of a compaction is refused: the .swap may be the only one there is")
  func importOfUnfinishedSwap() throws {
    let directory = try TemporaryDirectory()
    let source = directory.path + "/x-0"
    try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
    try Files.write(CraftedBatch.record(0, "a"), to: source + "/00000000000000000000.log.swap")
    try Files.write(CraftedBatch.record(7, "b"), to: source + "/00000000000000000007.log")
    var work = PartitionImport(
      from: source, to: directory.path + "/y-0", fileSystem: LocalFileSystem(), progress: { _, _ in })
    let error = #expect(throws: EventLogError.self) { _ = try work.run() }
    #expect(error?.code == .invalidRequest && error?.file == source + "/00000000000000000000.log.swap")
    #expect(!FileManager.default.fileExists(atPath: directory.path + "/y-0"))
    // Of an index alone nothing is lost.
    try FileManager.default.moveItem(
      atPath: source + "/00000000000000000000.log.swap", toPath: source + "/00000000000000000000.log")
    try Files.write([], to: source + "/00000000000000000000.index.swap")
    #expect(try work.run().records == 2)
  }

  @Test("the last offsets there are can be read, and what has none left is refused")
  func lastOffsets() throws {
    let directory = try TemporaryDirectory()
    let base = Int64.max - 3
    let (_, log) = try log(directory.path, base: base, [CraftedBatch.record(base, "a")], end: base + 1)
    #expect(try log.append("b") == base + 1)
    #expect(try log.append("c") == base + 2)
    let error = #expect(throws: EventLogError.self) { try log.append("d") }
    #expect(error?.code == .illegalState)
    #expect(try log.values().values.sorted() == ["a", "b", "c"])
    #expect(try log.offset(forTimestamp: 0)?.offset == base)
    _ = try log.close()
  }

  @Test("a record whose offset delta is not of its batch is no reason to end the process")
  func deltaBeyondTheEnd() throws {
    let directory = try TemporaryDirectory()
    let base = Int64.max - 3
    var header = RecordBatchHeader(
      baseOffset: base, lastOffsetDelta: 0, baseTimestamp: 1000, maxTimestamp: 1000, recordCount: 1)
    header.producerID = -1
    // Attributes, timestamp delta, an offset delta of Int32.max in five bytes, a null key, a null value, no headers.
    let payload: [UInt8] = [20, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 1, 0]
    let (_, log) = try log(directory.path, base: base, [CraftedBatch.bytes(header, payload: payload)], end: base + 1)
    _ = try? log.offset(forTimestamp: 0)
    _ = try? log.read(from: base, maxBytes: 1)
    _ = try log.close()
  }

  @Test("a batch that only a raised segment.bytes allows goes into a segment that was mapped before")
  func raisedSegmentBytes() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    var configuration = LogConfiguration()
    configuration.segmentBytes = 100
    let log = try TestLog(directory.path, configuration, fileSystem: system).open()
    system.fail(.allocate, isPermanent: true, with: EventLogError(.diskFull, "no room", errno: 28))
    #expect(throws: EventLogError.self) { try log.append("a") }
    system.heal()
    configuration.segmentBytes = 1 << 20
    log.update(configuration)
    let text = String(repeating: "x", count: 100_000)
    #expect(try log.append(text) == 0)
    #expect(try log.values() == [0: text])
    _ = try log.close()
  }

  @Test("the largest timestamp can be asked for while the first append after an opening is under way")
  func maxTimestampWhileAppending() async throws {
    for round in 0..<20 {
      let directory = try TemporaryDirectory()
      let test = TestLog(directory.path)
      let first = try test.open()
      try first.append("a", timestamp: 1)
      let checkpoint = try first.close()
      let log = try test.open(checkpoint, wasClean: true)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { for number in 0..<200 { try log.append("b", timestamp: Int64(number)) } }
        group.addTask {
          for _ in 0..<200 {
            let largest = try log.offsetOfMaxTimestamp()
            #expect((largest?.timestamp ?? 0) >= 1, "round \(round)")
          }
        }
        try await group.waitForAll()
      }
      _ = try log.close()
    }
  }
}
