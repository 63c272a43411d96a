import ArgumentParser
import EventLog

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Take partition directories in that Kafka, or another store, wrote.",
    discussion: """
      A directory is called <topic>-<partition>. Its records go there, with their offsets; every batch is checked on the \
      way, and the topic is created if need be, with the configurations that --config says. The others have their defaults: \
      retention.ms, of seven days, counts from the records' own timestamps, and cleanup.policy is delete. A note says where \
      retention would delete what was imported. The source is only read; stop its broker first.
      """)

  @OptionGroup var store: StoreOptions
  @Argument(help: "The partition directories.") var partitionDirectories: [String]
  @Option(
    help: "A configuration for topics that are created, such as retention.ms=-1; may be given again.")
  var config: [KeyValue] = []
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let broker = try store.open()
    defer { try? broker.close() }
    var outcome = Outcome()
    try createTopics(broker)
    for directory in partitionDirectories {
      let progress = ProgressBar("import")
      do {
        let result = try broker.admin.importPartition(from: directory) { progress.update($0, of: $1) }
        progress.finish()
        // The rest is to be imported, whether somebody reads of it or not.
        do { try Terminal.line(describe(result)) } catch is OutputClosed {}
        try noteRetention(of: result.topicPartition, broker)
      } catch let error as EventLogError where error.code != .diskFull {
        // One that can't be taken in does not keep the others out.
        progress.finish()
        outcome.value(Result<Void, EventLogError>.failure(error))
      }
    }
    try broker.close()
    try outcome.finish()
  }

  /// How many partitions without records may be made beside the one that is given.
  private static let mostMissing = 1000

  /// Those that are not there yet, with as many partitions as are to be imported.
  private func createTopics(_ broker: Broker) throws {
    var counts: [String: Int] = [:]
    for case let partition? in partitionDirectories.map(Self.partition) {
      counts[partition.topic] = max(counts[partition.topic] ?? 0, partition.partition + 1)
    }
    let configs = Dictionary(config.map { ($0.name, $0.value) }) { $1 }
    let known = Set(try broker.admin.listTopics())
    for (topic, count) in counts.sorted(by: { $0.key < $1.key }) {
      let there = known.contains(topic) ? try broker.admin.describeTopic(topic).partitions.count : 0
      let given = Set(partitionDirectories.compactMap(Self.partition).filter { $0.topic == topic })
      guard count - max(there, given.count) <= Self.mostMissing else {
        throw EventLogError(
          .invalidRequest,
          "this would make \(count) partitions, of which \(given.count) \(given.count == 1 ? "is" : "are") given: if that "
            + "is meant, make them first with topics create or topics alter", topic: topic)
      }
      guard !configs.isEmpty else { continue }
      guard there == 0 else {
        throw EventLogError(
          .topicAlreadyExists, "--config is for topics that are created; configs alter changes this one's",
          topic: topic)
      }
      try broker.admin.createTopic(topic, partitions: count, configs: configs)
    }
  }

  /// By the directory's name.
  private static func partition(_ directory: String) -> TopicPartition? {
    guard let name = directory.split(separator: "/").last, let dash = name.lastIndex(of: "-"),
      let number = Int(name[name.index(after: dash)...]), number >= 0
    else { return nil }
    return TopicPartition(String(name[..<dash]), number)
  }

  private func noteRetention(of partition: TopicPartition, _ broker: Broker) throws {
    let segments = try broker.admin.describeRetention([partition.topic])[partition]
    guard case .success(let old)? = segments, let last = old.last else { return }
    Terminal.error(
      "warning: \(partition): by its \(last.reason.rawValue), retention will delete what lies below offset "
        + "\(last.endOffset), once a process owns the directory for a while: configs alter changes that")
  }

  private func describe(_ result: ImportResult) -> String {
    json
      ? JSON.object([
        ("topic", .string(result.topicPartition.topic)), ("partition", .number(result.topicPartition.partition)),
        ("segments", .number(result.segments)), ("batches", .number(result.batches)),
        ("records", .number(result.records)), ("logStartOffset", .number(result.logStartOffset)),
        ("logEndOffset", .number(result.logEndOffset)), ("sizeInBytes", .number(result.sizeInBytes)),
      ]).text
      : "\(result.topicPartition): \(result.records) records in \(result.batches) batches, offsets "
        + "\(result.logStartOffset) to \(result.logEndOffset)"
  }
}
