#if Gzip
  internal import CZlib

  /// gzip (RFC 1952), by zlib.
  enum GzipCodec {
    static func compress(_ input: UnsafeRawBufferPointer, level: Int32) throws(EventLogError) -> [UInt8] {
      var stream = z_stream()
      // 15 bits of window, and 16 to ask for gzip's framing.
      guard
        deflateInit2_(
          &stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
          == Z_OK
      else { throw EventLogError(.illegalArgument, "zlib refuses compression level \(level)") }
      defer { deflateEnd(&stream) }
      let bound = Int(deflateBound(&stream, UInt(input.count)))
      stream.next_in = Self.inputPointer(input)
      stream.avail_in = UInt32(input.count)
      let output = [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
        stream.next_out = buffer.baseAddress
        stream.avail_out = UInt32(bound)
        count = deflate(&stream, Z_FINISH) == Z_STREAM_END ? bound - Int(stream.avail_out) : 0
      }
      guard !output.isEmpty else { throw EventLogError(.storageError, "zlib could not compress") }
      return output
    }

    static func decompress(_ input: UnsafeRawBufferPointer, into output: inout OutputBuffer) throws(EventLogError) {
      var stream = z_stream()
      guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        throw EventLogError(.storageError, "zlib could not be started: out of memory")
      }
      defer { inflateEnd(&stream) }
      guard input.count <= Int(UInt32.max) else { throw Codec.damaged(.gzip, "too large") }
      stream.next_in = Self.inputPointer(input)
      stream.avail_in = UInt32(input.count)
      while true {
        let room = try output.room()
        let size = min(room.count, 1 << 30)
        stream.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(size)
        let code = inflate(&stream, Z_NO_FLUSH)
        output.filled(size - Int(stream.avail_out))
        switch code {
        case Z_STREAM_END:
          if stream.avail_in == 0 { return }
          // Several members, one after the other, are one stream.
          guard inflateReset(&stream) == Z_OK else { throw Codec.damaged(.gzip, "a further member is no gzip") }
        case Z_OK:
          if stream.avail_in == 0, stream.avail_out > 0 { throw Codec.damaged(.gzip, "it is cut off") }
        case Z_BUF_ERROR where stream.avail_out == 0:
          continue
        default:
          throw Codec.damaged(.gzip, stream.msg.map { String(cString: $0) } ?? "zlib's code \(code)")
        }
      }
    }

    private static func inputPointer(_ input: UnsafeRawBufferPointer) -> UnsafeMutablePointer<UInt8>? {
      // zlib does not write to its input; its header only forgot to say so.
      UnsafeMutableRawPointer(mutating: input.baseAddress)?.assumingMemoryBound(to: UInt8.self)
    }
  }
#else
  enum GzipCodec {
    static func compress(_: UnsafeRawBufferPointer, level: Int32) throws(EventLogError) -> [UInt8] {
      throw Codec.leftOut(.gzip, trait: "Gzip")
    }
    static func decompress(_: UnsafeRawBufferPointer, into _: inout OutputBuffer) throws(EventLogError) {
      throw Codec.leftOut(.gzip, trait: "Gzip")
    }
  }
#endif
