/// Whether a sync waits a moment before it begins, for those whom the last one served: they are about to append again.
///
/// Where they are back sooner than a sync takes, they share the next one; each that came too late would wait for two. Where they
/// take longer, it is better to go on: one half appends while the other half's sync runs.
struct SyncGathering {
  private var expected = 0
  /// How long the last sync took, in nanoseconds.
  private var syncTime: Int64 = 0
  /// So many syncs begin at once, because the last wait was in vain.
  private var skips = 0

  private static let skipsAfterVain = 64

  /// For how many waiters a sync is to wait, and for how long at most (nanoseconds); nil where it is not to wait.
  mutating func begin() -> (expected: Int, patience: Int64)? {
    guard expected > 1 else { return nil }
    guard skips == 0 else {
      skips -= 1
      return nil
    }
    return (expected, syncTime)
  }

  mutating func wasInVain() { skips = Self.skipsAfterVain }

  mutating func syncTook(_ nanoseconds: Int64) { syncTime = nanoseconds }

  /// A sync served `count`, while `left` came too late for it.
  mutating func served(_ count: Int, left: Int) { expected = count + left }
}
