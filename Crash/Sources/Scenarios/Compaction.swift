import EventLog

/// Updates and tombstones of keys while the log is compacted all the time: a reader ends with what was acknowledged last of
/// each key, or with what was being written, and every record has the offset that it was given.
struct Compaction: Scenario {
  static let name = "compaction"
  private static let partitions = 2
  static let topics = [
    Topic(
      "states", partitions: partitions,
      [
        "cleanup.policy": "compact", "segment.bytes": "16384", "index.interval.bytes": "512",
        "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0", "file.delete.delay.ms": "5",
      ])
  ]

  static func configure(_ configuration: inout BrokerConfiguration) {
    configuration.logCleanerBackoff = .milliseconds(10)
  }

  /// What is written in one go.
  private struct Update {
    /// The keys, and whether it deletes them.
    var keys: [(key: Int, isTombstone: Bool)]

    init(_ seed: UInt64, _ round: Int, _ partition: Int, _ number: Int) {
      var generator = Generator(seed, round, partition, number)
      keys = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
        (Int.random(in: 0..<60, using: &generator), generator.once(in: 8))
      }
    }

    func records(_ round: Int, _ number: Int) -> [Record] {
      keys.enumerated().map { index, change in
        Record(
          key: Array("\(change.key)".utf8), value: change.isTombstone ? nil : Payload.bytes(round, number, index))
      }
    }
  }

  // MARK: In the child

  static func work(_ child: Child) async throws {
    let broker = try child.open()
    var configuration = ProducerConfiguration(acks: child.acks(child.round % 3 == 0 ? .all : .leader))
    configuration.compression = child.round % 4 == 0 ? .snappy : .none
    let producer = try broker.producer(configuration)
    child.isOpen()
    let writers: [@Sendable () async throws -> Void] = (0..<partitions).map { partition in
      {
        for number in 0... {
          let records = Update(child.context.seed, child.round, partition, number).records(child.round, number)
          let metadata = try await producer.send(records, to: "states", partition: partition)
          child.say("updated", partition, number, Int(metadata.first?.offset ?? -1))
          // The plant: as if a cleaner had taken the last value of a key away, now and then.
          if child.isPlanted, number % 10 == 9, let lost = records.last {
            _ = try await producer.send([Record(key: lost.key, value: nil)], to: "states", partition: partition)
          }
          if number % 8 == 7 { try await Task.sleep(for: .milliseconds(1)) }
        }
      }
    }
    try await child.run(
      writers + [
        {
          var generator = child.generator(9)
          while true {
            try await Task.sleep(for: .milliseconds(Int.random(in: 1...25, using: &generator)))
            let partition = TopicPartition("states", Int.random(in: 0..<partitions, using: &generator))
            do {
              _ = try broker.admin.compact(partition)
            } catch let error as EventLogError where error.code == .illegalState {
              // It is being compacted at this moment.
            }
          }
        }
      ])
  }

  // MARK: In the parent

  /// Which record a key ends with.
  private struct Version: Hashable {
    var round: Int
    var number: Int
    var index: Int
    var isTombstone: Bool
    var offset: Int?

    var order: [Int] { [round, number, index] }
  }

  private let context: Context
  /// What was acknowledged last of each key, and what was written at the moment of a later kill.
  private var last: [[Int: Version]] = Array(repeating: [:], count: partitions)
  private var maybe: [[Int: [Version]]] = Array(repeating: [:], count: partitions)
  /// The offsets of acknowledged updates, by round and number.
  private var offsets: [[[Int]: Int]] = Array(repeating: [:], count: partitions)
  private var begun: [Int] = Array(repeating: 0, count: partitions)

  init(_ context: Context) { self.context = context }

  mutating func note(_ statement: Statement, round: Int) throws {
    let (partition, number) = (statement[0], statement[1])
    offsets[partition][[round, number]] = statement[2]
    begun[partition] = number + 1
    for version in versions(round, partition, number, statement[2]) {
      last[partition][version.key] = version.version
      maybe[partition][version.key] = nil
    }
  }

  /// Of each partition, one update may have been under way.
  mutating func roundEnded(_ round: Int) {
    for partition in 0..<Self.partitions {
      for version in versions(round, partition, begun[partition], nil) {
        maybe[partition][version.key, default: []].append(version.version)
      }
      begun[partition] = 0
    }
  }

  private func versions(
    _ round: Int, _ partition: Int, _ number: Int, _ offset: Int?
  ) -> [(key: Int, version: Version)] {
    Update(context.seed, round, partition, number).keys.enumerated().map { index, change in
      (
        change.key,
        Version(
          round: round, number: number, index: index, isTombstone: change.isTombstone, offset: offset.map { $0 + index }
        )
      )
    }
  }

  mutating func check(_ broker: Broker) async throws {
    var ends: [[Int: ConsumerRecord]] = Array(repeating: [:], count: Self.partitions)
    var before = Array(repeating: -1, count: Self.partitions)
    try broker.forEachRecord(of: "states") { record in
      let (partition, offset) = (record.partition, Int(record.offset))
      try hold(
        offset > before[partition], "\(record.topicPartition)", expected: "an offset behind \(before[partition])",
        found: "\(offset)")
      before[partition] = offset
      guard let key = record.keyString.flatMap({ Int($0) }) else {
        throw Violation(
          "\(record.topicPartition), offset \(offset)", expected: "a key that was sent",
          found: record.keyString ?? "null")
      }
      ends[partition][key] = record
      guard !record.isTombstone else { return }
      guard let numbers = Payload.numbers(record.value), numbers.count == 3 else {
        throw Violation(
          "\(record.topicPartition), offset \(offset)", expected: "bytes that were sent",
          found: record.valueString ?? "null")
      }
      guard let given = offsets[partition][[numbers[0], numbers[1]]] else { return }
      try hold(
        offset == given + numbers[2], "\(record.topicPartition), record \(numbers)",
        expected: "the offset that it was given, \(given + numbers[2])", found: "\(offset)")
    }
    for partition in 0..<Self.partitions {
      for key in Set(last[partition].keys).union(ends[partition].keys) {
        try check(key, partition, ends[partition][key])
      }
    }
  }

  private func check(_ key: Int, _ partition: Int, _ record: ConsumerRecord?) throws {
    var allowed = maybe[partition][key] ?? []
    if let version = last[partition][key] { allowed.append(version) }
    let isDeleted = record.map(\.isTombstone) ?? true
    let found: String
    let holds: Bool
    if isDeleted {
      // Also where nothing was ever acknowledged of the key.
      holds = last[partition][key] == nil || allowed.contains { $0.isTombstone }
      found = record.map { "a tombstone at \($0.offset)" } ?? "nothing"
    } else {
      let numbers = Payload.numbers(record?.value) ?? []
      holds = allowed.contains { !$0.isTombstone && $0.order == numbers }
      found = "\(numbers) at \(record?.offset ?? -1)"
    }
    try hold(
      holds, "what a reader of states-\(partition) ends with for key \(key)",
      expected: "one of \(allowed.map { "\($0.order)\($0.isTombstone ? " (tombstone)" : "")" })", found: found)
  }
}
