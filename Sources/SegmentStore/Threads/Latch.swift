internal import CEventLog
internal import Glibc

/// A door that opens once: threads wait before it until another opens it.
package final class Latch: Sendable {
  private let semaphore = Semaphore()

  package init() {}

  package func open() {
    semaphore.signal()
  }

  /// Blocks this thread until `open` was called, or the time is over; false then.
  @discardableResult
  package func wait(milliseconds: Int64? = nil) -> Bool {
    guard semaphore.wait(milliseconds: milliseconds) else { return false }
    semaphore.signal()
    return true
  }

  /// A POSIX semaphore.
  ///
  /// `@unchecked Sendable`: it is made to be used by several threads, and its address is set once.
  package final class Semaphore: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    package init() {
      semaphore = .allocate(capacity: 1)
      sem_init(semaphore, 0, 0)
    }

    deinit {
      sem_destroy(semaphore)
      semaphore.deallocate()
    }

    package func signal() {
      sem_post(semaphore)
    }

    /// Blocks this thread until there was a signal, or the time is over; false then.
    @discardableResult
    package func wait(milliseconds: Int64?) -> Bool {
      guard let milliseconds else {
        while sem_wait(semaphore) != 0 {}
        return true
      }
      var deadline = timespec()
      clock_gettime(CLOCK_MONOTONIC, &deadline)
      // No longer than a day at a time: the caller looks at its own clock anyway.
      let capped = min(milliseconds, 86_400_000)
      let nanoseconds = Int64(deadline.tv_nsec) + capped % 1000 * 1_000_000
      deadline.tv_sec += Int(capped / 1000 + nanoseconds / 1_000_000_000)
      deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
      return cel_semaphore_wait_until(semaphore, &deadline) == 0
    }
  }
}
