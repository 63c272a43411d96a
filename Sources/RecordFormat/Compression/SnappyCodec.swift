#if Snappy
  internal import CSnappy

  /// Snappy in the framing of the Java library that Kafka uses ("xerial"): a header, then blocks, each with its length.
  enum SnappyCodec {
    private static let magic: [UInt8] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
    private static let headerSize = 16
    private static let blockSize = 32 << 10

    static func compress(_ input: UnsafeRawBufferPointer) throws(EventLogError) -> [UInt8] {
      var output = magic
      output.appendBigEndian(Int32(1))  // version
      output.appendBigEndian(Int32(1))  // the oldest version that can read it
      var start = 0
      while start < input.count {
        let block = UnsafeRawBufferPointer(rebasing: input[start..<min(start + blockSize, input.count)])
        let bound = snappy_max_compressed_length(block.count)
        let packed = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
          var size = bound
          let code = buffer.withMemoryRebound(to: CChar.self) { target in
            snappy_compress(
              block.baseAddress?.assumingMemoryBound(to: CChar.self), block.count, target.baseAddress, &size)
          }
          count = code == SNAPPY_OK ? size : 0
        }
        guard !packed.isEmpty else { throw EventLogError(.storageError, "snappy could not compress") }
        output.appendBigEndian(Int32(packed.count))
        output.append(contentsOf: packed)
        start += block.count
      }
      return output
    }

    static func decompress(_ input: UnsafeRawBufferPointer, into output: inout OutputBuffer) throws(EventLogError) {
      guard input.count >= headerSize, input.prefix(magic.count).elementsEqual(magic), let base = input.baseAddress
      else {
        // The Java library takes a bare block as well.
        return try block(input, into: &output)
      }
      var position = headerSize
      while position < input.count {
        guard input.count - position >= 4 else { throw Codec.damaged(.snappy, "a block's length is cut off") }
        let size = Int(base.loadBigEndian(position, as: Int32.self))
        position += 4
        // A further stream may follow, header and all.
        if UInt32(truncatingIfNeeded: size) == 0x8253_4e41, input.count - position >= headerSize - 4 {
          position += headerSize - 4
          continue
        }
        guard size > 0, size <= input.count - position else {
          throw Codec.damaged(.snappy, "a block's length is wrong")
        }
        try block(UnsafeRawBufferPointer(rebasing: input[position..<(position + size)]), into: &output)
        position += size
      }
    }

    private static func block(_ input: UnsafeRawBufferPointer, into output: inout OutputBuffer) throws(EventLogError) {
      let source = input.baseAddress?.assumingMemoryBound(to: CChar.self)
      var size = 0
      guard snappy_uncompressed_length(source, input.count, &size) == SNAPPY_OK else {
        throw Codec.damaged(.snappy, "a block does not say how long it is")
      }
      // No block can expand more than this: a larger number is a lie that would cost memory.
      guard size <= input.count * 64 + 64 else { throw Codec.damaged(.snappy, "a block's stated size is impossible") }
      let room = try output.room(size)
      guard
        snappy_uncompress(source, input.count, room.baseAddress?.assumingMemoryBound(to: CChar.self), &size)
          == SNAPPY_OK
      else { throw Codec.damaged(.snappy, "a block does not decompress") }
      output.filled(size)
    }
  }
#else
  enum SnappyCodec {
    static func compress(_: UnsafeRawBufferPointer) throws(EventLogError) -> [UInt8] {
      throw Codec.leftOut(.snappy, trait: "Snappy")
    }
    static func decompress(_: UnsafeRawBufferPointer, into _: inout OutputBuffer) throws(EventLogError) {
      throw Codec.leftOut(.snappy, trait: "Snappy")
    }
  }
#endif
