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

/// A thread that blocks until the disk has everything below an offset, or, with the smallest, until any sync ends.
struct BlockedThread {
  var offset: Int64
  var latch: Latch
}

extension PartitionLog.State {
  /// Whether a sync has something to do.
  var needsSync: Bool {
    syncFailure == nil && !(syncWaiters.isEmpty && blocked.isEmpty && rolled.isEmpty)
  }

  /// Begins a sync where one is needed and nobody is at it, nor tells those who wait, and goes on then.
  mutating func beginNeededSync() -> Bool {
    guard needsSync, !syncIsRunning, !isCallingBack else { return false }
    syncIsRunning = true
    return true
  }

  /// Ends a sync. Threads that it served go on.
  ///
  /// - Parameter goesOn: whether the caller begins the next one that is needed, unless it has to tell those who wait first.
  /// - Returns: whether the caller is to tell those who wait.
  mutating func endSync(goesOn: Bool) -> Bool {
    syncIsRunning = false
    let waiting = syncWaiters.count + blocked.count
    var served = openBlocked(upTo: syncFailure == nil ? durableOffset : .max)
    served += syncWaiters.count { $0.offset <= durableOffset }
    if served > 0 { gathering.served(served, left: waiting - served) }
    let mustTell = beginTelling()
    // One of those who block runs the next sync: not to depend on what those do who are told first.
    if !goesOn || mustTell || isCallingBack { blocked.popLast()?.latch.open() }
    return mustTell
  }

  /// Has the caller tell those who wait, if there is something to tell and nobody is at it.
  mutating func beginTelling() -> Bool {
    guard !isCallingBack, syncWaiters.contains(where: { syncFailure != nil || $0.offset <= durableOffset }) else {
      return false
    }
    isCallingBack = true
    return true
  }

  /// - Returns: how many there were.
  @discardableResult
  mutating func openBlocked(upTo offset: Int64) -> Int {
    let before = blocked.count
    guard before > 0 else { return 0 }
    blocked.removeAll { thread in
      guard thread.offset <= offset else { return false }
      thread.latch.open()
      return true
    }
    return before - blocked.count
  }

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
