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
}
