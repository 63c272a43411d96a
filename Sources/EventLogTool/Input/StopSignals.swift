import Glibc
import Synchronization

/// Interrupt, quit, termination and hang-up, for the whole process. They are taken by its first thread, which does nothing
/// else: Dispatch's signal sources lose one now and then where that thread sleeps in `dispatchMain`.
enum ProcessSignals {
  fileprivate static let mailbox = Mailbox()

  /// What the one thread that waits for signals has to say to the command.
  fileprivate final class Mailbox: Sendable {
    /// Whether a command ends by itself when it is told to.
    let isAwaited = Atomic<Bool>(false)
    let received = Atomic<Int32>(0)
    let near: Int32
    let far: Int32

    init() {
      var ends: [Int32] = [-1, -1]
      // Without a pipe a command notices the signal all the same, only later.
      _ = pipe(&ends)
      (near, far) = (ends[0], ends[1])
    }
  }

  /// To be called before there is another thread: those that come later inherit it.
  static func block() {
    var set = signals()
    pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Waits for signals, on the first thread, for as long as the process lives.
  static func wait() -> Never {
    var set = signals()
    while true {
      var number: Int32 = 0
      guard sigwait(&set, &number) == 0 else { continue }
      if mailbox.isAwaited.load(ordering: .acquiring) {
        let (isFirst, _) = mailbox.received.compareExchange(
          expected: 0, desired: number, ordering: .acquiringAndReleasing)
        _ = write(mailbox.far, [UInt8(0)], 1)
        if isFirst { continue }
      } else if isIgnored(number) {
        continue
      }
      // As if it had never been blocked.
      signal(number, SIG_DFL)
      pthread_sigmask(SIG_UNBLOCK, &set, nil)
      raise(number)
    }
  }

  private static func signals() -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    // A process that was started by `nohup` has hang-ups ignored, and goes on ignoring them.
    // A quit that is not taken here is taken by the runtime, which prints a backtrace and lets the process go on.
    for number in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] where number != SIGHUP || !isIgnored(number) {
      sigaddset(&set, number)
    }
    return set
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    guard let status = try? LineReader.text(of: "/proc/self/status"),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigIgn:") }),
      let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
    else { return false }
    return mask & (1 << UInt64(number - 1)) != 0
  }
}

/// A signal ends a command that has one of these in order: it finishes what it is at, commits, and closes its store.
/// A second signal ends the process.
struct StopSignals {
  init() {
    ProcessSignals.mailbox.isAwaited.store(true, ordering: .releasing)
  }

  /// A descriptor that can be read from as soon as a signal has come.
  var descriptor: Int32 { ProcessSignals.mailbox.near }

  var mustStop: Bool { status != nil }

  /// The status that a shell expects of a command that a signal ended before it was done.
  var status: Int32? {
    let number = ProcessSignals.mailbox.received.load(ordering: .acquiring)
    return number == 0 ? nil : 128 + number
  }

  /// From here on a signal ends the process.
  func end() {
    ProcessSignals.mailbox.isAwaited.store(false, ordering: .releasing)
  }
}
