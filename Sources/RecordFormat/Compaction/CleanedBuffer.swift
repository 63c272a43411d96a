/// Memory that cleaned batches are put together in before they are written: it grows as need be, and is used again and again.
package struct CleanedBuffer: ~Copyable {
  private var memory: UnsafeMutableRawPointer
  private var capacity: Int
  package private(set) var count = 0

  package init(capacity: Int = 1 << 20) {
    self.capacity = max(capacity, 64)
    memory = .allocate(byteCount: self.capacity, alignment: 16)
  }

  deinit {
    memory.deallocate()
  }

  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

  package mutating func removeAll() { count = 0 }

  /// Room for `size` bytes at the end; what is stored there counts after `filled`.
  @inline(always)
  mutating func room(_ size: Int) -> UnsafeMutableRawPointer {
    if capacity &- count < size { grow(to: count + size) }
    return memory + count
  }

  private mutating func grow(to size: Int) {
    let larger = max(size, capacity * 2)
    let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
    new.copyMemory(from: memory, byteCount: count)
    memory.deallocate()
    memory = new
    capacity = larger
  }

  @inline(always)
  mutating func filled(_ size: Int) {
    assert(size >= 0 && size <= capacity - count)
    count &+= size
  }

  @inline(always)
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    room(bytes.count).copyMemory(from: base, byteCount: bytes.count)
    count &+= bytes.count
  }
}
