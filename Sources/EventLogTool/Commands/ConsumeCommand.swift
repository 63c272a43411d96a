import ArgumentParser
import Dispatch
import EventLog
import Foundation
import Synchronization

/// Where to begin: `beginning`, `end`, an offset, or `@` and a timestamp in milliseconds.
enum StartPosition: ExpressibleByArgument {
  case beginning
  case end
  case offset(Int64)
  case timestamp(Int64)

  init?(argument: String) {
    switch argument {
    case "beginning", "earliest": self = .beginning
    case "end", "latest": self = .end
    default:
      if argument.hasPrefix("@"), let time = Int64(argument.dropFirst()), time >= 0 {
        self = .timestamp(time)
      } else if let offset = Int64(argument), offset >= 0 {
        self = .offset(offset)
      } else {
        return nil
      }
    }
  }
}

struct ConsumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "consume", abstract: "Print the records of a topic.",
    discussion: """
      Without --follow it ends at the log end as it stood when it started. Without --group it only looks, also while \
      another process owns the directory. With --group it takes the directory as its owner, and commits what it has \
      printed.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "The topic.") var topic: String
  @Option(name: .shortAndLong, help: "Only this partition; not with --group.") var partition: Int?
  @Option(name: .shortAndLong, help: "Read as a member of this group, from what it has committed.") var group: String?
  @Option(help: "How many members of the group to run.") var members = 1
  @Option(
    name: [.customLong("from"), .customShort("o")],
    help: "beginning, end, an offset, or @TIMESTAMP (ms). For a group: where it has committed nothing.")
  var from: StartPosition = .beginning
  @Flag(name: .long, help: "Go on, and wait for more.") var follow = false
  @Option(name: [.customLong("max"), .customShort("c")], help: "End after so many records.") var max: Int?
  @Option(name: .long, help: "How to print: %t %p %o %k %s %h %T %K %S and \\n; \"%s\\n\" if not said.") var format:
    String?
  @Flag(name: [.customLong("json"), .customShort("J")], help: "Print an object a record, as kcat -J does.") var json =
    false

  func validate() throws {
    if json, format != nil { throw ValidationError("--json and --format exclude each other") }
    if group != nil, partition != nil {
      throw ValidationError("a group shares all partitions: --partition does not go with it")
    }
    if members < 1 || (members > 1 && group == nil) { throw ValidationError("--members is for groups, and at least 1") }
    if let max, max < 0 { throw ValidationError("--max can't be negative") }
    if let partition, partition < 0 { throw ValidationError("--partition can't be negative") }
    _ = try RecordFormatter(format ?? "%s\\n")
  }

  func run() async throws {
    let broker = try group == nil ? store.openReadOnly() : store.open()
    defer { try? broker.close() }
    let partitions = try broker.admin.describeTopic(topic).partitions.map { TopicPartition(topic, $0.partition) }
    var wanted = partitions
    if let partition {
      guard partition < partitions.count else {
        throw EventLogError(
          .unknownTopicOrPartition, "the topic has \(partitions.count) partitions, counted from 0", topic: topic,
          partition: partition)
      }
      wanted = [TopicPartition(topic, partition)]
    }
    var printer = try Printer(format: json ? nil : format ?? "%s\\n", remaining: max ?? .max)
    let signals = StopSignals()
    defer { signals.end() }
    if let group {
      try await consume(as: group, broker, wanted, &printer, signals)
    } else {
      try await look(broker, wanted, &printer, signals)
    }
    try broker.close()
  }

  // MARK: Looking

  private func look(
    _ broker: Broker, _ partitions: [TopicPartition], _ printer: inout Printer, _ signals: StopSignals
  ) async throws {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    let consumer = try broker.consumer(configuration)
    let ends = try consumer.endOffsets(partitions)
    try consumer.assign(partitions)
    for partition in partitions {
      try consumer.seek(partition, to: try start(broker, partition, end: ends[partition] ?? 0))
    }
    while printer.remaining > 0, !signals.mustStop {
      var left = Set(partitions)
      if !follow {
        left = try Set(partitions.filter { try consumer.position($0) < ends[$0] ?? 0 })
        if left.isEmpty { break }
        try consumer.pause(partitions.filter { !left.contains($0) })
      }
      for record in try await consumer.poll(timeout: .milliseconds(follow ? 200 : 0)) {
        guard follow || record.offset < ends[record.topicPartition] ?? 0, printer.remaining > 0 else { continue }
        try printer.print(record)
      }
      try printer.flush()
    }
    try await consumer.close()
  }

  private func start(_ broker: Broker, _ partition: TopicPartition, end: Int64) throws -> Int64 {
    switch from {
    case .beginning: return try broker.admin.listOffsets([partition: .earliest])[partition]??.offset ?? 0
    case .end: return end
    case .offset(let offset):
      let first = try broker.admin.listOffsets([partition: .earliest])[partition]??.offset ?? 0
      return Swift.max(first, Swift.min(offset, end))
    case .timestamp(let time):
      return try broker.admin.listOffsets([partition: .timestamp(time)])[partition]??.offset ?? end
    }
  }

  // MARK: In a group

  private func consume(
    as group: String, _ broker: Broker, _ partitions: [TopicPartition], _ printer: inout Printer, _ signals: StopSignals
  ) async throws {
    var configuration = ConsumerConfiguration()
    configuration.enableAutoCommit = false
    configuration.autoOffsetReset = .earliest
    if case .end = from { configuration.autoOffsetReset = .latest }
    var consumers: [Consumer] = []
    for _ in 0..<members {
      consumers.append(try broker.consumer(group: group, topics: [topic], configuration))
    }
    var ends: [TopicPartition: Int64] = [:]
    for partition in partitions {
      ends[partition] = try broker.admin.listOffsets([partition: .latest])[partition]??.offset ?? 0
    }
    try presetPositions(group, broker, partitions, ends)
    var positions: [TopicPartition: Int64] = [:]
    while printer.remaining > 0, !signals.mustStop {
      for consumer in consumers {
        let records = try await consumer.poll(timeout: .milliseconds(follow ? 50 : 0))
        for partition in consumer.assignment { positions[partition] = try consumer.position(partition) }
        guard !records.isEmpty else { continue }
        var commit: [TopicPartition: OffsetAndMetadata] = [:]
        for record in records where printer.remaining > 0 {
          try printer.print(record)
          commit[record.topicPartition] = OffsetAndMetadata(record.offset + 1, leaderEpoch: record.leaderEpoch)
        }
        // What was not printed is not committed; what is committed was handed on before.
        try printer.flush()
        if !commit.isEmpty { try await consumer.commit(commit) }
      }
      if !follow, partitions.allSatisfy({ positions[$0] ?? -1 >= ends[$0] ?? 0 }) { break }
    }
    for consumer in consumers { try await consumer.close() }
  }

  /// An offset or a timestamp as the start of a group that has committed nothing yet.
  private func presetPositions(
    _ group: String, _ broker: Broker, _ partitions: [TopicPartition], _ ends: [TopicPartition: Int64]
  ) throws {
    switch from {
    case .beginning, .end: return
    case .offset, .timestamp: break
    }
    let committed = (try? broker.admin.listConsumerGroupOffsets(group)) ?? [:]
    var offsets: [TopicPartition: OffsetAndMetadata] = [:]
    for partition in partitions where committed[partition] == nil {
      offsets[partition] = OffsetAndMetadata(try start(broker, partition, end: ends[partition] ?? 0))
    }
    if !offsets.isEmpty { try broker.admin.alterConsumerGroupOffsets(group, offsets) }
  }
}

/// Prints records, up to a number of them.
struct Printer {
  private var output = Terminal.Output()
  private let formatter: RecordFormatter?
  private(set) var remaining: Int

  /// - Parameter format: nil prints JSON.
  init(format: String?, remaining: Int) throws {
    formatter = try format.map(RecordFormatter.init)
    self.remaining = remaining
  }

  mutating func print(_ record: ConsumerRecord) throws {
    if let formatter { try formatter.write(record, to: &output) } else { try output.line(JSON(record).text) }
    remaining -= 1
  }

  mutating func flush() throws { try output.flush() }
}

/// Interrupt and termination end a consumer in order: it finishes what it prints, commits, and leaves its group.
final class StopSignals {
  private let sources: [any DispatchSourceSignal]
  private let flag = Flag()

  private final class Flag: Sendable {
    let value = Mutex(false)
  }

  init() {
    let flag = flag
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { flag.value.withLock { $0 = true } }
      source.resume()
      return source
    }
  }

  var mustStop: Bool { flag.value.withLock { $0 } }

  func end() {
    for source in sources { source.cancel() }
  }
}
