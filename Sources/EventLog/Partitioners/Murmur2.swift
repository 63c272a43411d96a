/// The hash by which Kafka's producers choose a partition for a key, in every language.
enum Murmur2 {
  /// 32 bits of murmur2 with Kafka's seed.
  static func hash(_ bytes: RawSpan) -> UInt32 {
    let count = bytes.byteCount
    let m: UInt32 = 0x5bd1_e995
    var h = 0x9747_b28c ^ UInt32(truncatingIfNeeded: count)
    var index = 0
    while count - index >= 4 {
      var k = UInt32(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt32.self))
      k = k &* m
      k ^= k >> 24
      k = k &* m
      h = h &* m
      h ^= k
      index += 4
    }
    let rest = count - index
    if rest >= 3 { h ^= UInt32(bytes.unsafeLoad(fromByteOffset: index + 2, as: UInt8.self)) << 16 }
    if rest >= 2 { h ^= UInt32(bytes.unsafeLoad(fromByteOffset: index + 1, as: UInt8.self)) << 8 }
    if rest >= 1 {
      h ^= UInt32(bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))
      h = h &* m
    }
    h ^= h >> 13
    h = h &* m
    h ^= h >> 15
    return h
  }

  /// Kafka's partition for a key: the sign bit is masked away, not the absolute value taken.
  static func partition(_ key: RawSpan, of count: Int) -> Int {
    Int(hash(key) & 0x7fff_ffff) % count
  }
}
