internal import Glibc

/// Bytes that never change while anyone refers to them: a mapped file, or memory of the heap.
///
/// Records that are read are views into one of these; the last view that goes away gives the memory back. So a
/// segment that was deleted or rolled away stays readable to whoever still holds a record of it.
///
/// `@unchecked Sendable`: the pointer is set once. What lies behind it is either never written again after the
/// region was made (heap memory, closed segments), or is the active segment's mapping, where bytes below the
/// published end never change and nobody reads past it.
@usableFromInline
package final class MemoryRegion: @unchecked Sendable {
  /// Where the memory came from, and so how it goes back.
  package enum Origin: Sendable {
    case heap
    case mapping
  }

  /// Where the bytes begin.
  @usableFromInline package let base: UnsafeRawPointer
  /// How many bytes there are.
  @usableFromInline package let count: Int
  private let origin: Origin

  /// Takes over `count` bytes at `base`: of `malloc` or of `mmap`, as `origin` says.
  package init(owning base: UnsafeRawPointer, count: Int, origin: Origin) {
    self.base = base
    self.count = count
    self.origin = origin
  }

  /// A region of the heap whose bytes `initialize` fills in; it returns how many it filled.
  package convenience init<E: Error>(
    capacity: Int, initialize: (UnsafeMutableRawBufferPointer) throws(E) -> Int
  ) throws(E) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(capacity, 1), alignment: 16)
    do {
      let filled = try initialize(UnsafeMutableRawBufferPointer(start: memory, count: capacity))
      precondition(filled >= 0 && filled <= capacity, "filled more than there is")
      self.init(owning: UnsafeRawPointer(memory), count: filled, origin: .heap)
    } catch {
      memory.deallocate()
      throw error
    }
  }

  /// A region of the heap that holds a copy of `bytes`.
  package convenience init(copying bytes: UnsafeRawBufferPointer) {
    self.init(capacity: bytes.count) { memory in
      memory.copyMemory(from: bytes)
      return bytes.count
    }
  }

  deinit {
    switch origin {
    case .heap: UnsafeMutableRawPointer(mutating: base).deallocate()
    case .mapping: munmap(UnsafeMutableRawPointer(mutating: base), count)
    }
  }

  /// The whole region.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// A part of the region. The range is our own arithmetic, so that one outside is a bug, not bad input.
  package func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside of the region")
    return UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }
}

extension MemoryRegion {
  /// The bytes of a key or value as a span that lives no longer than `owner`, which holds this region; nil where `count`
  /// is negative, which is how null is written.
  @inlinable @inline(always)
  @_lifetime(borrow owner)
  package func span<Owner: ~Copyable>(_ start: Int, _ count: Int, of owner: borrowing Owner) -> RawSpan? {
    guard count >= 0 else { return nil }
    precondition(start >= 0 && start + count <= self.count, "span outside of the region")
    return _overrideLifetime(RawSpan(_unsafeStart: base + start, byteCount: count), borrowing: owner)
  }
}
