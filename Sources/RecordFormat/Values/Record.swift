/// A name and a value that travel with a record (KIP-82). The same name may occur more than once; order is kept.
public struct RecordHeader: Hashable, Sendable {
  /// The header's name: UTF-8, may be empty, never null.
  public var key: String
  /// The header's value; nil is Kafka's null, which differs from an empty value.
  public var value: [UInt8]?

  public init(_ key: String, _ value: [UInt8]?) {
    self.key = key
    self.value = value
  }

  public init(_ key: String, _ value: String) {
    self.init(key, Array(value.utf8))
  }
}

/// What a producer writes: key, value, headers and a timestamp. Where it goes is said beside it.
public struct Record: Hashable, Sendable {
  /// The key; nil is Kafka's null, which differs from an empty key. At most 2 GiB.
  public var key: [UInt8]?
  /// The value; nil is a tombstone, which differs from an empty value. At most 2 GiB.
  public var value: [UInt8]?
  /// The headers, in order.
  public var headers: [RecordHeader]
  /// Milliseconds since 1970; nil takes the clock's time at `send`.
  public var timestamp: Int64?

  public init(key: [UInt8]? = nil, value: [UInt8]?, headers: [RecordHeader] = [], timestamp: Int64? = nil) {
    self.key = key
    self.value = value
    self.headers = headers
    self.timestamp = timestamp
  }

  public init(key: String? = nil, value: String, headers: [RecordHeader] = [], timestamp: Int64? = nil) {
    self.init(key: key.map { Array($0.utf8) }, value: Array(value.utf8), headers: headers, timestamp: timestamp)
  }
}

extension Record {
  /// A record with copies of the bytes.
  package init(copying key: RawSpan?, _ value: RawSpan?, headers: [RecordHeader], timestamp: Int64?) {
    // `map` does not take what can't escape.
    var keyBytes: [UInt8]?
    if let key { keyBytes = key.withUnsafeBytes { Array($0) } }
    var valueBytes: [UInt8]?
    if let value { valueBytes = value.withUnsafeBytes { Array($0) } }
    self.init(key: keyBytes, value: valueBytes, headers: headers, timestamp: timestamp)
  }
}
