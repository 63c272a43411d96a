import EventLog

/// Records are deleted by `retention.bytes` and by `deleteRecords` while others are written: what is left is a suffix, the
/// log start never goes back, and all that lies behind it is there.
struct Retention: Scenario {
  static let name = "retention"
  private static let partitions = 2
  private static let retentionBytes = 131_072
  static let topics = [
    Topic(
      "events", partitions: partitions,
      [
        "retention.bytes": "\(retentionBytes)", "segment.bytes": "16384", "index.interval.bytes": "512",
        "file.delete.delay.ms": "5",
      ])
  ]

  static func configure(_ configuration: inout BrokerConfiguration) {
    configuration.initialTaskDelay = .milliseconds(3)
    configuration.retentionCheckInterval = .milliseconds(10)
  }

  // MARK: In the child

  static func work(_ child: Child) async throws {
    let broker = try child.open()
    let feeder = try Feeder(broker, to: "events")
    for partition in 0..<partitions {
      let bounds = try broker.bounds(TopicPartition("events", partition))
      child.say("begins", partition, bounds.lowerBound)
      child.say("end", partition, await feeder.count(of: partition))
    }
    child.isOpen()
    let writers: [@Sendable () async throws -> Void] = (0..<partitions).map { partition in
      {
        while true {
          let range = try await feeder.feed(5, to: partition) { Record(key: nil, value: Payload.bytes(partition, $0)) }
          child.say("end", partition, range.upperBound)
          if range.upperBound % 40 == 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
      }
    }
    try await child.run(writers + [{ try await delete(child, broker) }])
  }

  private static func delete(_ child: Child, _ broker: Broker) async throws {
    var generator = child.generator(9)
    while true {
      try await Task.sleep(for: .milliseconds(Int.random(in: 1...20, using: &generator)))
      let partition = TopicPartition("events", Int.random(in: 0..<partitions, using: &generator))
      let bounds = try broker.bounds(partition)
      switch Int.random(in: 0..<4, using: &generator) {
      case 0:
        _ = try broker.admin.applyRetention()
        child.say("start", partition.partition, try broker.bounds(partition).lowerBound)
      default:
        let end = Int(try broker.admin.listOffset(partition, .latest)?.offset ?? 0)
        // Mostly a little, now and then everything.
        let most = generator.once(in: 8) ? end : min(end, bounds.lowerBound + 200)
        let before = generator.once(in: 8) ? most : Int.random(in: bounds.lowerBound...most, using: &generator)
        child.say("deleting", partition.partition, before)
        // The plant: it tells of a log start that is not on the disk.
        if child.isPlanted {
          child.say("start", partition.partition, before)
          try await child.pause()
        }
        let start = try broker.admin.deleteRecords(partition, before: Int64(before))
        child.say("start", partition.partition, Int(start))
      }
    }
  }

  // MARK: In the parent

  private var starts = Array(repeating: 0, count: partitions)
  private var ends = Array(repeating: 0, count: partitions)
  private var deleting = Array(repeating: 0, count: partitions)

  init(_ context: Context) {}

  mutating func note(_ statement: Statement, round: Int) throws {
    let (partition, offset) = (statement[0], statement[1])
    switch statement.word {
    case "begins":
      try hold(
        offset >= starts[partition], "the log start of events-\(partition), as the next child finds it",
        expected: "\(starts[partition]) at least", found: "\(offset)")
    case "start":
      // Two may be told in another order than they were found out, but not across rounds.
      starts[partition] = max(starts[partition], offset)
    case "deleting": deleting[partition] = max(deleting[partition], offset)
    default:
      try hold(
        offset >= ends[partition], "the end of events-\(partition)", expected: "\(ends[partition]) at least",
        found: "\(offset)")
      ends[partition] = offset
    }
  }

  mutating func check(_ broker: Broker) async throws {
    for partition in 0..<Self.partitions {
      let topicPartition = TopicPartition("events", partition)
      let description = try broker.admin.describeTopic("events").partitions[partition]
      let bounds = try broker.bounds(topicPartition)
      try hold(
        bounds.lowerBound >= starts[partition] && bounds.upperBound >= ends[partition], "\(topicPartition)",
        expected: "to begin at \(starts[partition]) at least, and to end at \(ends[partition]) at least",
        found: "\(bounds)")
      // What nobody asked to delete went by its size, and of that so much has to stay.
      try hold(
        bounds.lowerBound <= deleting[partition] || description.sizeInBytes >= Int64(Self.retentionBytes),
        "\(topicPartition), which begins at \(bounds.lowerBound) though only \(deleting[partition]) was asked for",
        expected: "\(Self.retentionBytes) bytes at least", found: "\(description.sizeInBytes)")
    }
    var next: [Int: Int] = [:]
    try broker.forEachRecord(of: "events") { record in
      let number = next[record.partition] ?? Int(record.offset)
      try hold(
        Int(record.offset) == number && Payload.numbers(record.value) == [record.partition, number],
        "\(record.topicPartition)", expected: "record and offset \(number)",
        found: "offset \(record.offset): \(record.valueString ?? "null")")
      next[record.partition] = number + 1
    }
    for partition in 0..<Self.partitions {
      guard let next = next[partition] else { continue }
      let end = try broker.bounds(TopicPartition("events", partition)).upperBound
      try hold(next == end, "events-\(partition)", expected: "records up to its end, \(end)", found: "up to \(next)")
    }
  }
}
