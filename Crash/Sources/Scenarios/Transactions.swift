import EventLog

/// Transactions over several topics and partitions, with offsets: each is seen whole or not at all, an aborted one never,
/// and the offsets are those of the last one that was committed.
struct Transactions: Scenario {
  static let name = "transactions"
  static let topics = [
    Topic("left", partitions: 3, ["segment.bytes": "32768", "index.interval.bytes": "512"]),
    Topic("right", partitions: 2, ["segment.bytes": "32768"]), Topic("source", partitions: producers),
  ]
  private static let producers = 2
  private static let targets = (0..<3).map { TopicPartition("left", $0) } + (0..<2).map { TopicPartition("right", $0) }
  /// Records of the source, so that there are offsets to commit.
  private static let sources = 500

  /// What a transaction does: it follows from its number.
  private struct Plan {
    var targets: [TopicPartition]
    var commits: Bool

    init(_ seed: UInt64, _ round: Int, _ producer: Int, _ number: Int) {
      var generator = Generator(seed, round, producer, number)
      targets = (0..<Int.random(in: 1...8, using: &generator)).map { _ in
        Transactions.targets[Int.random(in: 0..<Transactions.targets.count, using: &generator)]
      }
      commits = !generator.once(in: 4)
    }
  }

  private static func group(_ producer: Int) -> String { "group-\(producer)" }

  // MARK: In the child

  static func work(_ child: Child) async throws {
    let broker = try child.open()
    let feeder = try Feeder(broker, to: "source")
    for partition in 0..<producers {
      let missing = sources - (await feeder.count(of: partition))
      if missing > 0 { try await feeder.feed(missing, to: partition) { Record(key: nil, value: Payload.bytes($0)) } }
    }
    let open: [Producer] = try (0..<producers).map { number in
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "transactions-\(number)"
      configuration.compression = child.round % 5 == 0 ? .lz4 : .none
      configuration.linger = child.round % 3 == 0 ? .milliseconds(1) : .zero
      return try broker.producer(configuration)
    }
    for producer in open { try await producer.initTransactions() }
    child.isOpen()
    try await child.run(
      open.enumerated().map { number, producer in
        {
          for transaction in 0... { try await run(transaction, number, producer, child) }
        }
      })
  }

  private static func run(_ number: Int, _ index: Int, _ producer: Producer, _ child: Child) async throws {
    let plan = Plan(child.context.seed, child.round, index, number)
    try producer.beginTransaction()
    for (place, target) in plan.targets.enumerated() {
      let value = Payload.bytes(child.round, index, number, place)
      try producer.send(ProducerRecord(topic: target.topic, partition: target.partition, value: value)) { _ in }
    }
    try producer.sendOffsets(
      [
        TopicPartition("source", index): OffsetAndMetadata(
          Int64(number % sources), metadata: "\(child.round) \(index) \(number)")
      ], to: ConsumerGroupMetadata(group: group(index)))
    // The plant: it tells of a commit where it aborts, now and then.
    let cheats = child.isPlanted && plan.commits && number % 5 == 4
    if plan.commits, !cheats { try await producer.commitTransaction() } else { try await producer.abortTransaction() }
    if plan.commits { child.say("committed", index, number) } else { child.say("aborted", index, number) }
  }

  // MARK: In the parent

  private let context: Context
  /// Transactions that were acknowledged: round, producer, number.
  private var committed: Set<[Int]> = []

  init(_ context: Context) { self.context = context }

  mutating func note(_ statement: Statement, round: Int) throws {
    if statement.word == "committed" { committed.insert([round, statement[0], statement[1]]) }
  }

  mutating func check(_ broker: Broker) async throws {
    var seen: [[Int]: [Int: TopicPartition]] = [:]
    var last: [TopicPartition: [Int: [Int]]] = [:]
    for topic in ["left", "right"] {
      try broker.forEachRecord(of: topic, .readCommitted) { record in
        guard let numbers = Payload.numbers(record.value), numbers.count == 4 else {
          throw Violation(
            "\(record.topicPartition), offset \(record.offset)", expected: "bytes that were sent",
            found: record.valueString ?? "null")
        }
        let transaction = Array(numbers[0..<3])
        let before = seen[transaction, default: [:]].updateValue(record.topicPartition, forKey: numbers[3])
        try hold(
          before == nil, "record \(numbers[3]) of transaction \(transaction)", expected: "to be there once",
          found: "in \(record.topicPartition) again, and in \(before.map(String.init(describing:)) ?? "")")
        let earlier = last[record.topicPartition]?[numbers[1]] ?? [0, 0, 0, -1]
        try hold(
          earlier.lexicographicallyPrecedes(numbers), "\(record.topicPartition), offset \(record.offset)",
          expected: "a record of producer \(numbers[1]) behind \(earlier)", found: "\(numbers)")
        last[record.topicPartition, default: [:]][numbers[1]] = numbers
      }
      for partition in try broker.partitions(of: topic) {
        let stable = try broker.admin.listOffset(partition, .latest, isolation: .readCommitted)
        let end = try broker.bounds(partition).upperBound
        try hold(
          stable?.offset == Int64(end), "the last stable offset of \(partition), with nobody at work",
          expected: "the log end, \(end)", found: "\(stable?.offset ?? -1)")
      }
    }
    try checkWhole(seen)
    try checkOffsets(broker, seen)
  }

  private func checkWhole(_ seen: [[Int]: [Int: TopicPartition]]) throws {
    for (transaction, records) in seen {
      let plan = Plan(context.seed, transaction[0], transaction[1], transaction[2])
      try hold(plan.commits, "transaction \(transaction)", expected: "to be aborted", found: "\(records)")
      let expected = Dictionary(uniqueKeysWithValues: plan.targets.enumerated().map { ($0, $1) })
      try hold(records == expected, "transaction \(transaction)", expected: "\(expected)", found: "\(records)")
    }
    for transaction in committed {
      try hold(
        seen[transaction] != nil, "transaction \(transaction)",
        expected: "to be there, since its commit was acknowledged",
        found: "nothing of it")
    }
  }

  private func checkOffsets(_ broker: Broker, _ seen: [[Int]: [Int: TopicPartition]]) throws {
    for producer in 0..<Self.producers {
      let last = seen.keys.filter { $0[1] == producer }.max { $0.lexicographicallyPrecedes($1) }
      guard let last else { continue }
      let partition = TopicPartition("source", producer)
      let offset = try broker.admin.listConsumerGroupOffsets(Self.group(producer))[partition]
      let expected = OffsetAndMetadata(
        Int64(last[2] % Self.sources), metadata: last.map { String($0) }.joined(separator: " "))
      try hold(
        offset == expected, "the offset of \(Self.group(producer))",
        expected: "that of the last committed transaction, \(expected)", found: "\(offset.map { "\($0)" } ?? "none")")
    }
  }
}
