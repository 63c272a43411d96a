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

  @Test("is the same by the instruction and by tables, for every length and alignment, whole and in parts")
  func agrees() {
    var generator = SeededGenerator(seed: 7)
    let data = (0..<20_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
    for _ in 0..<600 {
      let start = Int.random(in: 0..<64, using: &generator)
      let count = Int.random(in: 0..<(data.count - start), using: &generator)
      data.withUnsafeBytes { buffer in
        let part = UnsafeRawBufferPointer(rebasing: buffer[start..<(start + count)])
        let whole = Checksum.crc32c(part)
        #expect(whole == Checksum.crc32cSoftware(part))
        #expect(whole == Checksum.crc32cCold(part))
        let cut = Int.random(in: 0...count, using: &generator)
        let first = Checksum.crc32c(UnsafeRawBufferPointer(rebasing: part[..<cut]))
        #expect(Checksum.crc32c(UnsafeRawBufferPointer(rebasing: part[cut...]), continuing: first) == whole)
      }
    }
  }
}
