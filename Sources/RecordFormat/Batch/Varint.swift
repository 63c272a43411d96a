/// Variable-length integers as in Kafka's records: zigzag, then seven bits a byte, least significant first.
@usableFromInline
package enum Varint {
  /// The longest encodings that are accepted: of 32 bits, and of 64.
  @inlinable package static var maximumBytes32: Int { 5 }
  @inlinable package static var maximumBytes64: Int { 10 }

  @inlinable @inline(always)
  package static func zigzag(_ value: Int64) -> UInt64 {
    UInt64(bitPattern: (value &<< 1) ^ (value &>> 63))
  }

  @inlinable @inline(always)
  package static func unzigzag(_ value: UInt64) -> Int64 {
    Int64(bitPattern: value &>> 1) ^ -Int64(bitPattern: value & 1)
  }

  /// How many bytes the encoding of `value` has, 1 to 10.
  @inlinable @inline(always)
  package static func size(_ value: Int64) -> Int {
    let encoded = zigzag(value)
    // Nearly all that records hold is this short, and to count bits is slow on some processors.
    if encoded < 1 << 7 { return 1 }
    if encoded < 1 << 14 { return 2 }
    let bits = 64 &- encoded.leadingZeroBitCount
    return (bits &* 9 &+ 64) &>> 6  // the bits over seven, rounded up
  }

  /// Stores `value` at `pointer` and moves it past the encoding. The caller has made sure of the room.
  @inlinable @inline(always)
  package static func store(_ value: Int64, at pointer: inout UnsafeMutableRawPointer) {
    var rest = zigzag(value)
    while rest >= 0x80 {
      pointer.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, as: UInt8.self)
      pointer += 1
      rest &>>= 7
    }
    pointer.storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
    pointer += 1
  }

  /// The longest encoding that `loadUsual` reads: numbers below a million.
  @inlinable package static var usualBytes: Int { 3 }

  /// Loads an encoding of at most `usualBytes`, which have to be readable, and moves `pointer` past it. False for a longer
  /// one.
  @inlinable @inline(always)
  package static func loadUsual(_ value: inout Int, from pointer: inout UnsafeRawPointer) -> Bool {
    var encoded = UInt64(pointer.load(as: UInt8.self))
    pointer += 1
    if encoded >= 0x80 {
      let second = UInt64(pointer.load(as: UInt8.self))
      pointer += 1
      encoded = (encoded & 0x7f) | (second & 0x7f) &<< 7
      if second >= 0x80 {
        let third = UInt64(pointer.load(as: UInt8.self))
        guard third < 0x80 else { return false }
        pointer += 1
        encoded |= third &<< 14
      }
    }
    value = Int(truncatingIfNeeded: unzigzag(encoded))
    return true
  }

  /// Loads an encoding of at most `maximumBytes` from `pointer`, below `end`, and moves `pointer` past it. False where
  /// the encoding is cut off or too long; `pointer` is of no use then.
  @inlinable @inline(always)
  package static func load(
    _ value: inout Int64, from pointer: inout UnsafeRawPointer, end: UnsafeRawPointer, maximumBytes: Int
  ) -> Bool {
    guard pointer < end else { return false }
    let first = pointer.load(as: UInt8.self)
    pointer += 1
    if first < 0x80 {
      value = unzigzag(UInt64(first))
      return true
    }
    return loadRest(UInt64(first & 0x7f), &value, from: &pointer, end: end, maximumBytes: maximumBytes)
  }

  @inlinable
  package static func loadRest(
    _ first: UInt64, _ value: inout Int64, from pointer: inout UnsafeRawPointer, end: UnsafeRawPointer,
    maximumBytes: Int
  ) -> Bool {
    var sum = first
    var shift: UInt64 = 7
    for _ in 1..<maximumBytes {
      guard pointer < end else { return false }
      let byte = pointer.load(as: UInt8.self)
      pointer += 1
      sum |= UInt64(byte & 0x7f) &<< shift
      if byte < 0x80 {
        // Kafka reads a varint as 32 bits and drops what lies above.
        value = maximumBytes == maximumBytes32 ? unzigzag(sum & 0xffff_ffff) : unzigzag(sum)
        return true
      }
      shift += 7
    }
    return false
  }
}
