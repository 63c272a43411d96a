// Everything in Kafka's files is big-endian and unaligned.

extension UnsafeRawPointer {
  @inlinable @inline(always)
  package func loadBigEndian<Value: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as: Value.Type) -> Value {
    Value(bigEndian: loadUnaligned(fromByteOffset: offset, as: Value.self))
  }
}

extension UnsafeMutableRawPointer {
  @inlinable @inline(always)
  package func storeBigEndian<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value, _ offset: Int) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: Value.self)
  }
}

extension Array<UInt8> {
  /// Appends the number's bytes, most significant first.
  package mutating func appendBigEndian<Value: FixedWidthInteger & BitwiseCopyable>(_ value: Value) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }
}
