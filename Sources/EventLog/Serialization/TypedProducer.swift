public import RecordFormat

/// A producer whose keys and values are of types of yours: Kafka's `Producer<K, V>`.
///
/// ```swift
/// let producer = try broker.producer(key: .string, value: .json(Order.self))
/// try await producer.send("orders", key: "customer-42", value: order)
/// ```
public struct TypedProducer<Key: Sendable, Value: Sendable>: Sendable {
  /// The producer underneath, which sends bytes.
  public let producer: Producer
  private let key: any Serializer<Key>
  private let value: any Serializer<Value>

  /// A producer that sends through another one.
  public init(_ producer: Producer, key: some Serializer<Key>, value: some Serializer<Value>) {
    self.producer = producer
    self.key = key
    self.value = value
  }

  /// Sends a record, and waits until it counts as written.
  ///
  /// - Parameter value: nil for a tombstone.
  /// - Throws: `serialization`; else as `Producer.send(_:)`.
  @discardableResult
  public func send(
    _ topic: String, partition: Int? = nil, key: Key? = nil, value: Value?, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) async throws -> RecordMetadata {
    try await producer.send(record(topic, partition: partition, key: key, value: value, headers, timestamp))
  }

  /// Sends a record and goes on; the outcome can be awaited later. See `Producer.enqueue(_:)`.
  ///
  /// - Throws: `serialization`; else as `Producer.send(_:onDelivery:)`.
  public func enqueue(
    _ topic: String, partition: Int? = nil, key: Key? = nil, value: Value?, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) throws -> Delivery {
    try producer.enqueue(record(topic, partition: partition, key: key, value: value, headers, timestamp))
  }

  /// Appends a record, blocking this thread where `acks=all` waits for the disk.
  ///
  /// - Throws: `serialization`; else as `Producer.append(_:)`.
  @discardableResult
  public func append(
    _ topic: String, partition: Int? = nil, key: Key? = nil, value: Value?, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) throws -> RecordMetadata {
    try producer.append(record(topic, partition: partition, key: key, value: value, headers, timestamp))
  }

  /// As `Producer.flush()`.
  public func flush() async throws { try await producer.flush() }

  /// As `Producer.close()`.
  public func close() async throws { try await producer.close() }

  private func record(
    _ topic: String, partition: Int?, key: Key?, value: Value?, _ headers: [RecordHeader], _ timestamp: Int64?
  ) throws -> ProducerRecord {
    var headers = headers
    let keyBytes = try serialize(key, by: self.key, "key", topic, &headers)
    let valueBytes = try serialize(value, by: self.value, "value", topic, &headers)
    return ProducerRecord(
      topic: topic, partition: partition, key: keyBytes, value: valueBytes, headers: headers, timestamp: timestamp)
  }

  private func serialize<T>(
    _ value: T?, by serializer: any Serializer<T>, _ what: String, _ topic: String, _ headers: inout [RecordHeader]
  ) throws(EventLogError) -> [UInt8]? {
    guard let value else { return nil }
    do {
      return try serializer.serialize(value, topic: topic, headers: &headers)
    } catch {
      throw EventLogError(
        .serialization, "the \(what) of type \(T.self) could not be turned into bytes (\(reason(error)))", topic: topic)
    }
  }
}

/// What went wrong, without what it went wrong with: errors of decoders quote data.
func reason(_ error: any Error) -> String {
  switch error {
  case let error as EventLogError: error.message
  case let error as UnfitBytes: error.description
  case let error as DecodingError: decodingReason(error)
  default: "\(type(of: error))"
  }
}

private func decodingReason(_ error: DecodingError) -> String {
  func path(_ context: DecodingError.Context) -> String {
    context.codingPath.isEmpty ? "" : " at " + context.codingPath.map(\.stringValue).joined(separator: ".")
  }
  switch error {
  case .typeMismatch(let type, let context): return "no \(type)\(path(context))"
  case .valueNotFound(let type, let context): return "null instead of a \(type)\(path(context))"
  case .keyNotFound(let key, let context): return "no \(key.stringValue)\(path(context))"
  case .dataCorrupted(let context): return "damaged data\(path(context))"
  @unknown default: return "DecodingError"
  }
}

extension Broker {
  /// A producer whose keys and values are of types of yours.
  ///
  /// - Throws: `invalidConfig`, `readOnly`.
  public func producer<Key, Value>(
    _ configuration: ProducerConfiguration = .init(), key: some Serializer<Key>, value: some Serializer<Value>
  ) throws -> TypedProducer<Key, Value> {
    TypedProducer(try producer(configuration), key: key, value: value)
  }
}
