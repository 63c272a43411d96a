import ArgumentParser
import EventLog

/// Which offset, as `kafka-get-offsets --time` says it.
struct OffsetSpecArgument: ExpressibleByArgument {
  var spec = OffsetSpec.latest
  var defaultValueDescription: String { "latest" }

  init() {}

  init?(argument: String) {
    switch argument {
    case "latest", "-1": spec = .latest
    case "earliest", "-2": spec = .earliest
    case "max-timestamp", "-3": spec = .maxTimestamp
    case "earliest-local", "-4": spec = .earliestLocal
    case "latest-tiered", "-5": spec = .latestTiered
    case "earliest-pending-upload", "-6": spec = .earliestPendingUpload
    default:
      guard let timestamp = Int64(argument), timestamp >= 0 else { return nil }
      spec = .timestamp(timestamp)
    }
  }
}

struct GetOffsetsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get-offsets", abstract: "Print offsets of partitions, as topic:partition:offset.",
    discussion: """
      A partition that has no record of that time or later is left out. --topic-partitions takes patterns such as \
      orders:0,log.*:1-3,audit:2-,:0; the upper bound of a range is not in it.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "The topic, a regular expression; all if not said.") var topic: String?
  @Option(help: "Only these partitions, with commas between.") var partitions: String?
  @Option(help: "Patterns of topics and partitions, with commas between.") var topicPartitions: String?
  @Option(
    parsing: .unconditional,
    help: "latest (-1), earliest (-2), max-timestamp (-3), or milliseconds since 1970: the first record from then on.")
  var time = OffsetSpecArgument()
  @Flag(help: "As a consumer with isolation.level=read_committed sees it.") var readCommitted = false
  @Flag(help: "Leave out topics that begin with __.") var excludeInternalTopics = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if topicPartitions != nil, topic != nil || partitions != nil {
      throw ValidationError("--topic-partitions excludes --topic and --partitions")
    }
    _ = try patterns()
  }

  func run() throws {
    let broker = try store.openReadOnly()
    defer { try? broker.close() }
    let patterns = try patterns()
    var specs: [TopicPartition: OffsetSpec] = [:]
    for name in try broker.admin.listTopics() {
      let description = try broker.admin.describeTopic(name)
      if excludeInternalTopics, description.isInternal { continue }
      for number in description.partitions.indices {
        let partition = TopicPartition(name, number)
        if patterns.contains(where: { $0.matches(partition) }) { specs[partition] = time.spec }
      }
    }
    guard !specs.isEmpty else {
      throw EventLogError(.unknownTopicOrPartition, "no partition is what was asked for")
    }
    let results = try broker.admin.listOffsets(
      each: specs, isolation: readCommitted ? .readCommitted : .readUncommitted)
    var outcome = Outcome()
    for partition in specs.keys.sorted() {
      guard let found = outcome.value(results[partition]), let found else { continue }
      try Terminal.line(
        json
          ? JSON.object([
            ("topic", .string(partition.topic)), ("partition", .number(partition.partition)),
            ("offset", .number(found.offset)), ("timestamp", found.timestamp.map(JSON.number) ?? .null),
            ("leaderEpoch", found.leaderEpoch.map { .number(Int64($0)) } ?? .null),
          ]).text : "\(partition.topic):\(partition.partition):\(found.offset)")
    }
    try outcome.finish()
  }

  private func patterns() throws -> [TopicPartitionPattern] {
    if let topicPartitions {
      return try topicPartitions.split(separator: ",", omittingEmptySubsequences: false).map(TopicPartitionPattern.init)
    }
    let name = topic ?? ""
    guard let partitions, !partitions.isEmpty else { return [try TopicPartitionPattern(name)] }
    return try partitions.split(separator: ",", omittingEmptySubsequences: false).map { number in
      guard let number = Int(number), number >= 0 else {
        throw ValidationError("--partitions takes numbers with commas between")
      }
      return try TopicPartitionPattern("\(name):\(number)")
    }
  }
}
