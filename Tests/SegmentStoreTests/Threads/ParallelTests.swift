import SegmentStore
import Synchronization
import Testing

@Suite("Parallel work")
struct ParallelTests {
  private final class Numbers: Sendable {
    let taken = Mutex<[Int]>([])
  }

  @Test("does each part once, on any number of threads", arguments: [0, 1, 2, 7, 100], [-1, 1, 2, 64])
  func eachOnce(count: Int, threads: Int) {
    let numbers = Numbers()
    Parallel.forEach(count, threads: threads) { number in numbers.taken.withLock { $0.append(number) } }
    let taken = numbers.taken.withLock { $0 }
    #expect(taken.sorted() == Array(0..<count))
    if threads <= 1 { #expect(taken == taken.sorted(), "one thread goes in order") }
  }

  @Test("gives results in the order of their numbers", arguments: [0, 1, 2, 7, 100, 5000], [-1, 1, 2, 64])
  func inOrder(count: Int, threads: Int) {
    #expect(Parallel.map(count, threads: threads) { $0 * 3 } == (0..<count).map { $0 * 3 })
  }

  @Test("does one thing beside another, and ends with both", arguments: [-1, 1, 2])
  func beside(threads: Int) {
    let order = Numbers()
    let (aside, main) = Parallel.both(threads: threads) { () -> Int in
      order.taken.withLock { $0.append(1) }
      return 1
    } _: { () -> Int in
      order.taken.withLock { $0.append(2) }
      return 2
    }
    #expect((aside, main) == (1, 2))
    let taken = order.taken.withLock { $0 }
    #expect(taken.sorted() == [1, 2])
    if threads <= 1 { #expect(taken == [1, 2], "one thread goes in order") }
  }

  @Test("waits for what it does beside something that fails", arguments: [1, 2])
  func besideFailure(threads: Int) {
    struct Failure: Error {}
    let done = Numbers()
    #expect(throws: Failure.self) {
      _ = try Parallel.both(threads: threads) {
        done.taken.withLock { $0.append(1) }
      } _: {
        throw Failure()
      }
    }
    #expect(done.taken.withLock { $0 } == [1])
  }
}
