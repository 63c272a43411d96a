import Foundation
import RecordFormat
import SegmentStore
import Testing

@Suite("The one batch that a reader has before it")
struct ReadLoneTests {
  private func reader(_ log: PartitionLog, at offset: Int64) throws -> FetchedBatches {
    var reader = FetchedBatches()
    try read(log, into: &reader, from: offset)
    reader.removeBatches()
    return reader
  }

  private func read(
    _ log: PartitionLog, into reader: inout FetchedBatches, from offset: Int64,
    _ isolation: IsolationLevel = .readUncommitted
  ) throws {
    try log.read(
      into: &reader, from: offset, maxBytes: 1 << 20, minimumOneBatch: true, isolation: isolation, checksCRC: true)
  }

  private func lone(
    _ log: PartitionLog, _ reader: inout FetchedBatches, from offset: Int64, limit: Int = 100, maxBytes: Int = .max,
    _ isolation: IsolationLevel = .readUncommitted
  ) -> PartitionRecords? {
    log.readLone(&reader, from: offset, limit: limit, maxBytes: maxBytes, isolation: isolation)
  }

  private func bytes(_ records: RecordBytes) -> [UInt8] { Array(records.region.bytes(records.range)) }

  @Test("is what reading gives, wherever it is given, over any history of a log", arguments: UInt64(0)..<8)
  func model(seed: UInt64) throws {
    var random = SplitMix(seed: seed)
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.segmentBytes = 2000
    let test = TestLog(directory.path, configuration)
    var log = try test.open(wasClean: true)
    try log.append("first")
    // One reader for each level, which goes by the short way where it can.
    var readers = [IsolationLevel.readUncommitted, .readCommitted].map { ($0, FetchedBatches(), Int64(0)) }
    var lones = 0
    for step in 0..<400 {
      switch Int.random(in: 0..<12, using: &random) {
      case 0: try log.rollActiveSegment()
      case 1:
        _ = try? log.appendMarker(
          ControlRecord(kind: Bool.random(using: &random) ? .commit : .abort, coordinatorEpoch: 0), producerID: 7,
          producerEpoch: 0)
      case 2:
        try log.append(["in a transaction"], by: 7, transactional: true)
      case 3:
        var options = AppendOptions(isDurable: false)
        options.compression = .gzip
        _ = try log.append(record: Record(value: String(repeating: "x", count: 200)), options)
      case 4 where step % 5 == 0:
        let checkpoint = try log.close()
        log = try test.open(checkpoint, wasClean: true)
        for index in readers.indices { readers[index].1 = FetchedBatches() }
      case 5: try log.append("durable", durably: true)
      default: try log.append("\(step)")
      }
      for index in readers.indices where Bool.random(using: &random) {
        var (isolation, reader, offset) = readers[index]
        var plain = reader
        try read(log, into: &plain, from: offset, isolation)
        if let lone = lone(log, &reader, from: offset, isolation) {
          lones += 1
          #expect(plain.batches.count == 1, "seed \(seed), step \(step)")
          let records = try #require(try plain.batches.first?.records())
          #expect(bytes(lone.records) == bytes(records))
          #expect(lone.records.header == records.header)
          #expect(lone.records.header.nextOffset == plain.nextOffset)
          offset = plain.nextOffset
        } else {
          offset = plain.nextOffset
          reader = plain
        }
        readers[index] = (isolation, reader, offset)
      }
    }
    #expect(lones > 20, "seed \(seed)")
    _ = try log.close()
  }

  @Test("is none where there are more batches, none, more records than are wanted, or more bytes")
  func limits() throws {
    let directory = try TemporaryDirectory()
    let log = try TestLog(directory.path).open(wasClean: true)
    try log.append("first")
    var reader = try reader(log, at: 0)
    #expect(lone(log, &reader, from: 1) == nil)
    _ = try log.append(records: [Record(value: "a"), Record(value: "b")].span, AppendOptions(isDurable: false))
    #expect(lone(log, &reader, from: 1, limit: 1) == nil)
    #expect(lone(log, &reader, from: 1, maxBytes: 20) == nil)
    #expect(lone(log, &reader, from: 2) == nil)
    #expect(lone(log, &reader, from: 1, limit: 2)?.records.header.recordCount == 2)
    for _ in 0..<2 { try log.append("more") }
    #expect(lone(log, &reader, from: 3) == nil)
    _ = try log.close()
  }

  @Test("is none where its bytes are not what its checksum says: reading tells why")
  func damaged() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open(wasClean: true)
    try log.append("first")
    var reader = try reader(log, at: 0)
    try log.append("damaged")
    let segment = try #require(log.segments.first)
    let file = try #require(FileHandle(forUpdatingAtPath: try test.activeFile))
    try file.seek(toOffset: UInt64(segment.size - 3))
    try file.write(contentsOf: [0xff])
    try file.close()
    #expect(lone(log, &reader, from: 1) == nil)
    let error = #expect(throws: EventLogError.self) { try read(log, into: &reader, from: 1) }
    #expect(error?.code == .corruptMessage)
    log.abandon(EventLogError(.illegalState, "damaged"))
  }
}
