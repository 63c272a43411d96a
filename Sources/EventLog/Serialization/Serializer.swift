public import RecordFormat

/// Turns values into the bytes of a record's key or value (Kafka's `Serializer`).
///
/// A null key and a tombstone are null whatever the serializer, and never come to it.
public protocol Serializer<Value>: Sendable {
  associatedtype Value: Sendable

  /// The bytes of a value.
  ///
  /// - Parameters:
  ///   - topic: the topic that the record goes to.
  ///   - headers: the record's headers, to which the serializer may add.
  func serialize(_ value: Value, topic: String, headers: inout [RecordHeader]) throws -> [UInt8]
}

/// Turns the bytes of a record's key or value into values (Kafka's `Deserializer`).
///
/// A null key and a tombstone are nil whatever the deserializer, and never come to it.
public protocol Deserializer<Value>: Sendable {
  associatedtype Value: Sendable

  /// The value that the bytes stand for.
  ///
  /// - Parameter record: the record that they are of: its topic and headers may say what they mean.
  /// - Throws: whatever is wrong with the bytes. The consumer throws `deserialization` then, with the record's place.
  func deserialize(_ bytes: [UInt8], of record: ConsumerRecord) throws -> Value
}

/// Both at once (Kafka's `Serde`), made of two functions: for formats of your own.
///
/// ```swift
/// let point = Serde<Point> { point in point.encoded() } deserialize: { bytes in try Point(bytes) }
/// ```
public struct Serde<Value: Sendable>: Serializer, Deserializer {
  private let encode: @Sendable (Value) throws -> [UInt8]
  private let decode: @Sendable ([UInt8]) throws -> Value

  public init(
    serialize: @escaping @Sendable (Value) throws -> [UInt8],
    deserialize: @escaping @Sendable ([UInt8]) throws -> Value
  ) {
    encode = serialize
    decode = deserialize
  }

  public func serialize(_ value: Value, topic: String, headers: inout [RecordHeader]) throws -> [UInt8] {
    try encode(value)
  }

  public func deserialize(_ bytes: [UInt8], of record: ConsumerRecord) throws -> Value { try decode(bytes) }
}

/// What a deserializer throws of bytes that it does not know.
struct UnfitBytes: Error, CustomStringConvertible {
  let description: String
}
