public import Synchronization

/// An object at hand for whoever comes while nobody else is at it. Who meets somebody goes another way: nobody waits.
///
/// Where threads seldom meet, this costs one atomic exchange, where a mutex and a reference of one's own cost four.
///
/// `@unchecked Sendable`: `held` is touched only by who found `isTaken` false and made it true, until it is false again
/// (acquire and release), and by `deinit`. What it holds is retained as long as it is there, and so while `body` runs.
@usableFromInline
package final class AtHand<Object: AnyObject & Sendable>: @unchecked Sendable {
  @usableFromInline let isTaken = Atomic<Bool>(false)
  /// On the heap, and not a property: what `isTaken` sees to need not be checked a second time for exclusive access.
  @usableFromInline let held: UnsafeMutablePointer<(object: Unmanaged<Object>?, version: Int)>

  package init() {
    held = .allocate(capacity: 1)
    held.initialize(to: (nil, 0))
  }

  deinit {
    held.pointee.object?.release()
    held.deallocate()
  }

  /// Calls `body` with the object, which it must not keep without a reference of its own; nil where there is none
  /// of this version, or somebody else is at it.
  @inlinable @inline(always)
  package func withObjectIfFree<R, E: Error>(version: Int, _ body: (Object) throws(E) -> R?) throws(E) -> R? {
    guard !isTaken.exchange(true, ordering: .acquiring) else { return nil }
    defer { isTaken.store(false, ordering: .releasing) }
    guard let object = held.pointee.object, held.pointee.version == version else { return nil }
    do {
      return try object._withUnsafeGuaranteedRef { object in try body(object) }
    } catch {
      guard let error = error as? E else { preconditionFailure("body throws no other error") }
      throw error
    }
  }

  /// Has another object at hand, unless somebody is at the one that is there.
  package func put(_ object: Object, version: Int) {
    guard !isTaken.exchange(true, ordering: .acquiring) else { return }
    let old = held.pointee.object
    held.pointee = (Unmanaged.passRetained(object), version)
    isTaken.store(false, ordering: .releasing)
    old?.release()
  }
}
