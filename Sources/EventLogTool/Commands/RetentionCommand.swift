import ArgumentParser
import EventLog

struct RetentionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retention", abstract: "Delete what retention.ms and retention.bytes no longer keep, or show it.",
    discussion: """
      The process that owns a directory does this by itself every log.retention.check.interval.ms. --dry-run works beside \
      it. Segments go whole, the oldest first.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "Only this topic; may be given again.") var topic: [String] = []
  @Flag(help: "Delete nothing; show what would be deleted, and why.") var dryRun = false
  @Flag(help: "Print JSON: an object a segment.") var json = false

  func run() throws {
    let broker = try dryRun ? store.openReadOnly() : store.openExisting()
    defer { try? broker.close() }
    let topics = topic.isEmpty ? nil : topic
    let results = try dryRun ? broker.admin.describeRetention(topics) : broker.admin.applyRetention(topics)
    var outcome = Outcome()
    var rows: [[String]] = []
    for partition in results.keys.sorted() {
      for segment in outcome.value(results[partition]) ?? [] {
        if json {
          try Terminal.line(JSON(partition, segment, isDeleted: !dryRun).text)
        } else {
          rows.append([
            partition.topic, String(partition.partition), String(segment.baseOffset), String(segment.endOffset),
            String(segment.sizeInBytes), segment.largestTimestamp.map { String($0) } ?? "-", segment.reason.rawValue,
          ])
        }
      }
    }
    if !json {
      if !rows.isEmpty {
        try Terminal.table(["TOPIC", "PARTITION", "FROM", "TO", "SIZE", "LARGEST-TIMESTAMP", "REASON"], rows)
      }
      let count = rows.count == 1 ? "1 segment" : "\(rows.count) segments"
      try Terminal.line("\(count) \(dryRun ? "would be deleted" : "deleted")")
    }
    try broker.close()
    try outcome.finish()
  }
}

extension JSON {
  fileprivate init(_ partition: TopicPartition, _ segment: DeletableSegment, isDeleted: Bool) {
    self = .object([
      ("topic", .string(partition.topic)), ("partition", .number(partition.partition)),
      ("baseOffset", .number(segment.baseOffset)), ("endOffset", .number(segment.endOffset)),
      ("sizeInBytes", .number(segment.sizeInBytes)),
      ("largestTimestamp", segment.largestTimestamp.map(JSON.number) ?? .null),
      ("reason", .string(segment.reason.rawValue)), ("isActive", .bool(segment.isActive)),
      ("deleted", .bool(isDeleted)),
    ])
  }
}
