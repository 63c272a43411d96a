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
    _ = Parallel.map(count, threads: threads) { number in numbers.taken.withLock { $0.append(number) } }
    let taken = numbers.taken.withLock { $0 }
    #expect(taken.sorted() == Array(0..<count))
    if threads <= 1 { #expect(taken == taken.sorted(), "one thread goes in order") }
  }

  @Test("gives results in the order of their numbers", arguments: [0, 1, 2, 7, 100, 5000], [-1, 1, 2, 64])
  func inOrder(count: Int, threads: Int) {
    #expect(Parallel.map(count, threads: threads) { $0 * 3 } == (0..<count).map { $0 * 3 })
  }

  @Test("begins while elements are still to come")
  func streaming() {
    let begun = Latch()
    let results = Parallel.map(about: 2, threads: 2) { (number: Int) -> Int in
      begun.open()
      return number * 3
    } of: { yield in
      yield(1)
      // Without another thread that works on the first, this would not end.
      #expect(begun.wait(milliseconds: 60_000))
      yield(2)
    }
    #expect(results == [3, 6])
  }

  @Test("ends where no more elements can be had", arguments: [1, 2, 8])
  func productionFailure(threads: Int) {
    struct Failure: Error {}
    let numbers = Numbers()
    #expect(throws: Failure.self) {
      _ = try Parallel.map(about: 1000, threads: threads) { (number: Int) in
        numbers.taken.withLock { $0.append(number) }
      } of: { yield in
        for number in 0..<500 { yield(number) }
        throw Failure()
      }
    }
    let taken = numbers.taken.withLock { $0 }
    #expect(Set(taken).count == taken.count)
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
