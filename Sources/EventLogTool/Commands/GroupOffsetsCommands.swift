import ArgumentParser
import EventLog
import Foundation

/// `groups reset-offsets`
struct ResetOffsetsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reset-offsets",
    abstract: "Set where groups go on reading; they may have no members.",
    discussion: """
      Only shows what it would do, unless --execute is given. Each offset is kept within what its log holds. Take a plan \
      to a file with --export, and carry it out later with --from-file.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "The group.") var group: String
  @Option(name: .shortAndLong, help: "A topic, or some of its partitions: orders:0,2. May be given again.")
  var topic: [TopicArgument] = []
  @Flag(help: "All partitions for which the group has committed something.") var allTopics = false
  @Option(help: "Only this partition of the topic.") var partition: Int?
  @Flag(help: "To the log start.") var toEarliest = false
  @Flag(help: "To the log end.") var toLatest = false
  @Flag(help: "To what is committed: brings back what lies outside of the log.") var toCurrent = false
  @Option(parsing: .unconditional, help: "To this offset.") var toOffset: Int64?
  @Option(
    parsing: .unconditional,
    help: "To the first record of this time or later: 2024-05-06T07:08:09.123, with Z or +02:00; UTC if not said.")
  var toDatetime: String?
  @Option(
    parsing: .unconditional, help: "To the first record of this time or later, in milliseconds since 1970.")
  var toTimestamp: Int64?
  @Option(
    parsing: .unconditional, help: "To the first record of so long ago or later, such as P7D or PT1H30M.")
  var byDuration: String?
  @Option(parsing: .unconditional, help: "By so many offsets forward, or backward.") var shiftBy: Int64?
  @Option(help: "To what a file says, in lines of topic,partition,offset.") var fromFile: String?
  @Flag(help: "Only show what would be done: the default.") var dryRun = false
  @Flag(help: "Do it.") var execute = false
  @Flag(help: "Print lines of topic,partition,offset, for --from-file.") var export = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    let ways = [
      toEarliest, toLatest, toCurrent, toOffset != nil, toDatetime != nil, toTimestamp != nil, byDuration != nil,
      shiftBy != nil, fromFile != nil,
    ]
    if ways.filter(\.self).count != 1 {
      throw ValidationError(
        "give one of --to-earliest, --to-latest, --to-current, --to-offset, --to-datetime, --to-timestamp, "
          + "--by-duration, --shift-by, --from-file")
    }
    if fromFile == nil, topic.isEmpty == !allTopics { throw ValidationError("give --topic, or --all-topics") }
    if partition != nil, topic.count != 1 || topic.first?.partitions != nil {
      throw ValidationError("--partition goes with one --topic; or say --topic TOPIC:0,1")
    }
    if dryRun, execute { throw ValidationError("--dry-run and --execute exclude each other") }
    if json, export { throw ValidationError("--json and --export exclude each other") }
    if let toOffset, toOffset < 0 { throw ValidationError("--to-offset can't be negative") }
    if let toTimestamp, toTimestamp < 0 { throw ValidationError("--to-timestamp can't be negative") }
    if let byDuration, byDuration.hasPrefix("-") { throw ValidationError("--by-duration can't be negative") }
    if let toDatetime, ISO8601.milliseconds(toDatetime) == nil {
      throw ValidationError("\"\(toDatetime)\" is no date and time such as 2024-05-06T07:08:09.123")
    }
    if let byDuration, ISO8601.duration(byDuration) == nil {
      throw ValidationError("\"\(byDuration)\" is no duration such as P7D or PT1H30M")
    }
  }

  func run() throws {
    let target = try target()
    let broker = try execute ? store.openExisting() : store.openReadOnly()
    defer { try? broker.close() }
    var partitions: [TopicPartition]?
    if let partition, let topic = topic.first {
      partitions = [TopicPartition(topic.topic, partition)]
    } else if !topic.isEmpty {
      partitions = try topic.flatMap { try $0.resolve(broker) }
    }
    let plan = try broker.admin.resetConsumerGroupOffsets(group, of: partitions, to: target, dryRun: !execute)
    try broker.close()
    for change in plan.changes {
      guard let wanted = change.wantedOffset else { continue }
      Terminal.error(
        "warning: \(change.topicPartition): offset \(wanted) is not in the log; \(change.newOffset) is taken instead")
    }
    try print(plan)
  }

  private func target() throws -> OffsetResetTarget {
    if toEarliest { return .earliest }
    if toLatest { return .latest }
    if toCurrent { return .current }
    if let toOffset { return .offset(toOffset) }
    if let shiftBy { return .shift(by: shiftBy) }
    if let time = toTimestamp ?? toDatetime.flatMap(ISO8601.milliseconds) { return .datetime(time) }
    if let duration = byDuration.flatMap(ISO8601.duration) { return .duration(duration) }
    guard let text = try fromFile.map({ try LineReader.text(of: $0) }) else { return .current }
    let offsets = try OffsetResetPlan.offsets(csv: text, group: group)
    guard !offsets.isEmpty else {
      throw EventLogError(.illegalArgument, "the file names no partition", file: fromFile)
    }
    return .offsets(offsets)
  }

  private func print(_ plan: OffsetResetPlan) throws {
    if export {
      try Terminal.text(plan.csv)
    } else if json {
      for change in plan.changes {
        try Terminal.line(
          JSON.object([
            ("group", .string(group)), ("topic", .string(change.topicPartition.topic)),
            ("partition", .number(change.topicPartition.partition)), ("offset", .number(change.newOffset)),
            ("currentOffset", change.currentOffset.map(JSON.number) ?? .null), ("executed", .bool(plan.isExecuted)),
          ]).text)
      }
    } else {
      try Terminal.table(
        ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "NEW-OFFSET"],
        plan.changes.map { change in
          [
            group, change.topicPartition.topic, String(change.topicPartition.partition),
            change.currentOffset.map(String.init) ?? "-", String(change.newOffset),
          ]
        })
    }
    if !plan.isExecuted { Terminal.error("nothing was changed: add --execute to do it") }
  }
}

/// `groups delete-offsets`
struct DeleteOffsetsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete-offsets", abstract: "Forget what a group has committed for some partitions.")

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "The group.") var group: String
  @Option(name: .shortAndLong, help: "A topic, or some of its partitions: orders:0,2. May be given again.")
  var topic: [TopicArgument]

  func run() throws {
    let broker = try store.openExisting()
    defer { try? broker.close() }
    let partitions = try topic.flatMap { try $0.resolve(broker) }
    let results = try broker.admin.deleteConsumerGroupOffsets(group, each: partitions)
    var outcome = Outcome()
    for partition in results.keys.sorted() { outcome.value(results[partition]) }
    try broker.close()
    try outcome.finish()
  }
}
