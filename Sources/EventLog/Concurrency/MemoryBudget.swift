internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// `buffer.memory`: how many bytes may be under way. Who finds no room waits, in the order of coming.
final class MemoryBudget: Sendable {
  private struct Waiter {
    var id: Int
    var bytes: Int
    var grant: @Sendable () -> Void
  }

  private struct State {
    var available: Int
    var waiters: [Waiter] = []
    var nextID = 0
  }

  private let state: Mutex<State>
  private let total: Int
  private let maxBlock: Int64
  private let context: StoreContext

  init(bytes: Int, maxBlock: Int64, context: StoreContext) {
    total = bytes
    self.maxBlock = maxBlock
    self.context = context
    state = Mutex(State(available: bytes))
  }

  /// Takes `bytes`, if they are there and nobody waits.
  func tryAcquire(_ bytes: Int) -> Bool {
    state.withLock { state in
      guard state.waiters.isEmpty, state.available >= bytes else { return false }
      state.available -= bytes
      return true
    }
  }

  /// Takes `bytes`; waits for them up to `max.block.ms`.
  func acquire(_ bytes: Int) async throws {
    if tryAcquire(bytes) { return }
    assert(bytes <= total, "a record that is larger than the buffer is refused before")
    let shot = OneShot<Void>()
    guard let id = enqueue(bytes, { shot.complete(.success(())) }) else { return }
    let timer = context.timekeeper.schedule(at: context.time.deadline(in: maxBlock), for: .endOfWait) {
      shot.complete(.failure(self.exhausted()))
    }
    defer { context.timekeeper.cancel(timer) }
    do {
      try await shot.value()
    } catch {
      // Where the grant came after all, it is given back.
      if !withdraw(id) { release(bytes) }
      throw error
    }
  }

  /// The same, blocking this thread.
  func acquireBlocking(_ bytes: Int) throws(EventLogError) {
    if tryAcquire(bytes) { return }
    assert(bytes <= total, "a record that is larger than the buffer is refused before")
    let latch = Latch()
    guard let id = enqueue(bytes, { latch.open() }) else { return }
    let timer = context.timekeeper.schedule(at: context.time.deadline(in: maxBlock), for: .endOfWait) { latch.open() }
    defer { context.timekeeper.cancel(timer) }
    latch.wait()
    // Who is still in the queue was woken by the time.
    guard !withdraw(id) else { throw exhausted() }
  }

  func release(_ bytes: Int) {
    let granted = state.withLock { state -> [Waiter] in
      state.available += bytes
      var granted: [Waiter] = []
      while let first = state.waiters.first, state.available >= first.bytes {
        state.available -= first.bytes
        granted.append(state.waiters.removeFirst())
      }
      return granted
    }
    for waiter in granted { waiter.grant() }
  }

  /// The number of a place in the queue, or nil where there was room after all.
  private func enqueue(_ bytes: Int, _ grant: @escaping @Sendable () -> Void) -> Int? {
    state.withLock { state in
      if state.waiters.isEmpty, state.available >= bytes {
        state.available -= bytes
        return nil
      }
      state.nextID += 1
      state.waiters.append(Waiter(id: state.nextID, bytes: bytes, grant: grant))
      return state.nextID
    }
  }

  /// Gives up a place; false where it had been granted.
  private func withdraw(_ id: Int) -> Bool {
    state.withLock { state in
      guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return false }
      state.waiters.remove(at: index)
      return true
    }
  }

  private func exhausted() -> EventLogError {
    EventLogError(
      .bufferExhausted,
      "buffer.memory (\(total) bytes) stayed full for max.block.ms (\(maxBlock)): records are sent "
        + "faster than they are acknowledged")
  }
}
