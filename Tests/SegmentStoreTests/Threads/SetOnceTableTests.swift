import SegmentStore
import Synchronization
import Testing

@Suite("A table of references that are set once")
struct SetOnceTableTests {
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

  @Test("has in each place what was set first, and nothing where it does not reach")
  func first() {
    let table = SetOnceTable<Thing>(count: 3)
    #expect((-1...3).allSatisfy { table[$0] == nil })
    let first = Thing(1)
    table.set(first, at: 1)
    table.set(Thing(2), at: 1)
    table.set(Thing(3), at: 2)
    #expect(table[1] === first)
    #expect((-1...3).map { table[$0]?.number } == [nil, nil, 1, 3, nil])
    #expect(SetOnceTable<Thing>(count: 0)[0] == nil)
  }

  @Test("keeps what was set until it goes itself, and nothing else")
  func lifetime() {
    let living = Living()
    do {
      let table = SetOnceTable<Thing>(count: 2)
      for number in 0..<6 { table.set(Thing(number, living), at: number % 2) }
      #expect(living.count.load(ordering: .relaxed) == 2)
      #expect(table[0]?.number == 0 && table[1]?.number == 1)
    }
    #expect(living.count.load(ordering: .relaxed) == 0)
  }

  @Test("gives all who set a place at once the same")
  func race() {
    for _ in 0..<200 {
      let table = SetOnceTable<Thing>(count: 1)
      let seen = Parallel.map(8, threads: 4) { number -> Thing? in
        table.set(Thing(number), at: 0)
        return table[0]
      }
      #expect(seen.allSatisfy { $0 != nil && $0 === table[0] })
    }
  }
}
