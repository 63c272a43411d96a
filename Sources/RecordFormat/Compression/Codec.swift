/// The codecs of Kafka's record format, each in Kafka's own framing. What is compressed is all records of a batch as
/// one piece; the header stays plain.
///
/// Each codec stands behind a package trait. One that was left out gives an error that names the trait.
package enum Codec {
  /// Compresses the records of a batch.
  ///
  /// - Parameter level: one of the codec's `CompressionLevels`; nil is Kafka's default.
  package static func compress(
    _ input: UnsafeRawBufferPointer, _ type: CompressionType, level: Int32? = nil
  ) throws(EventLogError) -> [UInt8] {
    switch type {
    case .none: return Array(input)
    case .gzip: return try GzipCodec.compress(input, level: level ?? CompressionLevels.gzip.defaultLevel)
    case .snappy: return try SnappyCodec.compress(input)
    case .lz4: return try LZ4Codec.compress(input, level: level ?? CompressionLevels.lz4.defaultLevel)
    case .zstd: return try ZstdCodec.compress(input, level: level ?? CompressionLevels.zstd.defaultLevel)
    }
  }

  /// Decompresses the records of a batch. More than `limit` bytes of output is an error, whatever the input says of
  /// itself, and no more than that is ever allocated.
  package static func decompress(
    _ input: UnsafeRawBufferPointer, _ type: CompressionType, limit: Int
  ) throws(EventLogError) -> MemoryRegion {
    var output = OutputBuffer(estimate: input.count * 4, limit: limit)
    switch type {
    case .none: try output.append(input)
    case .gzip: try GzipCodec.decompress(input, into: &output)
    case .snappy: try SnappyCodec.decompress(input, into: &output)
    case .lz4: try LZ4Codec.decompress(input, into: &output)
    case .zstd: try ZstdCodec.decompress(input, into: &output)
    }
    return output.finish()
  }

  static func damaged(_ type: CompressionType, _ what: String) -> EventLogError {
    EventLogError(.corruptMessage, "the \(type.name) data of the batch is damaged: \(what)")
  }

  static func leftOut(_ type: CompressionType, trait: String) -> EventLogError {
    EventLogError(
      .unsupportedCompressionType,
      "this build has no \(type.name); build it with the package trait \(trait) (on by default)")
  }
}

/// Memory that grows with what is decompressed into it, up to a limit.
struct OutputBuffer: ~Copyable {
  private var memory: UnsafeMutableRawPointer
  private var capacity: Int
  private var ownsMemory = true
  private let limit: Int
  private(set) var count = 0

  init(estimate: Int, limit: Int) {
    self.limit = limit
    capacity = max(1, min(max(estimate, 4096), limit))
    memory = .allocate(byteCount: capacity, alignment: 16)
  }

  deinit {
    if ownsMemory { memory.deallocate() }
  }

  /// Room for at least one more byte.
  mutating func room() throws(EventLogError) -> UnsafeMutableRawBufferPointer {
    if count == capacity { try grow(to: capacity + 1) }
    return UnsafeMutableRawBufferPointer(start: memory + count, count: capacity - count)
  }

  /// Room for exactly `size` bytes, which the caller knows to come.
  mutating func room(_ size: Int) throws(EventLogError) -> UnsafeMutableRawBufferPointer {
    if capacity - count < size { try grow(to: count + size) }
    return UnsafeMutableRawBufferPointer(start: memory + count, count: size)
  }

  mutating func filled(_ size: Int) {
    precondition(size >= 0 && size <= capacity - count, "filled more than there is room for")
    count += size
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(EventLogError) {
    try room(bytes.count).copyMemory(from: bytes)
    count += bytes.count
  }

  private mutating func grow(to size: Int) throws(EventLogError) {
    guard size <= limit else {
      throw EventLogError(.corruptMessage, "the batch decompresses to more than the \(limit) bytes that are allowed")
    }
    let larger = min(max(size, capacity * 2), limit)
    let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
    new.copyMemory(from: memory, byteCount: count)
    memory.deallocate()
    memory = new
    capacity = larger
  }

  consuming func finish() -> MemoryRegion {
    ownsMemory = false
    return MemoryRegion(owning: UnsafeRawPointer(memory), count: count, origin: .heap)
  }
}
