/// Where the parts of one record lie: offsets from the base of the memory that holds it.
@frozen @usableFromInline
package struct RecordLayout: Sendable, BitwiseCopyable {
  /// Offset less the batch's base offset.
  @usableFromInline package var offsetDelta: Int32
  /// Timestamp less the batch's base timestamp.
  @usableFromInline package var timestampDelta: Int64
  @usableFromInline package var keyStart: Int
  /// -1 is null.
  @usableFromInline package var keyCount: Int
  @usableFromInline package var valueStart: Int
  /// -1 is null.
  @usableFromInline package var valueCount: Int
  @usableFromInline package var headersStart: Int
  @usableFromInline package var headerCount: Int32

  @inlinable
  package init() {
    offsetDelta = 0
    timestampDelta = 0
    keyStart = 0
    keyCount = -1
    valueStart = 0
    valueCount = -1
    headersStart = 0
    headerCount = 0
  }
}

/// Walks over the records of one batch. Every length is checked against the end of the record, and that against the
/// end of the batch: a good checksum says who wrote the lengths, not that they are right.
///
/// The caller keeps the memory alive for as long as it uses the cursor.
@frozen @usableFromInline
package struct RecordCursor {
  @usableFromInline let base: UnsafeRawPointer
  @usableFromInline var pointer: UnsafeRawPointer
  @usableFromInline let end: UnsafeRawPointer
  /// How many records the header promises that were not yet seen.
  @usableFromInline package var remaining: Int32
  /// The record that `advance` stopped at.
  @usableFromInline package var record = RecordLayout()
  /// Whether a record was found that breaks the format; no further one is returned then.
  @usableFromInline package var isBroken = false

  /// A cursor before the first of `count` records in `range` of the memory at `base`.
  @inlinable
  package init(base: UnsafeRawPointer, range: Range<Int>, count: Int32) {
    self.base = base
    self.pointer = base + range.lowerBound
    self.end = base + range.upperBound
    self.remaining = count
  }

  /// Goes to the next record. False at the end, or at a record that breaks the format (`isBroken`), after which `record` is
  /// of no use.
  @inlinable @inline(always)
  package mutating func advance() -> Bool {
    guard remaining > 0 else {
      // Bytes that no record owns, or a negative count, are as wrong as records that are missing.
      if pointer != end || remaining < 0 { isBroken = true }
      return false
    }
    guard parseUsual() || parse() else {
      isBroken = true
      remaining = 0
      return false
    }
    remaining &-= 1
    return true
  }

  /// The record, where it is of the shape that nearly all have: without headers, its numbers of three bytes at most, and
  /// with bytes behind it, so that the end need be looked at only twice. False decides nothing: `parse` does.
  @inlinable @inline(always)
  mutating func parseUsual() -> Bool {
    var next = pointer
    var length = 0
    var number = 0
    // Five numbers and the attributes.
    guard end - next >= 5 * Varint.usualBytes + 1, Varint.loadUsual(&length, from: &next) else { return false }
    guard length >= 6, length <= end - next else { return false }
    let recordEnd = next + length
    next += 1
    guard Varint.loadUsual(&number, from: &next) else { return false }
    record.timestampDelta = Int64(number)
    guard Varint.loadUsual(&number, from: &next) else { return false }
    record.offsetDelta = Int32(truncatingIfNeeded: number)
    guard Varint.loadUsual(&number, from: &next) else { return false }
    record.keyStart = next - base
    record.keyCount = number
    // Bytes of the key and of the value's length, as far as the batch goes: the last look says whether they were the
    // record's own.
    guard number >= -1, number <= end - next - Varint.usualBytes else { return false }
    next += max(number, 0)
    guard Varint.loadUsual(&number, from: &next) else { return false }
    record.valueStart = next - base
    record.valueCount = number
    // The value ends one byte before the record: there are no headers.
    guard number >= -1, max(number, 0) == recordEnd - next - 1 else { return false }
    next = recordEnd - 1
    guard next.load(as: UInt8.self) == 0 else { return false }
    record.headersStart = recordEnd - base
    record.headerCount = 0
    pointer = recordEnd
    return true
  }

  /// The record, whatever its shape. Works on a copy of `pointer`, which the processor keeps in a register.
  @inlinable @inline(never)
  package mutating func parse() -> Bool {
    var next = pointer
    var number: Int64 = 0
    guard Varint.load(&number, from: &next, end: end, maximumBytes: Varint.maximumBytes32) else { return false }
    // The shortest record: attributes, timestamp, offset, null key, null value, no headers.
    guard number >= 6, number <= Int64(end - next) else { return false }
    let recordEnd = next + Int(number)
    next += 1  // attributes: none are defined, and Kafka does not look at them
    guard
      Varint.load(&record.timestampDelta, from: &next, end: recordEnd, maximumBytes: Varint.maximumBytes64),
      Varint.load(&number, from: &next, end: recordEnd, maximumBytes: Varint.maximumBytes32)
    else { return false }
    record.offsetDelta = Int32(truncatingIfNeeded: number)
    guard Varint.load(&number, from: &next, end: recordEnd, maximumBytes: Varint.maximumBytes32) else { return false }
    record.keyStart = next - base
    guard Self.skip(number, from: &next, end: recordEnd) else { return false }
    record.keyCount = Int(number)
    guard Varint.load(&number, from: &next, end: recordEnd, maximumBytes: Varint.maximumBytes32) else { return false }
    record.valueStart = next - base
    guard Self.skip(number, from: &next, end: recordEnd) else { return false }
    record.valueCount = Int(number)
    guard Varint.load(&number, from: &next, end: recordEnd, maximumBytes: Varint.maximumBytes32),
      number >= 0, number <= Int64(recordEnd - next)
    else { return false }
    record.headersStart = next - base
    record.headerCount = Int32(truncatingIfNeeded: number)
    if number == 0 {
      guard next == recordEnd else { return false }
    } else {
      guard Self.skipHeaders(record.headerCount, from: next, end: recordEnd) else { return false }
    }
    pointer = recordEnd
    return true
  }

  /// Past a key or value of `length` bytes, where -1 is null.
  @inlinable @inline(always)
  static func skip(_ length: Int64, from pointer: inout UnsafeRawPointer, end: UnsafeRawPointer) -> Bool {
    guard length <= Int64(end - pointer), length >= -1 else { return false }
    pointer += Int(max(length, 0))
    return true
  }

  /// Whether `count` headers lie between here and the end, and nothing else.
  @usableFromInline
  static func skipHeaders(_ count: Int32, from start: UnsafeRawPointer, end: UnsafeRawPointer) -> Bool {
    var pointer = start
    var length: Int64 = 0
    for _ in 0..<count {
      guard Varint.load(&length, from: &pointer, end: end, maximumBytes: Varint.maximumBytes32), length >= 0,
        skip(length, from: &pointer, end: end),
        Varint.load(&length, from: &pointer, end: end, maximumBytes: Varint.maximumBytes32),
        skip(length, from: &pointer, end: end)
      else { return false }
    }
    return pointer == end
  }
}

/// Headers are decoded when they are asked for, from bytes that a `RecordCursor` has already been over.
package enum RecordHeaders {
  /// The headers that lie at `start` of `region`.
  package static func decode(in region: MemoryRegion, start: Int, count: Int32) -> [RecordHeader] {
    guard count > 0 else { return [] }
    var result: [RecordHeader] = []
    var pointer = region.base + start
    let end = region.base + region.count
    var length: Int64 = 0
    for _ in 0..<count {
      guard Varint.load(&length, from: &pointer, end: end, maximumBytes: Varint.maximumBytes32), length >= 0,
        length <= Int64(end - pointer)
      else { return result }
      let key = String(decoding: UnsafeRawBufferPointer(start: pointer, count: Int(length)), as: UTF8.self)
      pointer += Int(length)
      guard Varint.load(&length, from: &pointer, end: end, maximumBytes: Varint.maximumBytes32),
        length <= Int64(end - pointer)
      else { return result }
      var value: [UInt8]?
      if length >= 0 {
        value = Array(UnsafeRawBufferPointer(start: pointer, count: Int(length)))
        pointer += Int(length)
      }
      result.append(RecordHeader(key, value))
    }
    return result
  }
}
