import ArgumentParser
import EventLog

struct GroupsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "groups", abstract: "List, describe, reset and delete consumer groups.",
    subcommands: [
      List.self, Describe.self, Lag.self, ResetOffsetsCommand.self, Delete.self, DeleteOffsetsCommand.self,
    ])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the groups.")
    @OptionGroup var store: StoreOptions
    @Flag(help: "Print their states too.") var state = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      let groups = try broker.admin.listGroups()
      if state, !json {
        try Terminal.table(["GROUP", "STATE"], groups.map { [$0.id, $0.state.rawValue] })
        return
      }
      for group in groups {
        try Terminal.line(
          json
            ? JSON.object([("group", .string(group.id)), ("state", .string(group.state.rawValue))]).text : group.id)
      }
    }
  }

  struct Describe: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what groups have committed and how far they are behind, their members, or their states.",
      discussion: "Members are known to the process that owns the directory, and not to others that look into it.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The group; may be given again.") var group: [String] = []
    @Flag(help: "All groups.") var allGroups = false
    @Flag(help: "Show offsets and lag: what is done if nothing else is said.") var offsets = false
    @Flag(help: "Show the members.") var members = false
    @Flag(help: "Show the states.") var state = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
      if group.isEmpty == !allGroups { throw ValidationError("give --group, or --all-groups") }
      if [offsets, members, state].filter(\.self).count > 1 {
        throw ValidationError("give one of --offsets, --members and --state")
      }
    }

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      let groups = allGroups ? try broker.admin.listGroups().map(\.id) : group
      if members { return try printMembers(try groups.map { try broker.admin.describeGroup($0) }) }
      if state { return try printStates(try groups.map { try broker.admin.describeGroup($0) }) }
      for id in groups { try LagReport(broker, id).print(json: json) }
    }

    private func printMembers(_ groups: [GroupDescription]) throws {
      if json {
        for group in groups {
          for member in group.members {
            try Terminal.line(
              JSON.object([
                ("group", .string(group.id)), ("consumerId", .string(member.id)),
                ("topics", .array(member.topics.map(JSON.string))),
                ("assignment", .array(member.assignment.map { .string($0.description) })),
              ]).text)
          }
        }
        return
      }
      try Terminal.table(
        ["GROUP", "CONSUMER-ID", "#PARTITIONS", "ASSIGNMENT"],
        groups.flatMap { group in
          group.members.map { member in
            [
              group.id, member.id, String(member.assignment.count),
              member.assignment.map(\.description).joined(separator: ","),
            ]
          }
        })
    }

    private func printStates(_ groups: [GroupDescription]) throws {
      if json {
        for group in groups {
          try Terminal.line(
            JSON.object([
              ("group", .string(group.id)), ("state", .string(group.state.rawValue)),
              ("assignmentStrategy", .optional(group.assignor)),
              ("generation", .number(Int64(group.generation))), ("members", .number(group.members.count)),
            ]).text)
        }
        return
      }
      try Terminal.table(
        ["GROUP", "ASSIGNMENT-STRATEGY", "STATE", "GENERATION", "#MEMBERS"],
        groups.map { group in
          [
            group.id, group.assignor ?? "-", group.state.rawValue, String(group.generation),
            String(group.members.count),
          ]
        })
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
        try LagReport(broker, id).print(json: json)
      }
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Forget groups and what they have committed.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The group; may be given again.") var group: [String]

    func run() throws {
      let broker = try store.open()
      defer { try? broker.close() }
      let results = try broker.admin.deleteConsumerGroups(each: group)
      var outcome = Outcome()
      for id in results.keys.sorted() { outcome.value(results[id]) }
      try broker.close()
      try outcome.finish()
    }
  }
}

/// How far a group is behind, a partition a row.
private struct LagReport {
  private let group: String
  private var rows: [(partition: TopicPartition, committed: OffsetAndMetadata?, end: Int64, member: String?)] = []

  init(_ broker: Broker, _ group: String) throws {
    self.group = group
    let committed = try broker.admin.listConsumerGroupOffsets(group)
    var owners: [TopicPartition: String] = [:]
    for member in try broker.admin.describeGroup(group).members {
      for partition in member.assignment { owners[partition] = member.id }
    }
    for partition in Set(committed.keys).union(owners.keys).sorted() {
      let end = try broker.admin.listOffset(partition, .latest)?.offset ?? 0
      rows.append((partition, committed[partition], end, owners[partition]))
    }
  }

  func print(json: Bool) throws {
    guard json else {
      return try Terminal.table(
        ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID"],
        rows.map { row in
          [
            group, row.partition.topic, String(row.partition.partition), row.committed.map { String($0.offset) } ?? "-",
            String(row.end), lag(row.committed, row.end).map(String.init) ?? "-", row.member ?? "-",
          ]
        })
    }
    for row in rows {
      try Terminal.line(
        JSON.object([
          ("group", .string(group)), ("topic", .string(row.partition.topic)),
          ("partition", .number(row.partition.partition)),
          ("committedOffset", row.committed.map { .number($0.offset) } ?? .null), ("logEndOffset", .number(row.end)),
          ("lag", lag(row.committed, row.end).map(JSON.number) ?? .null),
          ("metadata", .optional(row.committed?.metadata)), ("consumerId", .optional(row.member)),
        ]).text)
    }
  }

  private func lag(_ committed: OffsetAndMetadata?, _ end: Int64) -> Int64? {
    committed.map { max(0, end - $0.offset) }
  }
}
