/// The levels of a codec (KIP-390).
package struct CompressionLevels: Sendable {
  package let range: ClosedRange<Int32>
  /// Kafka's default; for gzip it lies outside the range, and stands for the library's own.
  package let defaultLevel: Int32

  package static let gzip = CompressionLevels(range: 1...9, defaultLevel: -1)
  package static let lz4 = CompressionLevels(range: 1...17, defaultLevel: 9)
  package static let zstd = CompressionLevels(range: -131_072...22, defaultLevel: 3)

  package func contains(_ level: Int32) -> Bool { range.contains(level) || level == defaultLevel }

  /// What a level has to be, for who gave another one.
  package var requirement: String {
    let whole = "a whole number from \(range.lowerBound) to \(range.upperBound)"
    return range.contains(defaultLevel) ? whole : "\(defaultLevel), or \(whole)"
  }
}

extension CompressionType {
  /// The codec's levels; nil where it has none.
  package var levels: CompressionLevels? {
    switch self {
    case .none, .snappy: nil
    case .gzip: .gzip
    case .lz4: .lz4
    case .zstd: .zstd
    }
  }
}
