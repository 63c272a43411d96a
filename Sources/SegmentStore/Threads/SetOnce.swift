public import Synchronization

/// A reference that is set once and then read by whoever comes, without waiting.
///
/// The standard library's `AtomicLazyReference` is the same, but looks its own type up with every read (Swift 6.3: seven
/// hundred instructions).
///
/// What is set stays until `deinit`, and who reads it has this value, so that the object lives.
@usableFromInline
package struct SetOnce<Object: AnyObject & Sendable>: ~Copyable, Sendable {
  @usableFromInline let object = Atomic<Unmanaged<Object>?>(nil)

  package init() {}

  deinit {
    object.load(ordering: .acquiring)?.release()
  }

  /// Nil as long as nothing is set.
  @inlinable @inline(always)
  package var value: Object? { object.load(ordering: .acquiring)?.takeUnretainedValue() }

  /// Sets the object, unless one is set.
  ///
  /// - Returns: the one that is there now.
  @discardableResult
  package func set(_ new: Object) -> Object {
    let retained = Unmanaged.passRetained(new)
    let (isSet, old) = object.compareExchange(expected: nil, desired: retained, ordering: .acquiringAndReleasing)
    if isSet { return new }
    retained.release()
    return old?.takeUnretainedValue() ?? new
  }
}
