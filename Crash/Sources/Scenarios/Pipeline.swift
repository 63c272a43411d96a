import EventLog
import Synchronization

/// Read–process–write over the lines of a log: the output holds each input exactly once, in order, and the group's offsets
/// say the same.
struct Pipeline: Scenario {
  static let name = "pipeline"
  private static let partitions = 3
  static let topics = [
    Topic("lines", partitions: partitions, ["segment.bytes": "65536"]),
    Topic("events", partitions: partitions, ["segment.bytes": "65536"]),
  ]
  private static let group = "pipeline"

  /// What a line becomes: its fields, in reverse.
  private static func output(_ line: String) -> String { line.split(separator: " ").reversed().joined(separator: " ") }

  private static func line(_ lines: LogLines, _ partition: Int, _ number: Int) -> String {
    lines[number * partitions + partition]
  }

  // MARK: In the child

  static func work(_ child: Child) async throws {
    let broker = try child.open()
    let feeder = try Feeder(broker, to: "lines", compression: child.round % 2 == 0 ? .none : .zstd)
    child.isOpen()
    let lines = child.context.lines
    let instances: [@Sendable () async throws -> Void] = (0..<2).map { instance in
      {
        if child.isPlanted { return try await naive(child, broker) }
        var generator = child.generator(instance)
        while true { try await process(child, broker, instance, &generator) }
      }
    }
    try await child.run(
      instances + [
        { try await feeder.feedForever(8, every: .milliseconds(2)) { Record(value: line(lines, $0, $1)) } }
      ])
  }

  /// A transform that fails.
  private struct Refusal: Error {}

  /// An instance, from its start to its end: the group gives its partitions to the other one then.
  private static func process(
    _ child: Child, _ broker: Broker, _ instance: Int, _ generator: inout Generator
  ) async throws {
    let pipeline = try instance == 0 ? open(broker, "pipeline-0") : open(broker, "pipeline-1")
    let chance = Mutex(child.generator(10 + instance))
    let next = Mutex<[Int: Int]>([:])
    for _ in 0..<Int.random(in: 5...60, using: &generator) {
      next.withLock { $0 = [:] }
      do {
        let count = try await pipeline.step(timeout: .milliseconds(20)) { record in
          if chance.withLock({ $0.once(in: 60) }) { throw Refusal() }
          next.withLock { $0[record.partition] = Int(record.offset) + 1 }
          return [output(of: record)]
        }
        guard count > 0 else { continue }
        for (partition, offset) in next.withLock({ $0 }) { child.say("processed", partition, offset) }
      } catch is Refusal {}
    }
    try await pipeline.close()
  }

  private static func open(_ broker: Broker, _ id: String) throws -> ReadProcessWrite {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.maxPollRecords = 20
    return try ReadProcessWrite(
      broker, group: group, topics: ["lines"], transactionalID: id, consumer: configuration)
  }

  private static func output(of record: ConsumerRecord) -> ProducerRecord {
    ProducerRecord(
      topic: "events", partition: record.partition, key: "\(record.offset)", value: output(record.valueString ?? ""))
  }

  /// The plant: without transactions. The offset is committed before the output is there.
  private static func naive(_ child: Child, _ broker: Broker) async throws {
    let consumer = try broker.consumer(group: group, topics: ["lines"])
    let producer = try broker.producer()
    while true {
      let records = try await consumer.poll()
      try await consumer.commit()
      try await child.pause()
      for record in records {
        try await producer.send(output(of: record))
        child.say("processed", record.partition, Int(record.offset) + 1)
      }
    }
  }

  // MARK: In the parent

  private let context: Context
  private var processed = Array(repeating: 0, count: partitions)

  init(_ context: Context) { self.context = context }

  mutating func note(_ statement: Statement, round: Int) throws {
    processed[statement[0]] = max(processed[statement[0]], statement[1])
  }

  mutating func check(_ broker: Broker) async throws {
    var counts = Array(repeating: 0, count: Self.partitions)
    let lines = context.lines
    try broker.forEachRecord(of: "events", .readCommitted) { record in
      let number = counts[record.partition]
      let expected = Self.output(Self.line(lines, record.partition, number))
      try hold(
        record.keyString == "\(number)" && record.valueString == expected,
        "\(record.topicPartition), offset \(record.offset)", expected: "what became of input \(number): \(expected)",
        found: "what became of input \(record.keyString ?? "null"): \(record.valueString ?? "null")")
      counts[record.partition] += 1
    }
    let committed = (try? broker.admin.listConsumerGroupOffsets(Self.group)) ?? [:]
    for partition in 0..<Self.partitions {
      try hold(
        counts[partition] >= processed[partition], "events-\(partition)",
        expected: "outputs of \(processed[partition]) inputs at least", found: "\(counts[partition])")
      let offset = Int(committed[TopicPartition("lines", partition)]?.offset ?? 0)
      try hold(
        offset == counts[partition], "what the group has committed of lines-\(partition)",
        expected: "\(counts[partition]), as many as there are outputs", found: "\(offset)")
    }
  }

  mutating func finish(_ broker: Broker) async throws {
    let pipeline = try Self.open(broker, "pipeline-0")
    func isBehind() throws -> Bool {
      let committed = (try? broker.admin.listConsumerGroupOffsets(Self.group)) ?? [:]
      return try broker.partitions(of: "lines").contains {
        try Int(committed[$0]?.offset ?? 0) < broker.bounds($0).upperBound
      }
    }
    let deadline = ContinuousClock.now + .seconds(60)
    while try isBehind() {
      try await pipeline.step(timeout: .milliseconds(20)) { [Self.output(of: $0)] }
      try hold(
        .now < deadline, "the pipeline", expected: "to come to the end of its input", found: "it is behind still")
    }
    try await pipeline.close()
    for partition in 0..<Self.partitions {
      processed[partition] = try broker.bounds(TopicPartition("lines", partition)).upperBound
    }
  }
}
