public import Synchronization

/// References that are each set once, and then read by whoever comes, without waiting. They lie side by side, so that who goes over
/// many of them does not wait for memory either.
///
/// The standard library's `AtomicLazyReference` is one of these, but looks its own type up with every read (Swift 6.3: seven hundred
/// instructions).
///
/// `@unchecked Sendable`: `objects` is written once, by `init`, and what it points to are atomics. What one of them was set to
/// stays, and is retained, until `deinit`; who reads it has the table, so that the object lives.
@usableFromInline
package final class SetOnceTable<Object: AnyObject & Sendable>: @unchecked Sendable {
  @usableFromInline package let count: Int
  @usableFromInline let objects: UnsafeMutablePointer<Atomic<Unmanaged<Object>?>>

  package init(count: Int) {
    self.count = count
    objects = .allocate(capacity: count)
    for index in 0..<count { (objects + index).initialize(to: Atomic(nil)) }
  }

  deinit {
    for index in 0..<count { objects[index].load(ordering: .acquiring)?.release() }
    objects.deinitialize(count: count)
    objects.deallocate()
  }

  /// Nil as long as nothing is set there, and where the table does not reach.
  @inlinable @inline(always)
  package subscript(index: Int) -> Object? {
    guard index >= 0, index < count else { return nil }
    return objects[index].load(ordering: .acquiring)?.takeUnretainedValue()
  }

  /// Sets what is at `index`, which the table reaches, unless something is.
  package func set(_ object: Object, at index: Int) {
    precondition(index >= 0 && index < count)
    let retained = Unmanaged.passRetained(object)
    let (isSet, _) = objects[index].compareExchange(
      expected: nil, desired: retained, ordering: .acquiringAndReleasing)
    if !isSet { retained.release() }
  }
}
