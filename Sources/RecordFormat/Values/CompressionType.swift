/// How the records of a batch are compressed: the codecs of Kafka's record format v2 (`compression.type`).
public enum CompressionType: Int8, Sendable, Hashable, CaseIterable {
  case none = 0
  case gzip = 1
  case snappy = 2
  case lz4 = 3
  case zstd = 4

  /// Kafka's name in configurations: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
  public var name: String {
    switch self {
    case .none: "none"
    case .gzip: "gzip"
    case .snappy: "snappy"
    case .lz4: "lz4"
    case .zstd: "zstd"
    }
  }

  /// The codec of Kafka's name, or nil where there is none of that name.
  public init?(name: String) {
    guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = match
  }
}

/// Whose clock a record's timestamp is from (`message.timestamp.type`).
public enum TimestampType: Int8, Sendable, Hashable, CaseIterable {
  /// The producer's, at `send`, or what the producer gave.
  case createTime = 0
  /// The log's, when the batch was appended.
  case logAppendTime = 1

  /// Kafka's name in configurations: `CreateTime` or `LogAppendTime`.
  public var name: String { self == .createTime ? "CreateTime" : "LogAppendTime" }
}
