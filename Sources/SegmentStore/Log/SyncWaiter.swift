internal import RecordFormat

/// Who waits until the disk has everything below an offset.
struct SyncWaiter {
  /// How it is told.
  enum Wake {
    case call(@Sendable (EventLogError?) -> Void)
    /// A task, with a number by which it can be found when it is cancelled.
    case resume(Int, CheckedContinuation<Void, any Error>)
  }

  var offset: Int64
  var wake: Wake

  func tell(_ failure: EventLogError?) {
    switch wake {
    case .call(let completion): completion(failure)
    case .resume(_, let continuation):
      if let failure { continuation.resume(throwing: failure) } else { continuation.resume() }
    }
  }
}

extension PartitionLog.State {
  /// Takes those out who wait for no more than `offset`, in the order in which they came.
  mutating func takeWaiters(upTo offset: Int64) -> [SyncWaiter] {
    // All of them, nearly always.
    guard syncWaiters.contains(where: { $0.offset > offset }) else {
      defer { syncWaiters = [] }
      return syncWaiters
    }
    let served = syncWaiters.filter { $0.offset <= offset }
    syncWaiters.removeAll { $0.offset <= offset }
    return served
  }
}
