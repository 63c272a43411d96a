import Dispatch
import Glibc
import Synchronization

/// Interrupt, termination and hang-up end a command in order: it finishes what it is at, commits, and closes its store.
/// The same signal a second time ends the process.
final class StopSignals {
  /// A descriptor that can be read from as soon as a signal has come.
  let descriptor: Int32
  private let mailbox: Mailbox
  private let sources: [any DispatchSourceSignal]

  private final class Mailbox: Sendable {
    let received = Atomic<Int32>(0)
    let far: Int32

    init(far: Int32) {
      self.far = far
    }

    func receive(_ number: Int32) {
      _ = received.compareExchange(expected: 0, desired: number, ordering: .acquiringAndReleasing)
      signal(number, SIG_DFL)
      _ = write(far, [UInt8(0)], 1)
    }
  }

  init() {
    var ends: [Int32] = [-1, -1]
    // Without a pipe a command notices the signal all the same, only later.
    _ = pipe(&ends)
    let mailbox = Mailbox(far: ends[1])
    descriptor = ends[0]
    self.mailbox = mailbox
    // A process that was started by `nohup` has hang-ups ignored, and goes on ignoring them.
    let numbers = [SIGINT, SIGTERM] + (Self.isHangUpIgnored ? [] : [SIGHUP])
    sources = numbers.map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { mailbox.receive(number) }
      source.resume()
      return source
    }
  }

  /// The signal that came first, if one came.
  private var number: Int32? {
    let number = mailbox.received.load(ordering: .acquiring)
    return number == 0 ? nil : number
  }

  var mustStop: Bool { number != nil }

  /// The status that a shell expects of a command that a signal ended before it was done.
  var status: Int32? { number.map { 128 + $0 } }

  func end() {
    for source in sources { source.cancel() }
  }

  private static var isHangUpIgnored: Bool {
    guard let status = try? LineReader.text(of: "/proc/self/status"),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigIgn:") }),
      let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
    else { return false }
    return mask & (1 << UInt64(SIGHUP - 1)) != 0
  }
}
