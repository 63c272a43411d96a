internal import RecordFormat
internal import Synchronization

/// The cap on what all logs of a broker take together (`log.dirs.max.bytes`).
///
/// Counted are the lengths of the `.log` files, with the room that is reserved ahead of what is written: a log that wants
/// more asks once for each step by which its file grows, and not for each append.
package final class DiskBudget: Sendable {
  /// What happens to an append that would go beyond.
  package enum Policy: Sendable {
    /// It gets an error.
    case refuse
    /// The oldest closed segments of all topics that may be deleted from make room.
    case dropOldest
  }

  package struct Hooks: Sendable {
    /// Called under a partition's lock: to have it looked at soon, and at once to return.
    package var isNearlyFull: @Sendable () -> Void
    /// Called without a lock: whether any room was made.
    package var makeRoom: @Sendable () -> Bool

    package init(isNearlyFull: @escaping @Sendable () -> Void, makeRoom: @escaping @Sendable () -> Bool) {
      self.isNearlyFull = isNearlyFull
      self.makeRoom = makeRoom
    }
  }

  package let limit: Int64
  package let policy: Policy
  /// From here on room is made before anybody has to wait for it.
  private let threshold: Int64
  private let taken = Atomic<Int64>(0)
  private let isSignalled = Atomic(false)
  private let hooks = Mutex<Hooks?>(nil)

  /// - Parameter limit: bytes; nil for no cap.
  package init(limit: Int64? = nil, policy: Policy = .refuse) {
    self.limit = limit ?? .max
    self.policy = policy
    threshold = limit.map { policy == .dropOldest ? $0 - $0 / 8 : .max } ?? .max
  }

  package func set(_ hooks: Hooks) { self.hooks.withLock { $0 = hooks } }

  /// Bytes that the logs take.
  package var used: Int64 { taken.load(ordering: .relaxed) }
  /// How many bytes too many are taken for what comes next not to have to wait.
  package var excess: Int64 { max(0, used - threshold) }

  /// Room that a log needs before it may have it.
  ///
  /// - Throws: `diskFull`.
  func take(_ bytes: Int64, path: String) throws(EventLogError) {
    let (_, now) = taken.add(bytes, ordering: .relaxed)
    guard now > threshold || now > limit else { return }
    if policy == .dropOldest { signal() }
    guard now > limit else { return }
    taken.subtract(bytes, ordering: .relaxed)
    let advice =
      policy == .refuse
      ? "delete records or topics, or raise it" : "there is no closed segment left that may be dropped; raise it"
    throw EventLogError(
      .diskFull, "the logs may take \(limit) bytes together, as log.dirs.max.bytes says: \(advice)", file: path)
  }

  private func signal() {
    guard !isSignalled.exchange(true, ordering: .acquiringAndReleasing) else { return }
    hooks.withLock { $0 }?.isNearlyFull()
  }

  /// Says that what `isNearlyFull` asked for begins: what comes from now on asks anew.
  package func acceptSignal() { isSignalled.store(false, ordering: .releasing) }

  /// Room that is taken already, such as that of files which were there before.
  func add(_ bytes: Int64) { taken.add(bytes, ordering: .relaxed) }
  func giveBack(_ bytes: Int64) { taken.subtract(bytes, ordering: .relaxed) }

  func makeRoom() -> Bool {
    guard policy == .dropOldest, let hooks = hooks.withLock({ $0 }) else { return false }
    return hooks.makeRoom()
  }
}
