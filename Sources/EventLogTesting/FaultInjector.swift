internal import EventLog
public import RecordFormat
internal import SegmentStoreTesting
internal import Synchronization

/// Makes a test broker's disk fail, fill up or hang, at the call that the test chooses.
///
/// ```swift
/// broker.faults.fail(.sync)                              // the next sync fails
/// broker.faults.fail(.sync, nth: 3, times: nil)          // the third one, and all that follow
/// broker.faults.fillDisk(after: 1 << 20)                 // room for one MiB more
/// let gate = broker.faults.hold(.sync, matching: "orders-0/")
/// ```
///
/// It stands between the broker and the file system, so that it concerns the partitions' files, not SQLite's database. Records
/// are written and read through mappings, without any call: an append calls only where it needs more room (`reserve`), and
/// waits for a `sync` with `acks=all`. Reads call when a segment is opened, and while a broker opens after a crash.
public final class FaultInjector: Sendable {
  /// What is asked of the file system.
  public enum Operation: String, Sendable, Hashable, CaseIterable {
    case open
    /// A read into memory: recovery, indexes, imports, read-only brokers.
    case read
    /// A small file being written: indexes, checkpoints.
    case write
    /// Room for more records, reserved in steps of 16 KiB and more.
    case reserve
    case truncate
    /// The data of a file made durable.
    case sync
    /// The names in a directory made durable.
    case syncDirectory
    case map
    case rename
    case remove
    case makeDirectory

    var call: FaultyFileSystem.Call {
      switch self {
      case .open: .open
      case .read: .read
      case .write: .write
      case .reserve: .allocate
      case .truncate: .truncate
      case .sync: .syncData
      case .syncDirectory: .syncDirectory
      case .map: .map
      case .rename: .rename
      case .remove: .unlink
      case .makeDirectory: .makeDirectory
      }
    }
  }

  /// How a call fails.
  public enum Failure: Sendable, Hashable {
    /// The device gives an error (`EIO`).
    case inputOutput
    /// There is no room (`ENOSPC`).
    case diskFull
    case error(EventLogError)

    var error: EventLogError {
      switch self {
      case .inputOutput: FaultyFileSystem.inputOutput
      case .diskFull: FaultyFileSystem.diskFull
      case .error(let error): error
      }
    }
  }

  let fileSystem: FaultyFileSystem
  private let gates = Mutex<[Gate]>([])
  private let used = Atomic<Bool>(false)

  init(_ fileSystem: FaultyFileSystem) {
    self.fileSystem = fileSystem
  }

  /// Whether anything was ever asked of it: what then can't be closed in order surprises nobody.
  var wasUsed: Bool { used.load(ordering: .acquiring) }

  func noteDamage() { used.store(true, ordering: .releasing) }

  /// Has a call fail.
  ///
  /// - Parameters:
  ///   - nth: which one, counted from 1 and from now.
  ///   - times: how many of them fail from there on; nil for all, until `heal`.
  ///   - part: a part of the path of the file concerned, such as `orders-0/` or `.log`; empty for any.
  public func fail(
    _ operation: Operation, nth: Int = 1, times: Int? = 1, matching part: String = "",
    with failure: Failure = .inputOutput
  ) {
    noteDamage()
    fileSystem.arm(
      operation.call, after: max(0, nth - 1), times: times, with: .fail(failure.error), where: Self.matches(part))
  }

  /// Fills the disk up: what asks for more than `bytes` from now on fails with `diskFull`, until `heal`.
  public func fillDisk(after bytes: Int64 = 0, matching part: String = "") {
    noteDamage()
    fileSystem.limitRoom(to: bytes, where: Self.matches(part))
  }

  /// Holds a call back until the gate is opened: a slow disk, without a test that waits for one.
  ///
  /// To have it take 200 ms of a `TestClock`: await `reached`, advance the clock, open the gate. A held `reserve` blocks the
  /// thread that appends, which may be one of Swift's own few; syncs have threads of their own.
  public func hold(_ operation: Operation, nth: Int = 1, matching part: String = "") -> FaultGate {
    let gate = Gate()
    gates.withLock { gates in
      gates.removeAll { $0.isOpen }
      gates.append(gate)
    }
    fileSystem.arm(operation.call, after: max(0, nth - 1), times: 1, with: .hold(gate), where: Self.matches(part))
    return FaultGate(gate)
  }

  /// From now on everything works again, what is held goes on, and there is room. What a failed sync broke stays broken until
  /// the broker is restarted, as in production.
  public func heal() {
    fileSystem.heal()
  }

  /// How many calls of a kind there were, failed ones included.
  public func count(of operation: Operation) -> Int { fileSystem.count(operation.call) }

  /// Calls `callback`, perhaps more than once, when a call is held at a gate.
  func whenHolding(_ callback: @escaping @Sendable () -> Void) {
    for gate in gates.withLock({ $0 }) {
      gate.whenReached { if gate.isHolding { callback() } }
    }
  }

  private static func matches(_ part: String) -> @Sendable (String) -> Bool {
    { path in part.isEmpty || path.contains(part) }
  }
}

/// Where `FaultInjector.hold` keeps a call waiting.
public struct FaultGate: Sendable {
  private let gate: Gate

  init(_ gate: Gate) {
    self.gate = gate
  }

  /// Lets the call go on, also one that is still to come.
  public func open() { gate.open() }

  /// Returns once the call has come to the gate.
  ///
  /// - Throws: `CancellationError`.
  public func reached() async throws {
    let shot = OneShot<Void>()
    gate.whenReached { shot.complete(.success(())) }
    try await shot.value()
  }
}
