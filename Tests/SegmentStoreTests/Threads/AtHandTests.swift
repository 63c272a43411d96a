import SegmentStore
import Synchronization
import Testing

@Suite("An object at hand")
struct AtHandTests {
  private final class Thing: Sendable {
    let number: Int
    let users = Atomic<Int>(0)
    init(_ number: Int) { self.number = number }
  }

  private struct Refused: Error, Equatable {}

  @Test("is there for whoever comes, and not for who comes while somebody is at it")
  func oneAtATime() {
    let atHand = AtHand<Thing>()
    #expect(atHand.withObjectIfFree(version: 1) { $0.number } == nil, "nothing is there yet")
    atHand.put(Thing(1), version: 1)
    let seen = atHand.withObjectIfFree(version: 1) { thing -> (Int, Int?) in
      atHand.put(Thing(2), version: 1)
      return (thing.number, atHand.withObjectIfFree(version: 1) { $0.number })
    }
    #expect(seen?.0 == 1)
    #expect(seen?.1 == nil)
    #expect(atHand.withObjectIfFree(version: 1) { $0.number } == 1, "what was put meanwhile is not taken")
    atHand.put(Thing(3), version: 1)
    #expect(atHand.withObjectIfFree(version: 1) { $0.number } == 3)
    #expect(atHand.withObjectIfFree(version: 2) { $0.number } == nil, "it is of another version")
  }

  @Test("is free again after an error, which passes through")
  func errors() {
    let atHand = AtHand<Thing>()
    atHand.put(Thing(1), version: 1)
    #expect(throws: Refused()) {
      _ = try atHand.withObjectIfFree(version: 1) { _ throws(Refused) -> Int? in throw Refused() }
    }
    #expect(atHand.withObjectIfFree(version: 1) { $0.number } == 1)
  }

  @Test("is let go when another takes its place, and with its holder")
  func released() {
    weak var first: Thing?
    weak var second: Thing?
    do {
      let atHand = AtHand<Thing>()
      var thing = Thing(1)
      first = thing
      atHand.put(thing, version: 1)
      thing = Thing(2)
      #expect(first != nil)
      second = thing
      atHand.put(thing, version: 1)
      #expect(first == nil)
    }
    #expect(second == nil)
  }

  @Test("is used by one of many threads at a time, and exchanged between")
  func threads() {
    let atHand = AtHand<Thing>()
    atHand.put(Thing(-1), version: 1)
    let met = Atomic<Int>(0)
    _ = Parallel.map(8, threads: 8) { thread in
      for round in 0..<2_000 {
        _ = atHand.withObjectIfFree(version: 1) { thing -> Int? in
          if thing.users.add(1, ordering: .relaxed).oldValue != 0 { met.add(1, ordering: .relaxed) }
          thing.users.subtract(1, ordering: .relaxed)
          return nil
        }
        if round.isMultiple(of: 7) { atHand.put(Thing(thread), version: 1) }
      }
    }
    #expect(met.load(ordering: .relaxed) == 0)
  }
}
