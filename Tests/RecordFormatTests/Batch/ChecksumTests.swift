import RecordFormat
import Testing

@Suite("CRC-32C")
struct ChecksumTests {
  @Test("has the published values")
  func published() {
    func crc(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { Checksum.crc32c($0) } }
    #expect(crc(Array("123456789".utf8)) == 0xe306_9283)
    #expect(crc([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(crc([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    #expect(crc(Array(0..<32)) == 0x46dd_794e)
    #expect(crc([]) == 0)
  }

  @Test(
    "is the same in every way, for every length and alignment, whole and in parts", arguments: Checksum.Way.allCases)
  func agrees(way: Checksum.Way) {
    var generator = SeededGenerator(seed: 7)
    let data = (0..<20_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
    for round in 0..<1_600 {
      let start = Int.random(in: 0..<64, using: &generator)
      // Each short length, where one way ends and another begins, and some long ones.
      let count = round < 1_000 ? round : Int.random(in: 0..<(data.count - start), using: &generator)
      data.withUnsafeBytes { buffer in
        let part = UnsafeRawBufferPointer(rebasing: buffer[start..<(start + count)])
        let whole = Checksum.crc32c(part)
        #expect(whole == Checksum.crc32c(part, by: .tables))
        #expect(whole == Checksum.crc32c(part, by: way))
        #expect(whole == Checksum.crc32cCold(part))
        let cut = Int.random(in: 0...count, using: &generator)
        let first = Checksum.crc32c(UnsafeRawBufferPointer(rebasing: part[..<cut]), by: way)
        #expect(Checksum.crc32c(UnsafeRawBufferPointer(rebasing: part[cut...]), continuing: first, by: way) == whole)
      }
    }
  }
}
