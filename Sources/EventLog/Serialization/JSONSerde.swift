public import FoundationEssentials
public import RecordFormat

/// Values of a `Codable` type as JSON.
public struct JSONSerde<Value: Codable & Sendable>: Serializer, Deserializer {
  private let encoder: JSONEncoder
  private let decoder: JSONDecoder

  /// - Parameters:
  ///   - encoder: how values are written; set up before, and not changed any more.
  ///   - decoder: how they are read.
  public init(encoder: JSONEncoder = JSONEncoder(), decoder: JSONDecoder = JSONDecoder()) {
    self.encoder = encoder
    self.decoder = decoder
  }

  public func serialize(_ value: Value, topic: String, headers: inout [RecordHeader]) throws -> [UInt8] {
    Array(try encoder.encode(value))
  }

  public func deserialize(_ bytes: [UInt8], of record: ConsumerRecord) throws -> Value {
    try decoder.decode(Value.self, from: Data(bytes))
  }
}

extension Serializer {
  /// Values of a `Codable` type as JSON.
  public static func json<Value>(_ type: Value.Type) -> Self where Self == JSONSerde<Value> { JSONSerde() }
}

extension Deserializer {
  /// Values of a `Codable` type as JSON.
  public static func json<Value>(_ type: Value.Type) -> Self where Self == JSONSerde<Value> { JSONSerde() }
}
