#if Zstd
  internal import CZstd

  /// Zstandard frames.
  enum ZstdCodec {
    private static let compressors = IdleContexts()
    private static let decompressors = IdleContexts()
    /// One that a high level has made larger is not kept. The default level's has a little more than 1 MiB.
    private static let mostKept = 4 << 20

    static func compress(_ input: UnsafeRawBufferPointer, level: Int32) throws(EventLogError) -> [UInt8] {
      guard let context = compressors.take() ?? ZSTD_createCCtx() else { throw outOfMemory }
      defer {
        if ZSTD_sizeof_CCtx(context) > mostKept || !compressors.giveBack(context) { ZSTD_freeCCtx(context) }
      }
      let bound = ZSTD_compressBound(input.count)
      let output = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
        let size = ZSTD_compressCCtx(context, buffer.baseAddress, bound, input.baseAddress, input.count, level)
        count = ZSTD_isError(size) == 0 ? size : 0
      }
      guard !output.isEmpty else { throw EventLogError(.storageError, "zstd could not compress") }
      return output
    }

    static func decompress(_ input: UnsafeRawBufferPointer, into output: inout OutputBuffer) throws(EventLogError) {
      guard let context = decompressors.take() ?? ZSTD_createDCtx() else { throw outOfMemory }
      defer {
        if ZSTD_sizeof_DCtx(context) > mostKept || !decompressors.giveBack(context) { ZSTD_freeDCtx(context) }
      }
      // It may have been left in the middle of a frame that was damaged.
      ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
      guard !input.isEmpty else { throw Codec.damaged(.zstd, "it is empty") }
      var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
      while true {
        let room = try output.room()
        var target = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
        let hint = ZSTD_decompressStream(context, &target, &source)
        guard ZSTD_isError(hint) == 0 else { throw Codec.damaged(.zstd, String(cString: ZSTD_getErrorName(hint))) }
        output.filled(target.pos)
        // Several frames, one after the other, are one stream.
        if hint == 0, source.pos == source.size { return }
        if source.pos == source.size, target.pos < target.size { throw Codec.damaged(.zstd, "it is cut off") }
      }
    }

    private static var outOfMemory: EventLogError {
      EventLogError(.storageError, "zstd could not be started: out of memory")
    }
  }
#else
  enum ZstdCodec {
    static func compress(_: UnsafeRawBufferPointer, level: Int32) throws(EventLogError) -> [UInt8] {
      throw Codec.leftOut(.zstd, trait: "Zstd")
    }
    static func decompress(_: UnsafeRawBufferPointer, into _: inout OutputBuffer) throws(EventLogError) {
      throw Codec.leftOut(.zstd, trait: "Zstd")
    }
  }
#endif
