import EventLog

/// Members of groups come and go, and commit: what was committed is not delivered again, and nothing is left out.
struct Group: Scenario {
  static let name = "group"
  static let topics = [Topic("inputs", partitions: partitions, ["segment.bytes": "65536"])]
  private static let partitions = 6
  /// One for each protocol; a round works with one of them.
  private static let groups = ["classic", "consumer"]

  // MARK: In the child

  static func work(_ child: Child) async throws {
    let broker = try child.open()
    let feeder = try Feeder(broker, to: "inputs")
    child.isOpen()
    let number = child.round % groups.count
    let members: [@Sendable () async throws -> Void] = (0..<3).map { member in
      {
        var generator = child.generator(member)
        while true { try await beMember(child, broker, number, &generator) }
      }
    }
    try await child.run(
      members + [
        { try await feeder.feedForever(5, every: .milliseconds(1)) { Record(key: nil, value: Payload.bytes($0, $1)) } }
      ])
  }

  /// Joins, polls a while, commits in one way or the other, leaves.
  private static func beMember(
    _ child: Child, _ broker: Broker, _ number: Int, _ generator: inout Generator
  ) async throws {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.enableAutoCommit = false
    configuration.maxPollRecords = 25
    configuration.groupProtocol = number == 0 ? .classic : .consumer
    if number == 0, child.round % 4 == 0 { configuration.assignors = [.cooperativeSticky] }
    let consumer = try broker.consumer(group: groups[number], topics: ["inputs"], configuration)
    for _ in 0..<Int.random(in: 5...80, using: &generator) {
      let records = try await consumer.poll(timeout: .milliseconds(20))
      var offsets: [TopicPartition: OffsetAndMetadata] = [:]
      for batch in records.batches { offsets[batch.topicPartition] = OffsetAndMetadata(batch.nextOffset) }
      guard !offsets.isEmpty else { continue }
      // The plant: progress is committed before the records are there for anybody to see.
      if child.isPlanted {
        try await consumer.commit(offsets)
        try await child.pause()
      }
      for batch in records.batches {
        var first: Int?
        for record in batch {
          first = first ?? Int(record.offset)
          try hold(
            Payload.numbers(record.value) == [record.partition, Int(record.offset)], "\(record.topicPartition)",
            expected: "record \(record.offset)", found: record.valueString ?? "null")
        }
        child.say("delivered", number, batch.topicPartition.partition, first ?? -1, Int(batch.nextOffset))
      }
      guard !child.isPlanted else {
        tell(child, number, offsets)
        continue
      }
      let told = offsets
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: break
      case 1: try consumer.commitAsync(told) { error in if error == nil { tell(child, number, told) } }
      default:
        do {
          try await consumer.commit(told)
          tell(child, number, told)
        } catch let error as EventLogError where error.code == .commitFailed || error.code == .rebalanceInProgress {}
      }
    }
    try await consumer.close()
  }

  private static func tell(_ child: Child, _ number: Int, _ offsets: [TopicPartition: OffsetAndMetadata]) {
    for (partition, offset) in offsets { child.say("committed", number, partition.partition, Int(offset.offset)) }
  }

  // MARK: In the parent

  /// How far a group is with a partition, as offsets that come next.
  private struct Progress {
    var committed = 0
    var delivered = 0
  }

  private var progress = Array(repeating: Array(repeating: Progress(), count: partitions), count: groups.count)

  init(_ context: Context) {}

  mutating func note(_ statement: Statement, round: Int) throws {
    let (group, partition) = (statement[0], statement[1])
    switch statement.word {
    case "committed": progress[group][partition].committed = statement[2]
    default: try deliver(statement[2], next: statement[3], group, partition)
    }
  }

  private mutating func deliver(_ first: Int, next: Int, _ group: Int, _ partition: Int) throws {
    let known = progress[group][partition]
    try hold(
      first >= known.committed && first <= known.delivered,
      "what group \(Self.groups[group]) is delivered of inputs-\(partition)",
      expected: "from \(known.committed) (committed) to \(known.delivered) (delivered)", found: "it begins at \(first)")
    progress[group][partition].delivered = max(known.delivered, next)
  }

  mutating func check(_ broker: Broker) async throws {
    for (number, group) in Self.groups.enumerated() {
      let committed = try? broker.admin.listConsumerGroupOffsets(group)
      for partition in 0..<Self.partitions {
        let known = progress[number][partition]
        let offset = Int(committed?[TopicPartition("inputs", partition)]?.offset ?? 0)
        try hold(
          offset >= known.committed && offset <= known.delivered, "what \(group) has committed of inputs-\(partition)",
          expected: "from \(known.committed) to \(known.delivered)", found: "\(offset)")
      }
    }
    var counts = Array(repeating: 0, count: Self.partitions)
    try broker.forEachRecord(of: "inputs") { record in
      let number = counts[record.partition]
      try hold(
        Int(record.offset) == number && Payload.numbers(record.value) == [record.partition, number],
        "\(record.topicPartition)", expected: "record and offset \(number)",
        found: "offset \(record.offset): \(record.valueString ?? "null")")
      counts[record.partition] += 1
    }
  }

  /// Both groups read what is left.
  mutating func finish(_ broker: Broker) async throws {
    for (number, group) in Self.groups.enumerated() {
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .earliest
      let consumer = try broker.consumer(group: group, topics: ["inputs"], configuration)
      var records = try await consumer.poll()
      while !records.isEmpty {
        for batch in records.batches {
          guard let first = batch.first(where: { _ in true }) else { continue }
          try deliver(Int(first.offset), next: Int(batch.nextOffset), number, batch.topicPartition.partition)
        }
        records = try await consumer.poll(timeout: .milliseconds(200))
      }
      try await consumer.close()
      for partition in 0..<Self.partitions {
        let end = try broker.bounds(TopicPartition("inputs", partition)).upperBound
        try hold(
          progress[number][partition].delivered == end, "what \(group) was delivered of inputs-\(partition) in the end",
          expected: "all up to \(end)", found: "\(progress[number][partition].delivered)")
      }
    }
  }
}
