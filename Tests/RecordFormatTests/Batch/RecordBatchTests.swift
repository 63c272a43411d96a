import RecordFormat
import Testing

@Suite("A record batch")
struct RecordBatchTests {
  @Test("reads back as it was written, with every codec", arguments: CompressionType.allCases)
  func roundTrip(compression: CompressionType) throws {
    for seed in UInt64(0)..<40 {
      var generator = SeededGenerator(seed: seed)
      let records = (0..<Int.random(in: 1...60, using: &generator)).map { _ in generator.record() }
      let now: Int64 = 1_700_000_000_123
      let region = try Batches.encode(records, now: now, compression: compression)
      let expected = records.map { record in
        var filled = record
        filled.timestamp = record.timestamp ?? now
        return filled
      }
      #expect(try Batches.decode(region) == expected, "seed \(seed)")
    }
  }

  @Test("has Kafka's bytes")
  func bytes() throws {
    let record = Record(key: [0x6b], value: nil, headers: [RecordHeader("h", [])], timestamp: 5)
    let batch = try Batches.bytes([record], baseOffset: 0x0102)
    #expect(
      Array(batch.prefix(17)) == [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 61 - 12 + 11, 0, 0, 0, 0, 2])
    #expect(Array(batch.dropFirst(21).prefix(6)) == [0, 0, 0, 0, 0, 0])
    // length 10 (zigzag 20), attributes, timestamp delta 0, offset delta 0, key length 1 (zigzag 2), "k", null (zigzag -1 = 1),
    // one header, its name's length 1, "h", an empty value.
    #expect(Array(batch.dropFirst(61)) == [20, 0, 0, 0, 2, 0x6b, 1, 2, 2, 0x68, 0])
  }

  @Test("is never read wrongly, whichever bit of it is flipped")
  func bitFlips() throws {
    var generator = SeededGenerator(seed: 3)
    let records = (0..<3).map { _ in generator.record(valueLimit: 20) }
    let good = try Batches.bytes(records, baseOffset: 77)
    for bit in 0..<(good.count * 8) {
      var bytes = good
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      let region = bytes.withUnsafeBytes { MemoryRegion(copying: $0) }
      guard case .batch(let header) = RecordBatchCheck.header(region.bytes, available: region.count) else { continue }
      let batch = RecordBatchView(region: region, start: 0, header: header)
      // Base offset and leader epoch are not covered: continuity sees to the one, nothing depends on the other.
      if batch.hasValidChecksum { #expect(bit / 8 < 8 || (12..<16).contains(bit / 8), "byte \(bit / 8)") }
    }
  }

  @Test("whose lengths lie is refused though its checksum is good", arguments: UInt64(0)..<200)
  func lyingLengths(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let records = (0..<5).map { _ in generator.record(valueLimit: 30) }
    var bytes = try Batches.bytes(records)
    let index = Int.random(in: RecordBatchHeader.size..<bytes.count, using: &generator)
    bytes[index] = UInt8.random(in: 0...255, using: &generator)
    bytes.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      base.storeBigEndian(RecordBatchCheck.checksum(UnsafeRawBufferPointer(buffer)), 17)
    }
    let region = bytes.withUnsafeBytes { MemoryRegion(copying: $0) }
    // Either an error, or records that lie within the batch: never a crash, never more than there are.
    if let read = try? Batches.decode(region) { #expect(read.count == records.count) }
  }

  @Test("with an impossible header is no batch")
  func headers() throws {
    let good = try Batches.bytes([Record(value: "v")])
    func check(_ change: (inout [UInt8]) -> Void) -> RecordBatchCheck.Header {
      var bytes = good
      change(&bytes)
      return bytes.withUnsafeBytes { RecordBatchCheck.header($0, available: $0.count) }
    }
    func isCorrupt(_ header: RecordBatchCheck.Header) -> Bool { if case .corrupt = header { true } else { false } }
    #expect(isCorrupt(check { $0.replaceSubrange(8..<12, with: [0, 0, 0, 48]) }))
    #expect(isCorrupt(check { $0.replaceSubrange(8..<12, with: [0xff, 0, 0, 0]) }))
    #expect(isCorrupt(check { $0[16] = 1 }))
    #expect(isCorrupt(check { $0.replaceSubrange(23..<27, with: [0xff, 0xff, 0xff, 0xff]) }))
    #expect(isCorrupt(check { $0.replaceSubrange(0..<8, with: [0x7f] + [UInt8](repeating: 0xff, count: 7)) }))
    #expect(isCorrupt(check { $0.replaceSubrange(57..<61, with: [0, 0, 0, 2]) }))
    let longer = check { $0.replaceSubrange(8..<12, with: [0x7f, 0xff, 0xff, 0xff]) }
    guard case .incomplete = longer else {
      Issue.record("a batch that is longer than the file: \(longer)")
      return
    }
    if case .unwritten = check({ $0 = [UInt8](repeating: 0, count: $0.count) }) {} else { Issue.record("zeros") }
  }

  @Test("counts sequences on past the largest number from 0")
  func sequences() {
    let header = RecordBatchHeader(
      baseOffset: 0, lastOffsetDelta: 9, baseTimestamp: 0, maxTimestamp: 0, producerID: 1, producerEpoch: 0,
      baseSequence: Int32.max - 4, recordCount: 10)
    #expect(header.lastSequence == 4)
  }
}
