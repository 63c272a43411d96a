import ArgumentParser
import EventLog

struct CompactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact", abstract: "Compact topics now: keep of each key the latest record.",
    discussion: """
      For topics whose cleanup.policy has compact. The process that owns a directory does this by itself, once \
      min.cleanable.dirty.ratio is passed. Deleted keys (tombstones) go in the first run after delete.retention.ms that \
      has new records to compact.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "A topic, or some of its partitions: orders:0,2. May be given again.")
  var topic: [TopicArgument]
  @Option(help: "Only this partition of the topic.") var partition: Int?
  @Flag(help: "Print JSON: an object a partition.") var json = false

  func validate() throws {
    if topic.isEmpty { throw ValidationError("say which topic, with --topic") }
    if partition != nil, topic.count > 1 { throw ValidationError("--partition goes with one --topic") }
  }

  func run() throws {
    let broker = try store.openExisting()
    defer { try? broker.close() }
    var partitions: [TopicPartition] = []
    for topic in topic {
      let chosen = try topic.resolve(broker)
      if let partition, !chosen.contains(TopicPartition(topic.topic, partition)) {
        throw EventLogError(
          .unknownTopicOrPartition, "the topic has no such partition", topic: topic.topic, partition: partition)
      }
      partitions += chosen.filter { partition == nil || $0.partition == partition }
    }
    let results = try broker.admin.compact(each: partitions)
    var outcome = Outcome()
    var rows: [[String]] = []
    for partition in results.keys.sorted() {
      guard let result = outcome.value(results[partition]) else { continue }
      if json {
        try Terminal.line(JSON(partition, result).text)
      } else {
        rows.append([
          partition.topic, String(partition.partition), String(result.compactedTo), String(result.sizeBefore),
          String(result.sizeAfter), String(result.segmentsBefore), String(result.segmentsAfter),
          String(result.recordsRead), String(result.recordsKept),
        ])
      }
    }
    if !rows.isEmpty {
      try Terminal.table(
        [
          "TOPIC", "PARTITION", "COMPACTED-TO", "SIZE", "SIZE-AFTER", "SEGMENTS", "SEGMENTS-AFTER", "RECORDS", "KEPT",
        ], rows)
    }
    try broker.close()
    try outcome.finish()
  }
}

extension JSON {
  fileprivate init(_ partition: TopicPartition, _ result: CompactionResult) {
    self = .object([
      ("topic", .string(partition.topic)), ("partition", .number(partition.partition)),
      ("compactedTo", .number(result.compactedTo)), ("sizeBefore", .number(result.sizeBefore)),
      ("sizeAfter", .number(result.sizeAfter)), ("segmentsBefore", .number(result.segmentsBefore)),
      ("segmentsAfter", .number(result.segmentsAfter)), ("recordsRead", .number(result.recordsRead)),
      ("recordsKept", .number(result.recordsKept)),
    ])
  }
}
