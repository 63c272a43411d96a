internal import EventLog
public import RecordFormat

/// What a record has to be. What is nil here, but for the key and the value, may be anything.
///
/// As text, `"key=value"`, or `"value"` for a record without a key; `"key=∅"` is a tombstone. What itself holds a `=` is said
/// with the initializer.
public struct ExpectedRecord: Sendable, Hashable {
  public var key: [UInt8]?
  public var value: [UInt8]?
  public var partition: Int?
  public var offset: Int64?
  /// Milliseconds since 1970.
  public var timestamp: Int64?
  public var headers: [RecordHeader]?

  public init(
    key: [UInt8]? = nil, value: [UInt8]?, partition: Int? = nil, offset: Int64? = nil, timestamp: Int64? = nil,
    headers: [RecordHeader]? = nil
  ) {
    self.key = key
    self.value = value
    self.partition = partition
    self.offset = offset
    self.timestamp = timestamp
    self.headers = headers
  }

  public init(
    key: String? = nil, value: String, partition: Int? = nil, offset: Int64? = nil, timestamp: Int64? = nil,
    headers: [RecordHeader]? = nil
  ) {
    self.init(
      key: key.map { Array($0.utf8) }, value: Array(value.utf8), partition: partition, offset: offset,
      timestamp: timestamp, headers: headers)
  }

  func matches(_ record: ConsumerRecord) -> Bool {
    guard record.key == key, record.value == value else { return false }
    if let partition, partition != record.partition { return false }
    if let offset, offset != record.offset { return false }
    if let timestamp, timestamp != record.timestamp { return false }
    if let headers, headers != record.headers { return false }
    return true
  }

  /// How much it says: who says more chooses first among records that several would take.
  var precision: Int {
    (partition == nil ? 0 : 1) + (offset == nil ? 0 : 1) + (timestamp == nil ? 0 : 1) + (headers == nil ? 0 : 1)
  }
}

extension ExpectedRecord: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) {
    guard let equals = text.firstIndex(of: "=") else {
      self.init(value: text)
      return
    }
    let value = String(text[text.index(after: equals)...])
    self.init(key: Array(text[..<equals].utf8), value: value == "∅" ? nil : Array(value.utf8))
  }
}
