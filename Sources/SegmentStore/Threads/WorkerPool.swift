internal import Glibc

/// Threads of our own for calls that block (syncs, mostly), so that they hold up neither a caller nor Swift's
/// cooperative pool. They start with the first job.
///
/// `@unchecked Sendable`: all that changes is touched only while `mutex` is held.
package final class WorkerPool: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private let limit: Int
  private var threads: [pthread_t] = []
  private var idle = 0
  private var busy = 0
  private var idleCallbacks: [@Sendable () -> Void] = []
  private var jobs: [@Sendable () -> Void] = []
  private var isShutDown = false

  /// A pool of at most `threads` threads.
  package init(threads limit: Int) {
    self.limit = limit
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Has a thread run `job`. After `shutDown` the caller's own thread does, unless the job is `optional`: then nobody does.
  package func submit(optional: Bool = false, _ job: @escaping @Sendable () -> Void) {
    pthread_mutex_lock(mutex)
    guard !isShutDown else {
      pthread_mutex_unlock(mutex)
      if !optional { job() }
      return
    }
    jobs.append(job)
    if idle < jobs.count, threads.count < limit, let thread = PosixThread.start({ self.run() }) {
      threads.append(thread)
    }
    pthread_cond_signal(condition)
    let nobody = threads.isEmpty
    pthread_mutex_unlock(mutex)
    // The system gave no thread: better late on this one than never.
    if nobody { runWaitingJobs() }
  }

  /// Runs what was submitted, then ends the threads. Not to be called from one of them.
  package func shutDown() {
    pthread_mutex_lock(mutex)
    isShutDown = true
    let running = threads
    threads = []
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
    for thread in running { pthread_join(thread, nil) }
    runWaitingJobs()
  }

  /// Whether nothing is to be done and nothing is under way.
  package var isIdle: Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return jobs.isEmpty && busy == 0
  }

  /// Calls `callback` once the pool is idle, on any thread.
  package func whenIdle(_ callback: @escaping @Sendable () -> Void) {
    pthread_mutex_lock(mutex)
    idleCallbacks.append(callback)
    callBackIfIdle()
    pthread_mutex_unlock(mutex)
  }

  /// Called, and returns, with `mutex` held; lets go of it meanwhile.
  private func callBackIfIdle() {
    guard jobs.isEmpty, busy == 0, !idleCallbacks.isEmpty else { return }
    let callbacks = idleCallbacks
    idleCallbacks = []
    pthread_mutex_unlock(mutex)
    for callback in callbacks { callback() }
    pthread_mutex_lock(mutex)
  }

  private func run() {
    pthread_mutex_lock(mutex)
    while true {
      while jobs.isEmpty, !isShutDown {
        idle += 1
        pthread_cond_wait(condition, mutex)
        idle -= 1
      }
      if jobs.isEmpty { break }
      let job = jobs.removeFirst()
      busy += 1
      pthread_mutex_unlock(mutex)
      job()
      pthread_mutex_lock(mutex)
      busy -= 1
      callBackIfIdle()
    }
    pthread_mutex_unlock(mutex)
  }

  private func runWaitingJobs() {
    while true {
      pthread_mutex_lock(mutex)
      let job = jobs.isEmpty ? nil : jobs.removeFirst()
      pthread_mutex_unlock(mutex)
      guard let job else { break }
      job()
    }
    pthread_mutex_lock(mutex)
    callBackIfIdle()
    pthread_mutex_unlock(mutex)
  }
}
