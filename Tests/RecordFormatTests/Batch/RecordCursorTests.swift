import RecordFormat
import Testing

@Suite("A record cursor")
struct RecordCursorTests {
  /// What a cursor finds: the records, and whether it ended because one was broken.
  private struct Walk: Equatable {
    var records: [[Int]] = []
    var isBroken = false
  }

  /// The usual shape of a record is parsed by a way of its own, which must never see anything else than the general one.
  @Test("finds by its short cut what the general way finds, in whole and in damaged bytes")
  func shortCut() {
    var whole = 0
    var broken = 0
    for seed in UInt64(0)..<4000 {
      var generator = SeededGenerator(seed: seed)
      var bytes: [UInt8] = []
      let count = Int.random(in: 1...8, using: &generator)
      for index in 0..<count { bytes += Self.record(index, &generator) }
      if seed % 4 != 0, let place = bytes.indices.randomElement(using: &generator) {
        switch seed % 4 {
        case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 2: bytes.removeLast(bytes.count - place)
        default: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
        }
      }
      // A copy of its own, so that a sanitizer sees a byte that is read behind the end.
      let region = bytes.withUnsafeBytes { MemoryRegion(copying: $0) }
      let short = Self.walk(region, count: count, general: false)
      let general = Self.walk(region, count: count, general: true)
      #expect(short == general, "seed \(seed)")
      if short.isBroken { broken += 1 } else { whole += 1 }
    }
    #expect(whole > 1000 && broken > 500, "\(whole) whole, \(broken) broken")
  }

  private static func walk(_ region: MemoryRegion, count: Int, general: Bool) -> Walk {
    var cursor = RecordCursor(base: region.base, range: 0..<region.count, count: Int32(count))
    var walk = Walk()
    var left = count
    while general ? left > 0 && cursor.parse() : cursor.advance() {
      left -= 1
      let record = cursor.record
      walk.records.append([
        Int(record.offsetDelta), Int(record.timestampDelta), record.keyStart, record.keyCount, record.valueStart,
        record.valueCount, record.headersStart, Int(record.headerCount),
      ])
    }
    if general {
      // What `advance` says at the end: nothing may be left.
      cursor.remaining = 0
      walk.isBroken =
        left > 0
        || {
          _ = cursor.advance(); return cursor.isBroken
        }()
    } else {
      walk.isBroken = cursor.isBroken
    }
    withExtendedLifetime(region) {}
    return walk
  }

  /// A record whose numbers have every length around the short cut's limits, with the sizes of Kafka's format.
  private static func record(_ index: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    var body: [UInt8] = [0]
    let deltas: [Int64] = [0, 63, 64, -65, 8191, 8192, 1_048_575, 1_048_576, -1_048_577, 1 << 40]
    body += varint(deltas.randomElement(using: &generator) ?? 0)
    body += varint(index == 0 ? 0 : [Int64(index), 64, 8192, 1_048_576].randomElement(using: &generator) ?? 0)
    for _ in 0..<2 {
      let size = [-1, 0, 1, 16, 63, 64, 100, 8191, 8192].randomElement(using: &generator) ?? 0
      body += varint(Int64(size))
      body += (0..<max(size, 0)).map { UInt8(truncatingIfNeeded: $0) }
    }
    if Int.random(in: 0..<4, using: &generator) == 0 {
      body += varint(1) + varint(1) + [0x68] + varint(-1)
    } else {
      body += varint(0)
    }
    return varint(Int64(body.count)) + body
  }

  private static func varint(_ value: Int64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Varint.zigzag(value)
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(truncatingIfNeeded: rest)]
  }
}
