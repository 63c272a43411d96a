import RecordFormat

/// A generator that gives the same numbers for the same seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func bytes(upTo limit: Int) -> [UInt8] {
    (0..<Int.random(in: 0...limit, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) }
  }

  mutating func optionalBytes(upTo limit: Int) -> [UInt8]? {
    Int.random(in: 0..<5, using: &self) == 0 ? nil : bytes(upTo: limit)
  }

  mutating func record(valueLimit: Int = 300) -> Record {
    let headers = (0..<(Bool.random(using: &self) ? 0 : Int.random(in: 0..<4, using: &self))).map { number in
      RecordHeader(["", "trace", "é\(number)"].randomElement(using: &self) ?? "", optionalBytes(upTo: 20))
    }
    return Record(
      key: optionalBytes(upTo: 40), value: optionalBytes(upTo: valueLimit), headers: headers,
      timestamp: Bool.random(using: &self) ? nil : Int64.random(in: -1...2_000_000_000_000, using: &self))
  }
}

enum Batches {
  /// Encodes a batch as the log does, compressed or not.
  static func encode(
    _ records: [Record], baseOffset: Int64 = 0, now: Int64 = 1_700_000_000_000, compression: CompressionType = .none
  ) throws -> MemoryRegion {
    let measure = RecordBatchEncoder.measure(records.span, now: now, accepted: .min ... .max)
    let plain = MemoryRegion(capacity: measure.payloadSize) { target in
      if let base = target.baseAddress { RecordBatchEncoder.store(records.span, measured: measure, now: now, at: base) }
      return measure.payloadSize
    }
    defer { withExtendedLifetime(plain) {} }
    let payload = compression == .none ? Array(plain.bytes) : try Codec.compress(plain.bytes, compression)
    let size = RecordBatchHeader.size + payload.count
    return MemoryRegion(capacity: size) { target in
      guard let base = target.baseAddress else { return 0 }
      payload.withUnsafeBytes {
        if let source = $0.baseAddress {
          (base + RecordBatchHeader.size).copyMemory(from: source, byteCount: payload.count)
        }
      }
      var header = RecordBatchHeader(
        baseOffset: baseOffset, batchLength: Int32(size - RecordBatchHeader.logOverhead),
        attributes: BatchAttributes(compression: compression), lastOffsetDelta: Int32(records.count - 1),
        baseTimestamp: measure.baseTimestamp, maxTimestamp: measure.maxTimestamp, recordCount: Int32(records.count))
      header.seal(at: base)
      return size
    }
  }

  /// The same, as an array.
  static func bytes(_ records: [Record], baseOffset: Int64 = 0) throws -> [UInt8] {
    let region = try encode(records, baseOffset: baseOffset)
    defer { withExtendedLifetime(region) {} }
    return Array(region.bytes)
  }

  /// The records of a batch, read back.
  static func decode(_ region: MemoryRegion) throws -> [Record] {
    guard case .batch(let header) = RecordBatchCheck.header(region.bytes, available: region.count) else {
      throw EventLogError(.corruptMessage, "no batch")
    }
    let batch = RecordBatchView(region: region, start: 0, header: header)
    guard batch.hasValidChecksum else { throw EventLogError(.corruptMessage, "checksum") }
    let records = try batch.records()
    var cursor = records.makeCursor()
    var result: [Record] = []
    while cursor.advance() {
      let layout = cursor.record
      func bytes(_ start: Int, _ count: Int) -> [UInt8]? {
        count < 0 ? nil : Array(records.region.bytes(start..<(start + count)))
      }
      result.append(
        Record(
          key: bytes(layout.keyStart, layout.keyCount), value: bytes(layout.valueStart, layout.valueCount),
          headers: RecordHeaders.decode(in: records.region, start: layout.headersStart, count: layout.headerCount),
          timestamp: header.baseTimestamp + layout.timestampDelta))
    }
    if cursor.isBroken { throw records.brokenError() }
    return result
  }
}
