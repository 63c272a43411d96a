internal import Synchronization

/// Where the store takes random numbers from: the system, or a seed that a test gives.
package enum RandomSource: Sendable {
  case system
  case seeded(SeededRandom)

  /// A generator of its own for one purpose. A seeded one depends on the seed, the purpose, and how often the purpose came
  /// before, and on nothing else: threads that draw for different purposes don't disturb each other.
  package func generator(for purpose: @autoclosure () -> String) -> RandomGenerator {
    switch self {
    case .system: .system(SystemRandomNumberGenerator())
    case .seeded(let random): random.generator(for: purpose())
    }
  }
}

/// The seed of a test, and what was drawn from it.
package final class SeededRandom: Sendable {
  package let seed: UInt64
  private let uses = Mutex<[String: UInt64]>([:])

  package init(seed: UInt64) {
    self.seed = seed
  }

  fileprivate func generator(for purpose: String) -> RandomGenerator {
    let use = uses.withLock { uses -> UInt64 in
      defer { uses[purpose, default: 0] += 1 }
      return uses[purpose, default: 0]
    }
    // FNV-1a: the standard library's hashes differ from process to process.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return .seeded(SplitMix(seed: seed ^ hash &+ use &* 0x9e37_79b9_7f4a_7c15))
  }
}

package enum RandomGenerator: RandomNumberGenerator, Sendable {
  case system(SystemRandomNumberGenerator)
  case seeded(SplitMix)

  package mutating func next() -> UInt64 {
    switch self {
    case .system(var generator): return generator.next()
    case .seeded(var generator):
      defer { self = .seeded(generator) }
      return generator.next()
    }
  }
}

/// Steele, Lea and Flood's generator: small, and good enough for choosing partitions and for the histories of tests.
package struct SplitMix: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) {
    state = seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
