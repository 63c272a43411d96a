/// What has configurations (Kafka's `ConfigResource`).
public enum ConfigResource: Sendable, Hashable {
  /// A topic, by its name.
  case topic(String)
  /// The broker. Its configurations are given when it is opened, and can't be changed until it is opened again.
  case broker
}

/// One configuration and where its value is from (`describeConfigs`).
public struct ConfigEntry: Sendable, Hashable {
  /// Where a value is from, by Kafka's names.
  public enum Source: String, Sendable, Hashable {
    /// Set for the topic.
    case dynamicTopicConfig = "DYNAMIC_TOPIC_CONFIG"
    /// Given when the broker was opened.
    case staticBrokerConfig = "STATIC_BROKER_CONFIG"
    /// Set nowhere.
    case defaultConfig = "DEFAULT_CONFIG"
  }

  /// A value that holds, or would hold if those before it were not set (Kafka's `ConfigSynonym`).
  public struct Synonym: Sendable, Hashable {
    /// The configuration's name there: `log.retention.ms` of the broker is `retention.ms` of a topic.
    public var name: String
    /// The value there.
    public var value: String
    /// Where it is from.
    public var source: Source
  }

  /// Kafka's name.
  public var name: String
  /// The value that holds.
  public var value: String
  /// Where the value is from.
  public var source: Source
  /// Kafka's type: `BOOLEAN`, `INT`, `LONG`, `DOUBLE`, `STRING` or `LIST`.
  public var type: String
  /// A sentence that says what it is.
  public var documentation: String
  /// Whether it can't be changed: a broker's, and what means nothing in one process.
  public var isReadOnly: Bool
  /// The value that holds, and those behind it, in the order in which they would come into effect.
  public var synonyms: [Synonym]
  /// Whether the value is a secret that is not shown. Always false: there are none.
  public var isSensitive: Bool { false }
  /// Whether it is set nowhere.
  public var isDefault: Bool { source == .defaultConfig }
}

/// One change of a topic's configurations (`incrementalAlterConfigs`, KIP-339).
public enum AlterConfigOperation: Sendable, Hashable {
  /// Sets the configuration of that name to a value.
  case set(String, String)
  /// Back to the default.
  case delete(String)
  /// Adds items to a list, separated by commas; those that are in it stay where they are.
  case append(String, String)
  /// Takes items from a list.
  case subtract(String, String)

  /// The configuration that is changed.
  public var name: String {
    switch self {
    case .set(let name, _), .delete(let name), .append(let name, _), .subtract(let name, _): name
    }
  }
}
