import SegmentStore
import Synchronization
import Testing

@Suite("Spinning", .timeLimit(.minutes(1)))
struct SpinTests {
  private final class Looks: Sendable {
    let count = Atomic(0)
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
  }

  @Test("ends as soon as what it waits for is there", arguments: [1_000_000_000_000, Int64.max])
  func ends(nanoseconds: Int64) {
    let looks = Looks()
    Spin(nanoseconds: nanoseconds).wait(atMost: .max) { looks.next() == 1000 }
    #expect(looks.next() == 1001)
  }

  @Test(
    "ends when its time is up, or that of the wait",
    arguments: [(1, Int64.max), (Int64.max, 1), (1, 1)] as [(Int64, Int64)])
  func timeIsUp(nanoseconds: Int64, atMost: Int64) {
    let looks = Looks()
    Spin(nanoseconds: nanoseconds).wait(atMost: atMost) { looks.next() < 0 }
    #expect(looks.next() > 1)
  }

  @Test("does not begin without time", arguments: [0, -1, Int64.min])
  func noTime(nanoseconds: Int64) {
    let looks = Looks()
    Spin(nanoseconds: nanoseconds).wait(atMost: .max) { looks.next() < 0 }
    #expect(looks.next() == 1)
  }

  @Test("has its time once, however often it is waited")
  func once() {
    let looks = Looks()
    let spin = Spin(nanoseconds: 1_000_000)
    spin.wait(atMost: .max) { looks.next() < 0 }
    let before = looks.next()
    spin.wait(atMost: .max) { looks.next() < 0 }
    #expect(looks.next() - before <= 17, "one look at the clock")
  }
}
