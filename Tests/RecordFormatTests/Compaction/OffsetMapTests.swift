import RecordFormat
import Testing

@Suite("The cleaner's map")
struct OffsetMapTests {
  @Test("its hash is SipHash with 128 bits: the reference's vectors")
  func vectors() {
    let hash = KeyHash(seed: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
    let empty = [UInt8]().withUnsafeBytes { hash.hash($0, rounds: 2, final: 4) }
    #expect(empty.0 == 0xe6a8_25ba_047f_81a3 && empty.1 == 0x9302_55c7_1472_f66d)
    let one = [UInt8(0)].withUnsafeBytes { hash.hash($0, rounds: 2, final: 4) }
    #expect(one.0 == 0x44af_996b_d8c1_87da && one.1 == 0x45fc_229b_1159_7634)
  }

  @Test("knows of each key the latest offset, up to its capacity")
  func offsets() throws {
    var map = try OffsetMap(bytes: 24 * 100, expected: 1000, hash: KeyHash(seed: (1, 2)))
    #expect(map.capacity == 90)
    var number = 0
    while !map.isFull {
      let key = Array("key \(number)".utf8)
      key.withUnsafeBytes { map.put($0, Int64(number)) }
      key.withUnsafeBytes { map.put($0, Int64(number + 1000)) }
      number += 1
    }
    #expect(number == 90 && map.count == 90)
    for number in 0..<90 {
      let found = Array("key \(number)".utf8).withUnsafeBytes { map.offset(of: $0) }
      #expect(found == Int64(number + 1000))
    }
    let missing = Array("key 90".utf8).withUnsafeBytes { map.offset(of: $0) }
    #expect(missing == -1)
    #expect(map.latestOffset == 1089)
  }

  @Test("takes no more memory than the keys at hand need")
  func small() throws {
    let map = try OffsetMap(bytes: 1 << 40, expected: 10, hash: KeyHash(seed: (1, 2)))
    #expect(map.capacity >= 10 && map.capacity < 20)
  }
}
