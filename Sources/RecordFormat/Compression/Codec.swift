package enum Codec {
  package static func decompress(
    _ input: UnsafeRawBufferPointer, _ type: CompressionType, limit: Int
  ) throws(EventLogError) -> MemoryRegion {
    throw EventLogError(.unsupportedCompressionType, type.name)
  }
  package static func compress(
    _ input: UnsafeRawBufferPointer, _ type: CompressionType, level: Int32?
  ) throws(EventLogError) -> [UInt8] {
    throw EventLogError(.unsupportedCompressionType, type.name)
  }
}
