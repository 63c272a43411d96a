import ArgumentParser
import EventLog

struct ConsumeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "consume", abstract: "Print the records of a topic.",
    discussion: """
      Without --follow it ends at the log end as it stood when it started. With it, partitions that are added are read too, \
      and it ends where the topic is deleted. Without --group it only looks, also while \
      another process owns the directory. With --group it takes the directory as its owner, and commits what it has \
      printed. A partition with a damaged record is printed up to there, the others whole, and the exit status is 1. \
      --isolation read_committed leaves out what was aborted, and ends, or waits, where the first open transaction \
      begins. Whoever takes the directory as its owner, with --group, aborts what a dead owner left open.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "The topic.") var topic: String
  @Option(name: .shortAndLong, parsing: .unconditional, help: "Only this partition; not with --group.")
  var partition: Int?
  @Option(name: .shortAndLong, help: "Read as a member of this group, from what it has committed.") var group: String?
  @Option(parsing: .unconditional, help: "How many members of the group to run.") var members = 1
  @Option(
    name: [.customLong("from"), .customShort("o")], parsing: .unconditional,
    help: """
      beginning, end, an offset, -N (the last N of each partition), or @TIMESTAMP (ms). For a group: where it has \
      committed nothing.
      """)
  var from: StartPosition = .beginning
  @Option(
    name: [.customLong("isolation"), .customLong("isolation-level")],
    help: "What to print of transactions: read_uncommitted, everything; read_committed, what was committed.")
  var isolation: Isolation = .readUncommitted
  @Flag(name: .long, help: "Go on, and wait for more.") var follow = false
  @Option(name: [.customLong("max"), .customShort("c")], parsing: .unconditional, help: "End after so many records.")
  var max: Int?
  @Option(
    name: [.long, .customShort("f")], parsing: .unconditional,
    help: "How to print: %t %p %o %k %s %h %T %K %S and \\n; \"%s\\n\" if not said.")
  var format: String?
  @Flag(name: [.customLong("json"), .customShort("J")], help: "Print an object a record, as kcat -J does.")
  var json = false

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
    let broker = try group == nil ? store.openReadOnly() : store.openExisting()
    defer { try? broker.close() }
    let description = try broker.admin.describeTopic(topic)
    let partitions = description.partitions.map { TopicPartition(topic, $0.partition) }
    var wanted = partitions
    if let partition {
      guard partition < partitions.count else {
        throw EventLogError(
          .unknownTopicOrPartition, "the topic has \(partitions.count) partitions, counted from 0", topic: topic,
          partition: partition)
      }
      wanted = [TopicPartition(topic, partition)]
    }
    var printer = try RecordPrinter(format: json ? nil : format ?? "%s\\n", remaining: max ?? .max)
    var failed = FailedPartitions(
      advice: group == nil
        ? "--partition and --from go on behind it"
        : "groups reset-offsets with --partition and --to-offset lets the group go on behind it")
    let signals = StopSignals()
    defer { signals.end() }
    if let group {
      try await consume(as: group, broker, wanted, &printer, &failed, signals)
    } else {
      let watch = follow ? TopicWatch(store, description) : nil
      try await look(broker, wanted, watch, &printer, &failed, signals)
    }
    try broker.close()
    try failed.throwIfAny()
    // To follow ends with a signal; everything else was not done yet.
    if !follow, let status = signals.status { throw ExitCode(status) }
  }

  // MARK: Looking

  private func look(
    _ broker: Broker, _ wanted: [TopicPartition], _ watch: TopicWatch?, _ printer: inout RecordPrinter,
    _ failed: inout FailedPartitions, _ signals: StopSignals
  ) async throws {
    var partitions = wanted
    var watch = watch
    var newer: Broker?
    defer { try? newer?.close() }
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.isolation = isolation
    var consumer = try broker.consumer(configuration)
    try consumer.assign(partitions)
    var ends: [TopicPartition: Int64] = [:]
    for partition in partitions {
      do {
        let end = try consumer.endOffsets([partition])[partition] ?? 0
        ends[partition] = end
        try consumer.seek(partition, to: try from.offset(broker, partition, end: end))
      } catch let error as EventLogError {
        try consumer.pause([try failed.note(error, in: partition)])
      }
    }
    while printer.remaining > 0, !signals.mustStop {
      if let broker = try watch?.look() {
        guard partition == nil else {
          try broker.close()
          continue
        }
        let next = try broker.consumer(configuration)
        let all = (0..<(watch?.partitions ?? 0)).map { TopicPartition(topic, $0) }
        try next.assign(all)
        // What is new is read from its beginning: it began while somebody was looking.
        try next.seekToBeginning(all.filter { !partitions.contains($0) })
        for partition in partitions where !failed.contains(partition) {
          try next.seek(partition, to: try consumer.position(partition))
        }
        try next.pause(partitions.filter(failed.contains))
        try await consumer.close()
        try newer?.close()
        (consumer, newer, partitions) = (next, broker, all)
      }
      var left = Set(partitions.filter { !failed.contains($0) })
      if !follow {
        left = try left.filter { try consumer.position($0) < ends[$0] ?? 0 }
        try consumer.pause(partitions.filter { !left.contains($0) })
      }
      if left.isEmpty { break }
      do {
        for record in try await consumer.poll(timeout: .milliseconds(follow ? 200 : 0)) {
          guard follow || record.offset < ends[record.topicPartition] ?? 0, printer.remaining > 0 else { continue }
          try printer.print(record)
        }
      } catch let error as EventLogError where error.partition != nil {
        try consumer.pause([try failed.note(error)])
      }
      try printer.flush()
    }
    try await consumer.close()
  }

  // MARK: In a group

  private func consume(
    as group: String, _ broker: Broker, _ partitions: [TopicPartition], _ printer: inout RecordPrinter,
    _ failed: inout FailedPartitions, _ signals: StopSignals
  ) async throws {
    var configuration = ConsumerConfiguration()
    configuration.enableAutoCommit = false
    configuration.isolation = isolation
    configuration.autoOffsetReset = .earliest
    if case .end = from { configuration.autoOffsetReset = .latest }
    var consumers: [Consumer] = []
    for _ in 0..<members {
      consumers.append(try broker.consumer(group: group, topics: [topic], configuration))
    }
    var ends: [TopicPartition: Int64] = [:]
    for partition in partitions {
      do {
        ends[partition] =
          try broker.admin.listOffsets([partition: .latest], isolation: isolation)[partition]??.offset ?? 0
      } catch let error as EventLogError {
        try failed.note(error, in: partition)
      }
    }
    try presetPositions(group, broker, ends)
    var positions: [TopicPartition: Int64] = [:]
    while printer.remaining > 0, !signals.mustStop {
      for consumer in consumers {
        let records: ConsumerRecords
        do {
          records = try await consumer.poll(timeout: .milliseconds(follow ? 50 : 0))
        } catch let error as EventLogError where error.partition != nil {
          try consumer.pause([try failed.note(error)])
          continue
        }
        var hasMoved = false
        for partition in consumer.assignment where !failed.contains(partition) {
          let position = try consumer.position(partition)
          hasMoved = hasMoved || position != positions[partition]
          positions[partition] = position
        }
        var printed: [TopicPartition: OffsetAndMetadata] = [:]
        for record in records {
          guard printer.remaining > 0 else { break }
          try printer.print(record)
          printed[record.topicPartition] = OffsetAndMetadata(record.offset + 1, leaderEpoch: record.leaderEpoch)
        }
        // What was not printed is not committed; what is committed was handed on before.
        try printer.flush()
        if printer.remaining == 0 {
          if !printed.isEmpty { try await consumer.commit(printed) }
        } else if hasMoved {
          // Also over what is not printed, such as transactions' markers, so that it is no lag.
          try await consumer.commit()
        }
      }
      let isDone = partitions.allSatisfy { failed.contains($0) || (!follow && positions[$0] ?? -1 >= ends[$0] ?? 0) }
      if isDone { break }
    }
    for consumer in consumers { try await consumer.close() }
  }

  /// An offset or a timestamp as the start of a group that has committed nothing yet.
  private func presetPositions(_ group: String, _ broker: Broker, _ ends: [TopicPartition: Int64]) throws {
    switch from {
    case .beginning, .end: return
    case .offset, .fromEnd, .timestamp: break
    }
    let committed = (try? broker.admin.listConsumerGroupOffsets(group)) ?? [:]
    var offsets: [TopicPartition: OffsetAndMetadata] = [:]
    for (partition, end) in ends where committed[partition] == nil {
      offsets[partition] = OffsetAndMetadata(try from.offset(broker, partition, end: end))
    }
    if !offsets.isEmpty { try broker.admin.alterConsumerGroupOffsets(group, offsets) }
  }
}
