/// SipHash with 128 bits, keyed (Aumasson and Bernstein): what stands for a key in the cleaner's map.
///
/// Two keys of the same hash would be one to the cleaner, and the older record lost. With 128 bits that does not happen by
/// chance; with a secret seed nobody can choose keys so that it does. Kafka takes MD5 without one.
package struct KeyHash: Sendable {
  @usableFromInline let k0: UInt64
  @usableFromInline let k1: UInt64

  package init(seed: (UInt64, UInt64)) {
    k0 = seed.0
    k1 = seed.1
  }

  package init(using generator: inout some RandomNumberGenerator) {
    self.init(seed: (generator.next(), generator.next()))
  }

  package typealias Value = (UInt64, UInt64)

  /// One round for each word and three at the end: as the standard library hashes.
  @inline(always)
  package func callAsFunction(_ bytes: UnsafeRawBufferPointer) -> Value { hash(bytes, rounds: 1, final: 3) }

  @inline(always)
  package func hash(_ bytes: UnsafeRawBufferPointer, rounds: Int, final: Int) -> Value {
    var state = State(
      v0: k0 ^ 0x736f_6d65_7073_6575, v1: k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee, v2: k0 ^ 0x6c79_6765_6e65_7261,
      v3: k1 ^ 0x7465_6462_7974_6573)
    let words = bytes.count / 8
    for word in 0..<words {
      state.take(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: word &* 8, as: UInt64.self)), rounds)
    }
    var last = UInt64(truncatingIfNeeded: bytes.count) &<< 56
    for index in (words &* 8)..<bytes.count { last |= UInt64(bytes[index]) &<< (UInt64(index & 7) &* 8) }
    state.take(last, rounds)
    state.v2 ^= 0xee
    for _ in 0..<final { state.round() }
    let first = state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    state.v1 ^= 0xdd
    for _ in 0..<final { state.round() }
    return (first, state.v0 ^ state.v1 ^ state.v2 ^ state.v3)
  }

  private struct State {
    var v0: UInt64
    var v1: UInt64
    var v2: UInt64
    var v3: UInt64

    @inline(always)
    mutating func take(_ word: UInt64, _ rounds: Int) {
      v3 ^= word
      for _ in 0..<rounds { round() }
      v0 ^= word
    }

    @inline(always)
    mutating func round() {
      v0 = v0 &+ v1
      v1 = v1 &<< 13 | v1 &>> 51
      v1 ^= v0
      v0 = v0 &<< 32 | v0 &>> 32
      v2 = v2 &+ v3
      v3 = v3 &<< 16 | v3 &>> 48
      v3 ^= v2
      v0 = v0 &+ v3
      v3 = v3 &<< 21 | v3 &>> 43
      v3 ^= v0
      v2 = v2 &+ v1
      v1 = v1 &<< 17 | v1 &>> 47
      v1 ^= v2
      v2 = v2 &<< 32 | v2 &>> 32
    }
  }
}
