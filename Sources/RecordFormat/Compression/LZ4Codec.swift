#if LZ4
  internal import CLZ4

  /// LZ4 frames as Kafka writes them: independent blocks of 64 KiB, no checksum of the content.
  enum LZ4Codec {
    private static let decompressors = IdleContexts()

    static func compress(_ input: UnsafeRawBufferPointer, level: Int32) throws(EventLogError) -> [UInt8] {
      var preferences = LZ4F_preferences_t()
      preferences.frameInfo.blockSizeID = LZ4F_max64KB
      preferences.frameInfo.blockMode = LZ4F_blockIndependent
      preferences.compressionLevel = libraryLevel(level)
      let bound = LZ4F_compressFrameBound(input.count, &preferences)
      let output = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
        let size = LZ4F_compressFrame(buffer.baseAddress, bound, input.baseAddress, input.count, &preferences)
        count = LZ4F_isError(size) == 0 ? size : 0
      }
      guard !output.isEmpty else { throw EventLogError(.storageError, "lz4 could not compress") }
      return output
    }

    /// Kafka's default level has always meant the quick compressor there, and the levels were added later beside it: all
    /// others mean the thorough one (KIP-390), which the library has from 3 on.
    private static func libraryLevel(_ level: Int32) -> Int32 {
      level == CompressionLevels.lz4.defaultLevel ? 0 : max(level, 3)
    }

    static func decompress(_ input: UnsafeRawBufferPointer, into output: inout OutputBuffer) throws(EventLogError) {
      let context = try takeDecompressor()
      // One that met a damaged frame is not used again: a reset leaves it waiting for the content size which that had stated.
      var isAtEnd = false
      defer { if !isAtEnd || !decompressors.giveBack(context) { LZ4F_freeDecompressionContext(context) } }
      guard let base = input.baseAddress else { throw Codec.damaged(.lz4, "it is empty") }
      var position = 0
      while true {
        let room = try output.room()
        var produced = room.count
        var consumed = input.count - position
        let hint = LZ4F_decompress(context, room.baseAddress, &produced, base + position, &consumed, nil)
        guard LZ4F_isError(hint) == 0 else { throw Codec.damaged(.lz4, String(cString: LZ4F_getErrorName(hint))) }
        output.filled(produced)
        position += consumed
        if hint == 0 {
          isAtEnd = true
          guard position == input.count else { throw Codec.damaged(.lz4, "bytes follow the frame") }
          return
        }
        if position == input.count, produced == 0 { throw Codec.damaged(.lz4, "it is cut off") }
      }
    }

    private static func takeDecompressor() throws(EventLogError) -> OpaquePointer {
      if let idle = decompressors.take() {
        LZ4F_resetDecompressionContext(idle)
        return idle
      }
      var context: OpaquePointer?
      guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0, let context else {
        throw EventLogError(.storageError, "lz4 could not be started: out of memory")
      }
      return context
    }
  }
#else
  enum LZ4Codec {
    static func compress(_: UnsafeRawBufferPointer, level: Int32) throws(EventLogError) -> [UInt8] {
      throw Codec.leftOut(.lz4, trait: "LZ4")
    }
    static func decompress(_: UnsafeRawBufferPointer, into _: inout OutputBuffer) throws(EventLogError) {
      throw Codec.leftOut(.lz4, trait: "LZ4")
    }
  }
#endif
