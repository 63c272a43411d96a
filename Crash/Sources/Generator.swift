/// SplitMix64: choices that a seed repeats.
struct Generator: RandomNumberGenerator {
  private var state: UInt64

  /// A generator for what the parts name: a round, a partition, the number of a transaction.
  init(_ seed: UInt64, _ parts: Int...) {
    state = seed
    for part in parts { state = next() ^ UInt64(truncatingIfNeeded: part) &* 0x9E37_79B9_7F4A_7C15 }
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// True once in so many times.
  mutating func once(in times: Int) -> Bool { Int.random(in: 0..<times, using: &self) == 0 }
}
