import SegmentStore
import Synchronization
import Testing

@Suite("A reference that is set once")
struct SetOnceTests {
  private final class Thing: Sendable {
    let number: Int
    let living: Living?
    init(_ number: Int, _ living: Living? = nil) {
      self.number = number
      self.living = living
      living?.count.add(1, ordering: .relaxed)
    }
    deinit { living?.count.subtract(1, ordering: .relaxed) }
  }

  private final class Living: Sendable {
    let count = Atomic(0)
  }

  private final class Holder: Sendable {
    let thing = SetOnce<Thing>()
  }

  @Test("is what was set first")
  func first() {
    let holder = Holder()
    #expect(holder.thing.value == nil)
    let first = Thing(1)
    #expect(holder.thing.set(first) === first)
    #expect(holder.thing.set(Thing(2)) === first)
    #expect(holder.thing.value === first)
  }

  @Test("keeps what was set until it goes itself, and nothing else")
  func lifetime() {
    let living = Living()
    do {
      let holder = Holder()
      for number in 0..<3 { holder.thing.set(Thing(number, living)) }
      #expect(living.count.load(ordering: .relaxed) == 1)
      #expect(holder.thing.value?.number == 0)
    }
    #expect(living.count.load(ordering: .relaxed) == 0)
  }

  @Test("gives all who set it at once the same")
  func race() {
    for _ in 0..<200 {
      let holder = Holder()
      let seen = Parallel.map(8, threads: 4) { number in holder.thing.set(Thing(number)) }
      #expect(seen.allSatisfy { $0 === holder.thing.value })
    }
  }
}
