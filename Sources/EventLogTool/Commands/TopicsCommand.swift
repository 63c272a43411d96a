import ArgumentParser
import EventLog

struct TopicsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "topics", abstract: "Create, list, describe, alter and delete topics.",
    subcommands: [Create.self, List.self, Describe.self, Alter.self, Delete.self])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Create a topic.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The topic's name.") var topic: String
    @Option(parsing: .unconditional, help: "How many partitions; 1 if not said, or -1.") var partitions: Int?
    @Option(help: "A configuration, such as retention.ms=3600000; may be given again.") var config: [KeyValue] = []
    @Option(parsing: .unconditional, help: "How many copies: 1, or -1, for scripts that were made for Kafka.")
    var replicationFactor: Int?
    @Flag(help: "It is no error if the topic exists.") var ifNotExists = false
    @Flag(help: "Only check; create nothing.") var validateOnly = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.open()
      defer { try? broker.close() }
      do {
        let configs = Dictionary(config.map { ($0.name, $0.value) }) { $1 }
        let new = NewTopic(
          topic, partitions: partitions ?? -1, replicationFactor: replicationFactor ?? -1, configs: configs)
        guard let topic = try broker.admin.createTopics(each: [new], validateOnly: validateOnly)[topic]?.get() else {
          return
        }
        let done = validateOnly ? "would create" : "created"
        try Terminal.line(
          json ? JSON(topic).text : "\(done) \(topic.name) with \(topic.partitions.count) partitions, id \(topic.id)")
      } catch let error as EventLogError where error.code == .topicAlreadyExists && ifNotExists {}
      try broker.close()
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the names of the topics.")
    @OptionGroup var store: StoreOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      for name in try broker.admin.listTopics() {
        try Terminal.line(json ? JSON.object([("topic", .string(name))]).text : name)
      }
    }
  }

  struct Describe: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show topics with their partitions and configurations.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The topic; all if not said.") var topic: String?
    @Flag(help: "Show every configuration, not only those that were set.") var allConfigs = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      for name in try topic.map({ [$0] }) ?? broker.admin.listTopics() {
        let description = try broker.admin.describeTopic(name)
        if json {
          try Terminal.line(JSON(description).text)
          continue
        }
        try Terminal.line("topic \(name)  id \(description.id)  partitions \(description.partitions.count)")
        for entry in try broker.admin.describeConfigs(name) where allConfigs || !entry.isDefault {
          try Terminal.line("  \(entry.name)=\(entry.value)" + (entry.isDefault ? "  (default)" : ""))
        }
        try Terminal.table(
          ["PARTITION", "START", "END", "HIGH-WATERMARK", "BYTES", "SEGMENTS", "ERROR"],
          description.partitions.map { partition in
            [
              String(partition.partition), String(partition.logStartOffset), String(partition.logEndOffset),
              String(partition.highWatermark), String(partition.sizeInBytes), String(partition.segmentCount),
              partition.error?.description ?? "",
            ]
          })
      }
    }
  }

  struct Alter: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Change configurations, or add partitions.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The topic's name.") var topic: String
    @Option(help: "How many partitions it is to have: more than it has.") var partitions: Int?
    @Option(help: "A configuration to set; may be given again.") var config: [KeyValue] = []
    @Option(help: "A configuration to set back to its default; may be given again.") var deleteConfig: [String] = []
    @Flag(help: "Only check; change nothing.") var validateOnly = false

    func validate() throws {
      if partitions == nil, config.isEmpty, deleteConfig.isEmpty {
        throw ValidationError("say what to change: --partitions, --config or --delete-config")
      }
    }

    func run() throws {
      let broker = try store.openExisting()
      defer { try? broker.close() }
      let operations =
        config.map { AlterConfigOperation.set($0.name, $0.value) }
        + deleteConfig.map { AlterConfigOperation.delete($0) }
      if !operations.isEmpty {
        try broker.admin.incrementalAlterConfigs(topic, operations, validateOnly: validateOnly)
      }
      if let partitions { try broker.admin.createPartitions(topic, to: partitions, validateOnly: validateOnly) }
      try broker.close()
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Delete a topic with all its records.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The topic's name.") var topic: String
    @Flag(help: "It is no error if there is no such topic.") var ifExists = false

    func run() throws {
      let broker = try store.openExisting()
      defer { try? broker.close() }
      do {
        try broker.admin.deleteTopic(topic)
      } catch let error as EventLogError where error.code == .unknownTopicOrPartition && ifExists {}
      try broker.close()
    }
  }
}

extension JSON {
  init(_ topic: TopicDescription) {
    self = .object([
      ("topic", .string(topic.name)), ("id", .string(topic.id)),
      ("configs", .object(topic.configs.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
      (
        "partitions",
        .array(
          topic.partitions.map { partition in
            .object([
              ("partition", .number(partition.partition)), ("logStartOffset", .number(partition.logStartOffset)),
              ("logEndOffset", .number(partition.logEndOffset)), ("highWatermark", .number(partition.highWatermark)),
              ("sizeInBytes", .number(partition.sizeInBytes)), ("segments", .number(partition.segmentCount)),
              ("error", .optional(partition.error?.description)),
            ])
          })
      ),
    ])
  }
}
