import ArgumentParser
import EventLog

struct ConfigsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "configs", abstract: "Show and change configurations.", subcommands: [Describe.self, Alter.self])

  struct Describe: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the configurations of topics, or of the broker, with where their values are from.",
      discussion: "The broker's are those this tool opens it with; another process may have given others.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The topic; may be given again. All if not said.") var topic: [String] = []
    @Flag(help: "The broker's, instead of topics'.") var broker = false
    @Flag(help: "Every configuration, not only those that were set.") var all = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      if broker, !topic.isEmpty { throw ValidationError("--broker and --topic exclude each other") }
    }

    func run() throws {
      let opened = try store.openReadOnly()
      defer { try? opened.close() }
      let topics = topic.isEmpty ? try opened.admin.listTopics() : topic
      let resources = broker ? [ConfigResource.broker] : topics.map(ConfigResource.topic)
      let results = try opened.admin.describeConfigs(each: resources)
      var outcome = Outcome()
      for resource in resources {
        guard let entries = outcome.value(results[resource]) else { continue }
        try print(resource, entries.filter { all || !$0.isDefault })
      }
      try outcome.finish()
    }

    private func print(_ resource: ConfigResource, _ entries: [ConfigEntry]) throws {
      let name: String
      switch resource {
      case .broker: name = "broker"
      case .topic(let topic): name = "topic \(topic)"
      }
      if json {
        for entry in entries { try Terminal.line(JSON(entry, of: resource).text) }
        return
      }
      try Terminal.line(name)
      for entry in entries {
        let synonyms = entry.synonyms.map { "\($0.source.rawValue):\($0.name)=\($0.value)" }.joined(separator: ", ")
        try Terminal.line(
          "  \(entry.name)=\(entry.value) sensitive=\(entry.isSensitive) synonyms={\(synonyms)}"
            + (entry.isReadOnly ? " read-only" : ""))
      }
    }
  }

  struct Alter: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change configurations of a topic: all that is said, or nothing.",
      discussion: "A value with commas stands in brackets: --add-config 'cleanup.policy=[compact,delete],segment.ms=9'."
    )
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The topic's name.") var topic: String
    @Option(help: "Configurations to set: NAME=VALUE, or several with commas between; may be given again.")
    var addConfig: [ConfigList] = []
    @Option(help: "Configurations to set back to their defaults, with commas between; may be given again.")
    var deleteConfig: [String] = []
    @Option(help: "Items to add to a list: NAME=ITEM; may be given again.") var append: [KeyValue] = []
    @Option(help: "Items to take from a list: NAME=ITEM; may be given again.") var subtract: [KeyValue] = []
    @Flag(help: "Only check; change nothing.") var validateOnly = false

    func validate() throws {
      if addConfig.isEmpty, deleteConfig.isEmpty, append.isEmpty, subtract.isEmpty {
        throw ValidationError("say what to change: --add-config, --delete-config, --append or --subtract")
      }
    }

    func run() throws {
      let broker = try store.open()
      defer { try? broker.close() }
      var operations = addConfig.flatMap(\.items).map { AlterConfigOperation.set($0.name, $0.value) }
      operations += deleteConfig.flatMap { $0.split(separator: ",") }.map { .delete(String($0)) }
      operations += append.map { .append($0.name, $0.value) }
      operations += subtract.map { .subtract($0.name, $0.value) }
      try broker.admin.incrementalAlterConfigs(topic, operations, validateOnly: validateOnly)
      try broker.close()
    }
  }
}

/// `a=1,b=[x,y]`, as `kafka-configs --add-config` takes it.
struct ConfigList: ExpressibleByArgument {
  var items: [KeyValue] = []

  init?(argument: String) {
    var depth = 0
    var parts = [""]
    for character in argument {
      switch character {
      case "[":
        depth += 1
      case "]":
        depth -= 1
        if depth < 0 { return nil }
      case "," where depth == 0:
        parts.append("")
      default:
        parts[parts.count - 1].append(character)
      }
    }
    guard depth == 0 else { return nil }
    for part in parts {
      guard let item = KeyValue(argument: part) else { return nil }
      items.append(item)
    }
  }
}

extension JSON {
  init(_ entry: ConfigEntry, of resource: ConfigResource) {
    var topic: String?
    if case .topic(let name) = resource { topic = name }
    self = .object([
      ("topic", .optional(topic)), ("name", .string(entry.name)), ("value", .string(entry.value)),
      ("source", .string(entry.source.rawValue)), ("type", .string(entry.type)),
      ("isReadOnly", .bool(entry.isReadOnly)), ("isSensitive", .bool(entry.isSensitive)),
      (
        "synonyms",
        .array(
          entry.synonyms.map { synonym in
            .object([
              ("name", .string(synonym.name)), ("value", .string(synonym.value)),
              ("source", .string(synonym.source.rawValue)),
            ])
          })
      ),
    ])
  }
}
