import RecordFormat

/// The four codecs: whatever they are given to decompress, they stay within their limit; and what they compressed comes
/// back as it was. The first byte of the input says which codec.
enum CodecTarget: FuzzTarget {
  private static let limit = 1 << 20

  static func run(_ bytes: UnsafeRawBufferPointer) {
    guard let first = bytes.first, let type = CompressionType(rawValue: Int8(first % 5)) else { return }
    let input = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    if let plain = try? Codec.decompress(input, type, limit: limit) {
      precondition(plain.count <= limit, "more came out than was allowed")
    }
    guard let packed = try? Codec.compress(input, type) else { return }
    packed.withUnsafeBytes { packed in
      guard let plain = try? Codec.decompress(packed, type, limit: max(limit, input.count)) else {
        preconditionFailure("what was compressed can't be decompressed")
      }
      precondition(plain.bytes.elementsEqual(input), "what was compressed came back as something else")
    }
  }
}
