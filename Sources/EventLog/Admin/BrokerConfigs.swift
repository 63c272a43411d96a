/// What a broker was opened with, by Kafka's names for a broker's configurations.
enum BrokerConfigs {
  private struct Definition {
    var name: String
    var type: String
    var documentation: String
    var value: (BrokerConfiguration) -> String
  }

  private static var own: [Definition] {
    [
      Definition(
        name: "auto.create.topics.enable", type: "BOOLEAN",
        documentation: "Whether producing to a topic that does not exist makes it."
      ) { String($0.autoCreateTopics) },
      Definition(
        name: "group.initial.rebalance.delay.ms", type: "INT",
        documentation: "How long the first rebalance of an empty group waits for more members."
      ) { String($0.groupInitialRebalanceDelay.milliseconds) },
      Definition(name: "group.max.size", type: "INT", documentation: "The most members of a group.") {
        String($0.groupMaxSize)
      },
      Definition(
        name: "log.flush.offset.checkpoint.interval.ms", type: "INT",
        documentation: "How often the recovery points are written down."
      ) { String($0.checkpointInterval.milliseconds) },
      Definition(
        name: "log.cleaner.backoff.ms", type: "LONG", documentation: "How often compaction is looked at."
      ) { String($0.logCleanerBackoff.milliseconds) },
      Definition(
        name: "log.cleaner.dedupe.buffer.size", type: "LONG",
        documentation: "The most memory with which the cleaner's threads remember keys."
      ) { String($0.logCleanerDedupeBufferSize) },
      Definition(
        name: "log.cleaner.enable", type: "BOOLEAN", documentation: "Whether compacted topics are compacted."
      ) { String($0.logCleanerEnabled) },
      Definition(
        name: "log.cleaner.io.max.bytes.per.second", type: "DOUBLE",
        documentation: "How much each of the cleaner's threads reads and writes a second."
      ) { String($0.logCleanerIOMaxBytesPerSecond ?? .greatestFiniteMagnitude) },
      Definition(
        name: "log.cleaner.threads", type: "INT", documentation: "How many threads compact."
      ) { String($0.logCleanerThreads) },
      Definition(
        name: "log.dirs.full.policy", type: "STRING",
        documentation: "What happens at log.dirs.max.bytes: refuse, or drop-oldest."
      ) { $0.logDirsFullPolicy.rawValue },
      Definition(
        name: "log.dirs.max.bytes", type: "LONG", documentation: "The most bytes of all logs together; -1 for no cap."
      ) { String($0.logDirsMaxBytes ?? -1) },
      Definition(
        name: "log.initial.task.delay.ms", type: "LONG",
        documentation: "How long after the opening retention is first looked at."
      ) { String($0.initialTaskDelay.milliseconds) },
      Definition(
        name: "log.retention.check.interval.ms", type: "LONG", documentation: "How often retention is looked at."
      ) { String($0.retentionCheckInterval.milliseconds) },
      Definition(
        name: "num.partitions", type: "INT",
        documentation: "Partitions of a topic that is made without saying how many."
      ) { String($0.defaultPartitions) },
      Definition(
        name: "offset.metadata.max.bytes", type: "INT",
        documentation: "The largest metadata that may be committed with an offset."
      ) { String($0.offsetMetadataMaxBytes) },
    ]
  }

  /// The broker's own configurations, and the defaults of all topics under the broker's names for them.
  static func describe(_ configuration: BrokerConfiguration) -> [ConfigEntry] {
    let defaults = BrokerConfiguration()
    let entries = own.map { definition in
      entry(
        definition.name, definition.type, definition.documentation, set: definition.value(configuration),
        standard: definition.value(defaults))
    }
    let topics = TopicConfigs.all.filter(\.isApplicable).map { definition in
      entry(
        definition.brokerName, definition.typeName, definition.documentation,
        set: TopicConfigs.brokerDefault(definition, configuration.topicDefaults) ?? definition.defaultValue,
        standard: definition.defaultValue)
    }
    return (entries + topics).sorted { $0.name < $1.name }
  }

  private static func entry(
    _ name: String, _ type: String, _ documentation: String, set value: String, standard: String
  ) -> ConfigEntry {
    var synonyms = [ConfigEntry.Synonym(name: name, value: standard, source: .defaultConfig)]
    if value != standard { synonyms.insert(.init(name: name, value: value, source: .staticBrokerConfig), at: 0) }
    return ConfigEntry(
      name: name, value: value, source: value == standard ? .defaultConfig : .staticBrokerConfig, type: type,
      documentation: documentation, isReadOnly: true, synonyms: synonyms)
  }
}
