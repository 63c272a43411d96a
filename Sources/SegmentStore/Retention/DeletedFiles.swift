internal import RecordFormat
internal import Synchronization

/// Files that carry the suffix `.deleted` and wait to be unlinked (`file.delete.delay.ms`): one timer for all of them. What
/// a crash leaves of them, the next opening removes.
package final class DeletedFiles: Sendable {
  private struct Entry {
    var due: Int64
    var paths: [String]
    var bytes: Int64
  }

  private struct State {
    var entries: [Entry] = []
    /// When the timer that is set goes off.
    var timer: Int64?
  }

  private let fileSystem: any FileSystem
  private let time: TimeSource
  private let timekeeper: Timekeeper
  private let worker: WorkerPool
  private let budget: DiskBudget
  private let warn: @Sendable (EventLogError) -> Void
  private let state = Mutex(State())

  init(
    fileSystem: any FileSystem, time: TimeSource, timekeeper: Timekeeper, worker: WorkerPool, budget: DiskBudget,
    warn: @escaping @Sendable (EventLogError) -> Void
  ) {
    self.fileSystem = fileSystem
    self.time = time
    self.timekeeper = timekeeper
    self.worker = worker
    self.budget = budget
    self.warn = warn
  }

  /// How many files wait.
  package var count: Int { state.withLock { $0.entries.reduce(0) { $0 + $1.paths.count } } }

  /// - Parameters:
  ///   - bytes: what the cap on all logs gets back with them.
  ///   - delay: milliseconds; at once, on this thread, where it is 0.
  func add(_ paths: [String], bytes: Int64, delay: Int64) {
    guard delay > 0 else { return unlink(paths, bytes) }
    let due = time.deadline(in: delay)
    state.withLock { $0.entries.append(Entry(due: due, paths: paths, bytes: bytes)) }
    setTimer()
  }

  /// Unlinks what is due.
  func sweep() {
    let now = time.monotonicMilliseconds()
    let due = state.withLock { state -> [Entry] in
      if let timer = state.timer, timer <= now { state.timer = nil }
      defer { state.entries.removeAll { $0.due <= now } }
      return state.entries.filter { $0.due <= now }
    }
    for entry in due { unlink(entry.paths, entry.bytes) }
    setTimer()
  }

  /// Unlinks everything now, because the broker is closed.
  package func sweepAll() {
    let all = state.withLock { state -> [Entry] in
      defer { state.entries = [] }
      return state.entries
    }
    for entry in all { unlink(entry.paths, entry.bytes) }
  }

  private func setTimer() {
    let next = state.withLock { state -> Int64? in
      guard let next = state.entries.map(\.due).min(), next < state.timer ?? .max else { return nil }
      state.timer = next
      return next
    }
    guard let next else { return }
    timekeeper.schedule(at: next) { [weak self] in
      guard let self else { return }
      worker.submit { self.sweep() }
    }
  }

  private func unlink(_ paths: [String], _ bytes: Int64) {
    for path in paths {
      do throws(EventLogError) {
        // Gone with its directory, where the topic was deleted meanwhile.
        if try fileSystem.status(path) != nil { try fileSystem.unlink(path) }
      } catch {
        warn(error)
      }
    }
    budget.giveBack(bytes)
  }
}
