internal import Glibc
internal import Synchronization

/// Work of several equal parts, on several threads at once.
package enum Parallel {
  /// What `body` gives for each number below `count`, in the numbers' order, on up to `threads` threads, of which this one is
  /// one. On a single thread the calls come in that order too.
  package static func map<Result: Sendable>(
    _ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Result
  ) -> [Result] {
    map(about: count, threads: threads, body) { yield in
      for number in 0..<count { yield(number) }
    }
  }

  /// What `body` gives for each element that `produce` yields, in their order. The other threads begin while this one still
  /// produces; then it takes part. Where there are many, each takes several in one go, so that it seldom meets another.
  ///
  /// - Parameter count: about how many there are.
  package static func map<Element: Sendable, Result: Sendable, Failure: Error>(
    about count: Int, threads: Int, _ body: @escaping @Sendable (Element) -> Result,
    of produce: (_ yield: (Element) -> Void) throws(Failure) -> Void
  ) throws(Failure) -> [Result] {
    let runs = Runs(body)
    let helpers = (1..<max(1, min(threads, count))).compactMap { _ in PosixThread.start(runs.help) }
    let length = max(1, min(64, count / (16 * max(threads, 1))))
    let produced = Swift.Result { () throws(Failure) in
      var next: [Element] = []
      try produce { element in
        next.append(element)
        guard next.count == length else { return }
        runs.add(next)
        next = []
      }
      runs.add(next)
    }
    if case .success = produced { while runs.workOnNext() {} }
    runs.end(helpers: helpers.count)
    for helper in helpers { pthread_join(helper, nil) }
    try produced.get()
    return runs.results
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

  /// Elements in runs of several, each of which one thread takes.
  private final class Runs<Element: Sendable, Result: Sendable>: Sendable {
    private struct State {
      var runs: [[Element]] = []
      var taken = 0
      var done: [(number: Int, results: [Result])] = []
    }

    private let state = Mutex(State())
    private let body: @Sendable (Element) -> Result
    /// A signal for each run, and one for each helper once there are no more.
    private let semaphore = Latch.Semaphore()

    init(_ body: @escaping @Sendable (Element) -> Result) {
      self.body = body
    }

    func add(_ elements: [Element]) {
      state.withLock { $0.runs.append(elements) }
      semaphore.signal()
    }

    func help() {
      repeat { semaphore.wait(milliseconds: nil) } while workOnNext()
    }

    /// False where no run waits.
    func workOnNext() -> Bool {
      let next = state.withLock { state -> (number: Int, elements: [Element])? in
        guard state.taken < state.runs.count else { return nil }
        defer { state.taken += 1 }
        return (state.taken, exchange(&state.runs[state.taken], with: []))
      }
      guard let next else { return false }
      let results = next.elements.map(body)
      state.withLock { $0.done.append((next.number, results)) }
      return true
    }

    /// Sends the helpers away, once they are done with what they have taken.
    func end(helpers: Int) {
      state.withLock { $0.taken = $0.runs.count }
      for _ in 0..<helpers { semaphore.signal() }
    }

    var results: [Result] {
      state.withLock { $0.done.sorted { $0.number < $1.number } }.flatMap(\.results)
    }
  }
}
