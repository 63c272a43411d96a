internal import Glibc
internal import Synchronization

/// Calls back at given times: one thread for all timers, which sleeps while none is due. With a manual clock there is no
/// thread: whoever moves the clock runs what becomes due.
package final class Timekeeper: Sendable {
  /// What a timer is for.
  package enum Purpose: Sendable {
    /// Something that is to be done then.
    case work
    /// Work that comes again and again, and that a manual clock need not stop for: however far that is moved, it is then done
    /// once.
    case housekeeping
    /// The end of somebody's waiting. It is called also when the timers end, and what is scheduled later at once: nobody waits
    /// for a time that will not come.
    case endOfWait
  }

  private struct Timer {
    var deadline: Int64
    var id: UInt64
    var purpose: Purpose
    var action: @Sendable () -> Void
  }

  private struct State {
    /// Sorted, the next one last.
    var timers: [Timer] = []
    var nextID: UInt64 = 0
    var thread: pthread_t?
    var isShutDown = false
  }

  private let time: TimeSource
  private let state = Mutex(State())
  private let wakeUp = Latch.Semaphore()

  package init(time: TimeSource) {
    self.time = time
    if case .manual(let manual) = time { manual.add(self) }
  }

  /// Whether there is no thread, and whoever moves the clock runs what becomes due.
  package var isManual: Bool {
    if case .manual = time { return true }
    return false
  }

  /// Has `action` called once `time`'s monotonic clock is at `deadline` (in milliseconds). It is to be short.
  ///
  /// - Returns: what `cancel` takes.
  @discardableResult
  package func schedule(
    at deadline: Int64, for purpose: Purpose = .work, _ action: @escaping @Sendable () -> Void
  ) -> UInt64 {
    let (id, mustWake, isLate) = state.withLock { state -> (UInt64, Bool, Bool) in
      state.nextID += 1
      if state.isShutDown { return (state.nextID, false, purpose == .endOfWait) }
      // A manual clock may have been moved past it meanwhile, and then nobody comes to look.
      if case .manual(let manual) = time, deadline <= manual.monotonic.load(ordering: .acquiring) {
        return (state.nextID, false, true)
      }
      let timer = Timer(deadline: deadline, id: state.nextID, purpose: purpose, action: action)
      let place = state.timers.firstIndex { $0.deadline <= deadline } ?? state.timers.endIndex
      state.timers.insert(timer, at: place)
      if case .system = time, state.thread == nil { state.thread = PosixThread.start { self.run() } }
      return (timer.id, place == state.timers.count - 1, false)
    }
    if isLate {
      action()
      return id
    }
    switch time {
    case .system: if mustWake { wakeUp.signal() }
    case .manual(let manual): if purpose != .housekeeping { manual.scheduled(deadline) }
    }
    return id
  }

  package func cancel(_ id: UInt64) {
    state.withLock { state in state.timers.removeAll { $0.id == id } }
  }

  /// Calls what is due.
  package func runDue() {
    while true {
      let now = time.monotonicMilliseconds()
      let due = state.withLock { state -> Timer? in
        guard let next = state.timers.last, next.deadline <= now else { return nil }
        return state.timers.removeLast()
      }
      guard let due else { return }
      due.action()
    }
  }

  /// When a manual clock has to stop next.
  package var nextDeadline: Int64? {
    state.withLock { $0.timers.last { $0.purpose != .housekeeping }?.deadline }
  }

  /// Whether somebody waits for that time; what comes again and again is nobody's.
  func hasTimer(at deadline: Int64) -> Bool {
    state.withLock { $0.timers.contains { $0.deadline == deadline && $0.purpose != .housekeeping } }
  }

  /// Ends all waiting, forgets the other timers, and ends the thread.
  package func shutDown() {
    let (thread, timers) = state.withLock { state -> (pthread_t?, [Timer]) in
      state.isShutDown = true
      defer {
        state.thread = nil
        state.timers = []
      }
      return (state.thread, state.timers)
    }
    if case .manual(let manual) = time { manual.remove(self) }
    wakeUp.signal()
    if let thread { pthread_join(thread, nil) }
    for timer in timers.reversed() where timer.purpose == .endOfWait { timer.action() }
  }

  private func run() {
    while true {
      runDue()
      let (isOver, next) = state.withLock { ($0.isShutDown, $0.timers.last?.deadline) }
      if isOver { return }
      wakeUp.wait(milliseconds: next.map { max(0, $0 - time.monotonicMilliseconds()) })
    }
  }
}
