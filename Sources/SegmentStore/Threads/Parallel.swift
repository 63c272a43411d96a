internal import Glibc
internal import Synchronization

/// Work of several equal parts, on several threads at once.
package enum Parallel {
  /// Calls `body` with each number below `count`, on up to `threads` threads, of which this one is the first, and returns when
  /// all calls have. On one thread the numbers come in their order.
  package static func forEach(_ count: Int, threads limit: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let next = Counter()
    let work: @Sendable () -> Void = {
      while true {
        let number = next.take()
        guard number < count else { return }
        body(number)
      }
    }
    // Where the system gives no further thread, this one does more.
    let helpers = (1..<max(1, min(limit, count))).compactMap { _ in PosixThread.start(work) }
    work()
    for helper in helpers { pthread_join(helper, nil) }
  }

  /// What `body` gives for each number below `count`, in the numbers' order. Where there are many, each thread takes several in
  /// one go, so that it seldom meets another.
  package static func map<Result: Sendable>(
    _ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Result
  ) -> [Result] {
    let length = max(1, min(64, count / (16 * max(threads, 1))))
    let runs = Runs<Result>()
    forEach((count + length - 1) / length, threads: threads) { run in
      let results = (run * length..<min((run + 1) * length, count)).map(body)
      runs.done.withLock { $0.append((run, results)) }
    }
    return runs.done.withLock { $0.sorted { $0.run < $1.run } }.flatMap(\.results)
  }

  /// What `aside` gives, which another thread finds out while this one does `work`; on one thread, first the one and then the
  /// other. Returns when both are done, also where `work` throws.
  package static func both<Aside: Sendable, Result, Failure: Error>(
    threads: Int, _ aside: @escaping @Sendable () -> Aside, _ work: () throws(Failure) -> Result
  ) throws(Failure) -> (Aside, Result) {
    let found = Found<Aside>()
    let find: @Sendable () -> Void = {
      let value = aside()
      found.value.withLock { $0 = value }
    }
    let helper = threads > 1 ? PosixThread.start(find) : nil
    if helper == nil { find() }
    let result = Swift.Result { () throws(Failure) in try work() }
    if let helper { pthread_join(helper, nil) }
    guard let value = found.value.withLock({ $0.take() }) else { preconditionFailure("what was to be found is there") }
    return (value, try result.get())
  }

  private final class Found<Value: Sendable>: Sendable {
    let value = Mutex<Value?>(nil)
  }

  private final class Runs<Result: Sendable>: Sendable {
    let done = Mutex<[(run: Int, results: [Result])]>([])
  }

  private final class Counter: Sendable {
    private let next = Atomic(0)

    func take() -> Int { next.add(1, ordering: .relaxed).oldValue }
  }
}
