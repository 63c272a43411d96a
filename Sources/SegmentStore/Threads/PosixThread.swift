internal import CEventLog
internal import Glibc

/// Threads of our own: for what blocks, and so does not belong on Swift's cooperative pool.
package enum PosixThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
      self.run = run
    }
  }

  /// Whether the calling thread is one of ours.
  package static var isCurrent: Bool { cel_is_own_thread() != 0 }

  /// Starts a thread that nobody waits for. Where the system has none to give, `body` is not run.
  package static func startDetached(_ body: @escaping @Sendable () -> Void) {
    if let thread = start(body) { pthread_detach(thread) }
  }

  /// Starts a thread that runs `body` and ends with it; nil where the system has none to give.
  static func start(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Body(body)).toOpaque()
    let code = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        cel_set_own_thread()
        Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
        return nil
      }, context)
    guard code == 0 else {
      Unmanaged<Body>.fromOpaque(context).release()
      return nil
    }
    return thread
  }
}
