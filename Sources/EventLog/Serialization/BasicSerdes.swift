public import RecordFormat

/// Bytes as they are (Kafka's `ByteArraySerializer` and `ByteArrayDeserializer`).
public struct BytesSerde: Serializer, Deserializer {
  public init() {}

  public func serialize(_ value: [UInt8], topic: String, headers: inout [RecordHeader]) -> [UInt8] { value }
  public func deserialize(_ bytes: [UInt8], of record: ConsumerRecord) -> [UInt8] { bytes }
}

/// UTF-8 text (Kafka's `StringSerializer` and `StringDeserializer`). As there, bytes that are no UTF-8 are read as U+FFFD.
public struct StringSerde: Serializer, Deserializer {
  public init() {}

  public func serialize(_ value: String, topic: String, headers: inout [RecordHeader]) -> [UInt8] { Array(value.utf8) }
  public func deserialize(_ bytes: [UInt8], of record: ConsumerRecord) -> String {
    String(decoding: bytes, as: UTF8.self)
  }
}

/// Whole numbers of a fixed width, the highest byte first (Kafka's `ShortSerializer`, `IntegerSerializer`,
/// `LongSerializer`).
public struct IntegerSerde<Value: FixedWidthInteger & Sendable>: Serializer, Deserializer {
  public init() {}

  public func serialize(_ value: Value, topic: String, headers: inout [RecordHeader]) -> [UInt8] {
    stride(from: Value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> Value($0)) }
  }

  public func deserialize(_ bytes: [UInt8], of record: ConsumerRecord) throws -> Value {
    guard bytes.count == Value.bitWidth / 8 else {
      throw UnfitBytes(description: "there are \(bytes.count) bytes, and \(Value.self) has \(Value.bitWidth / 8)")
    }
    return bytes.reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
  }
}

/// A `Double`, the highest byte first (Kafka's `DoubleSerializer` and `DoubleDeserializer`).
public struct DoubleSerde: Serializer, Deserializer {
  private let bits = IntegerSerde<UInt64>()

  public init() {}

  public func serialize(_ value: Double, topic: String, headers: inout [RecordHeader]) -> [UInt8] {
    bits.serialize(value.bitPattern, topic: topic, headers: &headers)
  }

  public func deserialize(_ bytes: [UInt8], of record: ConsumerRecord) throws -> Double {
    Double(bitPattern: try bits.deserialize(bytes, of: record))
  }
}

/// Values that stand for another, such as enumerations: what is written is their raw value. A raw value that stands for
/// none can't be deserialized.
public struct RawSerde<Value: RawRepresentable & Sendable, Raw: Serializer & Deserializer>: Serializer, Deserializer
where Raw.Value == Value.RawValue {
  private let raw: Raw

  /// - Parameter raw: how the raw values are written.
  public init(_ raw: Raw) {
    self.raw = raw
  }

  public func serialize(_ value: Value, topic: String, headers: inout [RecordHeader]) throws -> [UInt8] {
    try raw.serialize(value.rawValue, topic: topic, headers: &headers)
  }

  public func deserialize(_ bytes: [UInt8], of record: ConsumerRecord) throws -> Value {
    guard let value = Value(rawValue: try raw.deserialize(bytes, of: record)) else {
      throw UnfitBytes(description: "no \(Value.self) has this raw value")
    }
    return value
  }
}

// So that a call reads `producer(key: .string, value: .json(Order.self))`.

extension Serializer where Self == BytesSerde {
  /// Bytes as they are.
  public static var bytes: BytesSerde { BytesSerde() }
}

extension Deserializer where Self == BytesSerde {
  /// Bytes as they are.
  public static var bytes: BytesSerde { BytesSerde() }
}

extension Serializer where Self == StringSerde {
  /// UTF-8 text.
  public static var string: StringSerde { StringSerde() }
}

extension Deserializer where Self == StringSerde {
  /// UTF-8 text.
  public static var string: StringSerde { StringSerde() }
}

extension Serializer where Self == DoubleSerde {
  /// A `Double`, the highest byte first.
  public static var double: DoubleSerde { DoubleSerde() }
}

extension Deserializer where Self == DoubleSerde {
  /// A `Double`, the highest byte first.
  public static var double: DoubleSerde { DoubleSerde() }
}

extension Serializer {
  /// Whole numbers, the highest byte first.
  public static func integer<Value>(_ type: Value.Type) -> Self where Self == IntegerSerde<Value> { IntegerSerde() }

  /// The raw values of an enumeration, or the like, as text.
  public static func raw<Value>(_ type: Value.Type) -> Self where Self == RawSerde<Value, StringSerde> {
    RawSerde(StringSerde())
  }

  /// The raw values of an enumeration, or the like, as whole numbers, the highest byte first.
  public static func raw<Value>(_ type: Value.Type) -> Self
  where Self == RawSerde<Value, IntegerSerde<Value.RawValue>> {
    RawSerde(IntegerSerde())
  }
}

extension Deserializer {
  /// Whole numbers, the highest byte first.
  public static func integer<Value>(_ type: Value.Type) -> Self where Self == IntegerSerde<Value> { IntegerSerde() }

  /// The raw values of an enumeration, or the like, as text.
  public static func raw<Value>(_ type: Value.Type) -> Self where Self == RawSerde<Value, StringSerde> {
    RawSerde(StringSerde())
  }

  /// The raw values of an enumeration, or the like, as whole numbers, the highest byte first.
  public static func raw<Value>(_ type: Value.Type) -> Self
  where Self == RawSerde<Value, IntegerSerde<Value.RawValue>> {
    RawSerde(IntegerSerde())
  }
}
