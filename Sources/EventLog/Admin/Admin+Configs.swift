public import RecordFormat

extension Admin {
  /// All configurations of a topic, with their values and where those are from.
  ///
  /// - Throws: `unknownTopicOrPartition`.
  public func describeConfigs(_ topic: String) throws -> [ConfigEntry] {
    try describeConfigs(.topic(topic))
  }

  /// All configurations of a topic, or of the broker by Kafka's names for a broker's.
  ///
  /// - Throws: `unknownTopicOrPartition`.
  public func describeConfigs(_ resource: ConfigResource) throws -> [ConfigEntry] {
    try broker.requireOpen()
    return try describe(resource)
  }

  /// The configurations of topics and of the broker; each succeeds or fails by itself (Kafka's `describeConfigs`).
  ///
  /// - Parameter names: those that are asked for; all if nil.
  public func describeConfigs(
    each resources: [ConfigResource], names: Set<String>? = nil
  ) throws -> [ConfigResource: Result<[ConfigEntry], EventLogError>] {
    try broker.requireOpen()
    return results(of: Set(resources)) { resource throws(EventLogError) in
      try describe(resource).filter { names?.contains($0.name) ?? true }
    }
  }

  /// Changes configurations of a topic: all of the operations, or none. They take effect at once, and stay.
  ///
  /// - Parameter validateOnly: checks, and changes nothing.
  /// - Throws: `invalidConfig` for a name that is unknown, a value out of range, or adding to what is no list;
  ///   `invalidRequest` where a name is there twice; `unknownTopicOrPartition`, `readOnly`.
  public func incrementalAlterConfigs(
    _ topic: String, _ operations: [AlterConfigOperation], validateOnly: Bool = false
  ) throws {
    try requireWritable()
    try alter(.topic(topic), operations, validateOnly: validateOnly)
  }

  /// Changes configurations of topics; each succeeds or fails by itself (Kafka's `incrementalAlterConfigs`, KIP-339).
  ///
  /// - Parameter validateOnly: checks, and changes nothing.
  public func incrementalAlterConfigs(
    each changes: [ConfigResource: [AlterConfigOperation]], validateOnly: Bool = false
  ) throws -> [ConfigResource: Result<Void, EventLogError>] {
    try requireWritable()
    return results(of: changes.keys) { resource throws(EventLogError) in
      try alter(resource, changes[resource] ?? [], validateOnly: validateOnly)
    }
  }

  /// Replaces all configurations of a topic: what is not named goes back to its default (Kafka's old `alterConfigs`).
  ///
  /// - Parameter validateOnly: checks, and changes nothing.
  /// - Throws: `invalidConfig`, `unknownTopicOrPartition`, `readOnly`.
  public func alterConfigs(_ topic: String, to configs: [String: String], validateOnly: Bool = false) throws {
    try requireWritable()
    try broker.alterConfigs(topic, validateOnly: validateOnly) { $0 = configs }
  }

  // MARK: Describing

  private func describe(_ resource: ConfigResource) throws(EventLogError) -> [ConfigEntry] {
    switch resource {
    case .broker: return BrokerConfigs.describe(broker.configuration)
    case .topic(let name):
      let topic = try broker.topic(name)
      return TopicConfigs.all.map { describe($0, topic.configs) }
    }
  }

  private func describe(_ definition: ConfigDefinition, _ configs: [String: String]) -> ConfigEntry {
    let name = definition.name
    var synonyms: [ConfigEntry.Synonym] = []
    if let value = configs[name] {
      synonyms.append(.init(name: name, value: value, source: .dynamicTopicConfig))
    }
    if let value = TopicConfigs.brokerDefault(definition, broker.configuration.topicDefaults) {
      synonyms.append(.init(name: definition.brokerName, value: value, source: .staticBrokerConfig))
    }
    synonyms.append(.init(name: definition.brokerName, value: definition.defaultValue, source: .defaultConfig))
    return ConfigEntry(
      name: name, value: synonyms[0].value, source: synonyms[0].source, type: definition.typeName,
      documentation: definition.documentation, isReadOnly: !definition.isApplicable, synonyms: synonyms)
  }

  // MARK: Changing

  private func alter(
    _ resource: ConfigResource, _ operations: [AlterConfigOperation], validateOnly: Bool
  ) throws(EventLogError) {
    guard case .topic(let topic) = resource else {
      throw EventLogError(
        .invalidRequest,
        "a broker's configurations can't be changed while it is open: give them in BrokerConfiguration, and open it again"
      )
    }
    var names: Set<String> = []
    for operation in operations {
      guard names.insert(operation.name).inserted else {
        throw EventLogError(.invalidRequest, "\(operation.name) is there twice in this call", topic: topic)
      }
    }
    try broker.alterConfigs(topic, validateOnly: validateOnly) { configs throws(EventLogError) in
      for operation in operations { try apply(operation, to: &configs) }
    }
  }

  private func apply(_ operation: AlterConfigOperation, to configs: inout [String: String]) throws(EventLogError) {
    let definition = try TopicConfigs.definition(operation.name)
    switch operation {
    case .set(let name, let value): configs[name] = try definition.normalize(value)
    case .delete(let name): configs[name] = nil
    case .append(let name, let value):
      let items = try list(definition, configs)
      let added = ConfigDefinition.split(value).filter { !items.contains($0) }
      configs[name] = try definition.normalize((items + added).joined(separator: ","))
    case .subtract(let name, let value):
      let removed = ConfigDefinition.split(value)
      let items = try list(definition, configs).filter { !removed.contains($0) }
      configs[name] = try definition.normalize(items.joined(separator: ","))
    }
  }

  private func list(_ definition: ConfigDefinition, _ configs: [String: String]) throws(EventLogError) -> [String] {
    guard definition.isList else {
      throw EventLogError(
        .invalidConfig, "\(definition.name) is no list, so that nothing can be added to it or taken from it")
    }
    let values = TopicConfigs.Values(configs: configs, defaults: broker.configuration.topicDefaults)
    return ConfigDefinition.split(values.text(definition.name))
  }
}
