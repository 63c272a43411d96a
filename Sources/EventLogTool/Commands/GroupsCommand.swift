import ArgumentParser
import EventLog

struct GroupsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "groups", abstract: "List, describe, reset and delete consumer groups.",
    subcommands: [List.self, Describe.self, Lag.self, ResetOffsets.self, Delete.self])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the groups.")
    @OptionGroup var store: StoreOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      for group in try broker.admin.listGroups() {
        try Terminal.line(
          json
            ? JSON.object([("group", .string(group.id)), ("state", .string(group.state.rawValue))]).text : group.id)
      }
    }
  }

  struct Describe: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what a group has committed, and how far it is behind.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The group.") var group: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      try printLag(broker, group, json: json)
    }
  }

  struct Lag: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how far groups are behind.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The group; all if not said.") var group: String?
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      for id in try group.map({ [$0] }) ?? broker.admin.listGroups().map(\.id) {
        try printLag(broker, id, json: json)
      }
    }
  }

  struct ResetOffsets: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Set what a group has committed; the group may have no members.",
      discussion: "Only shows what it would do, unless --execute is given.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The group.") var group: String
    @Option(name: .shortAndLong, help: "The topic.") var topic: String
    @Option(help: "Only this partition.") var partition: Int?
    @Flag(help: "To the log start.") var toEarliest = false
    @Flag(help: "To the log end.") var toLatest = false
    @Option(help: "To this offset.") var toOffset: Int64?
    @Option(help: "To the first record of this time or later, in milliseconds since 1970.") var toTimestamp: Int64?
    @Option(help: "By so many offsets forward, or backward.") var shiftBy: Int64?
    @Flag(help: "Do it.") var execute = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      let ways = [toEarliest, toLatest, toOffset != nil, toTimestamp != nil, shiftBy != nil].filter(\.self).count
      if ways != 1 {
        throw ValidationError("give one of --to-earliest, --to-latest, --to-offset, --to-timestamp, --shift-by")
      }
    }

    func run() throws {
      let broker = try execute ? store.open() : store.openReadOnly()
      defer { try? broker.close() }
      let all = try broker.admin.describeTopic(topic).partitions.map { TopicPartition(topic, $0.partition) }
      let partitions = partition.map { number in all.filter { $0.partition == number } } ?? all
      guard !partitions.isEmpty else {
        throw EventLogError(
          .unknownTopicOrPartition, "the topic has no such partition", topic: topic, partition: partition)
      }
      let committed = (try? broker.admin.listConsumerGroupOffsets(group)) ?? [:]
      var plan: [TopicPartition: OffsetAndMetadata] = [:]
      for partition in partitions {
        plan[partition] = OffsetAndMetadata(try target(broker, partition, committed[partition]))
      }
      if execute { try broker.admin.alterConsumerGroupOffsets(group, plan) }
      for (partition, offset) in plan.sorted(by: { $0.key < $1.key }) {
        try Terminal.line(
          json
            ? JSON.object([
              ("group", .string(group)), ("topic", .string(topic)), ("partition", .number(partition.partition)),
              ("offset", .number(offset.offset)), ("executed", .bool(execute)),
            ]).text : "\(partition) \(offset.offset)" + (execute ? "" : "  (not done: add --execute)"))
      }
      try broker.close()
    }

    /// Where to, kept within what the log holds, as Kafka's tool does.
    private func target(_ broker: Broker, _ partition: TopicPartition, _ committed: OffsetAndMetadata?) throws -> Int64
    {
      let first = try broker.admin.listOffsets([partition: .earliest])[partition]??.offset ?? 0
      let end = try broker.admin.listOffsets([partition: .latest])[partition]??.offset ?? 0
      if toEarliest { return first }
      if toLatest { return end }
      if let toTimestamp {
        return try broker.admin.listOffsets([partition: .timestamp(toTimestamp)])[partition]??.offset ?? end
      }
      let wanted = toOffset ?? (committed?.offset ?? first).addingReportingOverflow(shiftBy ?? 0).partialValue
      return min(max(wanted, first), end)
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Forget a group and what it has committed.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The group.") var group: String

    func run() throws {
      let broker = try store.open()
      defer { try? broker.close() }
      try broker.admin.deleteConsumerGroup(group)
      try broker.close()
    }
  }
}

private func printLag(_ broker: Broker, _ group: String, json: Bool) throws {
  let offsets = try broker.admin.listConsumerGroupOffsets(group).sorted { $0.key < $1.key }
  var rows: [[String]] = []
  for (partition, committed) in offsets {
    let end = try broker.admin.listOffsets([partition: .latest])[partition]??.offset ?? 0
    let lag = max(0, end - committed.offset)
    if json {
      try Terminal.line(
        JSON.object([
          ("group", .string(group)), ("topic", .string(partition.topic)), ("partition", .number(partition.partition)),
          ("committedOffset", .number(committed.offset)), ("logEndOffset", .number(end)), ("lag", .number(lag)),
          ("metadata", .string(committed.metadata)),
        ]).text)
    }
    rows.append([
      group, partition.topic, String(partition.partition), String(committed.offset), String(end), String(lag),
    ])
  }
  if !json { try Terminal.table(["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"], rows) }
}
