internal import Glibc

/// A door that opens once: threads wait before it until another opens it.
///
/// `@unchecked Sendable`: a POSIX semaphore is made to be used by several threads, and its address is set once.
package final class Latch: @unchecked Sendable {
  private let semaphore: UnsafeMutablePointer<sem_t>

  package init() {
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  package func open() {
    sem_post(semaphore)
  }

  /// Blocks this thread until `open` was called.
  package func wait() {
    while sem_wait(semaphore) != 0 {}
    sem_post(semaphore)
  }
}
