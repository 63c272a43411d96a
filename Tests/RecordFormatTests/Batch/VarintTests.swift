import RecordFormat
import Testing

@Suite("A varint")
struct VarintTests {
  @Test("takes the bytes that its size says, and reads back", arguments: [UInt64(1), 2, 3])
  func roundTrip(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var values: [Int64] = [0, -1, 1, 63, 64, -64, -65, .min, .max, Int64(Int32.max), Int64(Int32.min)]
    for bits in 0..<63 { values += [1 << Int64(bits), (1 << Int64(bits)) - 1, -(1 << Int64(bits))] }
    for _ in 0..<2000 {
      values.append(Int64(bitPattern: generator.next() >> UInt64.random(in: 0..<64, using: &generator)))
    }
    for value in values {
      var buffer = [UInt8](repeating: 0xee, count: 12)
      let (written, read) = buffer.withUnsafeMutableBytes { bytes -> (Int, Int64?) in
        guard let base = bytes.baseAddress else { return (0, nil) }
        var target = base
        Varint.store(value, at: &target)
        var source = UnsafeRawPointer(base)
        var result: Int64 = 0
        let isRead = Varint.load(&result, from: &source, end: UnsafeRawPointer(target), maximumBytes: 10)
        return (target - base, isRead ? result : nil)
      }
      #expect(written == Varint.size(value), "size of \(value)")
      #expect(read == value)
    }
  }

  @Test("that is cut off or too long is refused")
  func refused() {
    func load(_ bytes: [UInt8], _ limit: Int) -> Int64? {
      bytes.withUnsafeBytes { buffer in
        guard let base = buffer.baseAddress else { return nil }
        var pointer = base
        var value: Int64 = 0
        return Varint.load(&value, from: &pointer, end: base + buffer.count, maximumBytes: limit) ? value : nil
      }
    }
    #expect(load([0x80], 5) == nil)
    #expect(load([0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 5) == nil)
    #expect(load([UInt8](repeating: 0xff, count: 10) + [1], 10) == nil)
    // Not the shortest encoding, but accepted, as by Kafka.
    #expect(load([0x82, 0x00], 5) == 1)
  }
}
