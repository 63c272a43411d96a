public import Configuration
public import EventLog

extension BrokerConfiguration {
  /// From a reader, by Kafka's dotted names: `num.partitions` is `NUM_PARTITIONS` in the environment, and
  /// `{"num": {"partitions": 3}}` in a JSON file. Values may be texts, numbers, booleans, and, for lists, arrays of texts.
  ///
  /// A reader does not tell which names it has: a name of Kafka's that means nothing here is refused, a mistyped one is never
  /// asked for. `init(properties:)` refuses those too.
  ///
  /// - Throws: `invalidConfig` for a name that is not supported, or a value out of range.
  public init(config: ConfigReader) throws {
    let source = KafkaSource(config)
    try self.init(lookup: source.value)
    try source.refuseOthers(of: KafkaNames.broker, kind: "broker")
  }
}

extension ProducerConfiguration {
  /// From a reader, by Kafka's dotted names, such as `linger.ms`. See `BrokerConfiguration.init(config:)`.
  ///
  /// - Throws: `invalidConfig` for a name that is not supported, or a value out of range.
  public init(config: ConfigReader) throws {
    let source = KafkaSource(config)
    try self.init(lookup: source.value)
    try source.refuseOthers(of: KafkaNames.client + KafkaNames.producer, kind: "producer")
  }
}

extension ConsumerConfiguration {
  /// From a reader, by Kafka's dotted names, such as `group.id`. See `BrokerConfiguration.init(config:)`.
  ///
  /// - Throws: `invalidConfig` for a name that is not supported, or a value out of range.
  public init(config: ConfigReader) throws {
    let source = KafkaSource(config)
    try self.init(lookup: source.value)
    try source.refuseOthers(of: KafkaNames.client + KafkaNames.consumer, kind: "consumer")
  }
}

/// Gives the values of names as the texts that Kafka's properties are, and notes which names were asked for.
private final class KafkaSource {
  private let reader: ConfigReader
  private var asked: Set<String> = []

  init(_ reader: ConfigReader) {
    self.reader = reader
  }

  func value(_ name: String) -> String? {
    asked.insert(name)
    let key = ConfigKey(name)
    // A provider with types, such as a JSON file, gives a value only to who asks for its own type.
    if let text = reader.string(forKey: key) { return text }
    if let number = reader.int(forKey: key) { return String(number) }
    if let boolean = reader.bool(forKey: key) { return String(boolean) }
    if let number = reader.double(forKey: key) { return String(number) }
    return reader.stringArray(forKey: key)?.joined(separator: ",")
  }

  /// Refuses what Kafka knows and nobody asked for: somebody who sets `security.protocol` has to hear that nothing comes of it.
  func refuseOthers(of names: [String], kind: String) throws {
    for name in names where !asked.contains(name) && value(name) != nil {
      throw EventLogError(.invalidConfig, "there is no \(kind) configuration \"\(name)\"")
    }
  }
}
