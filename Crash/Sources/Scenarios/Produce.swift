import EventLog

/// What was acknowledged is there: at its offset, with its bytes, once; offsets have no gaps; a producer with a name goes on
/// where it came.
struct Produce: Scenario {
  static let name = "produce"
  private static let segments = [
    "segment.bytes": "32768", "index.interval.bytes": "512", "segment.index.bytes": "1024",
  ]
  static let topics = [Topic("named", partitions: 3, segments), Topic("plain", partitions: 3, segments)]
  /// The named producer's batches, so that one can be sent again.
  private static let batch = 4

  // MARK: In the child

  static func work(_ child: Child) async throws {
    let broker = try child.open()
    let acks = child.acks(child.round % 2 == 0 ? .all : .leader)
    let codec = CompressionType.allCases[child.round / 2 % CompressionType.allCases.count]
    let feeder = try Feeder(
      broker, to: "named", compression: codec,
      linger: child.isPlanted ? .milliseconds(20) : .zero)
    for partition in 0..<3 { child.say("next", partition, await feeder.count(of: partition)) }
    try await sendAgain(broker, feeder)
    child.isOpen()
    var configuration = ProducerConfiguration(acks: acks)
    configuration.enableIdempotence = acks == .all && child.round % 3 != 0
    configuration.compression = child.round % 5 == 0 ? codec : .none
    configuration.linger = child.round % 7 == 0 ? .milliseconds(1) : .zero
    let plain = try broker.producer(configuration)
    let named: [@Sendable () async throws -> Void] = (0..<3).map { partition in
      {
        while true {
          // The plant: it tells of records that linger in its own memory.
          if child.isPlanted { child.say("named", partition, await feeder.count(of: partition) + batch) }
          let range = try await feeder.feed(batch, to: partition) { record(partition, $0) }
          child.say("named", partition, range.upperBound)
        }
      }
    }
    let senders: [@Sendable () async throws -> Void] = (0..<3).map { sender in
      {
        var generator = child.generator(sender)
        for number in 0... {
          let partition = Int.random(in: 0..<3, using: &generator)
          let value = Payload.bytes(child.round, sender, number)
          let metadata = try await plain.send(ProducerRecord(topic: "plain", partition: partition, value: value))
          child.say("plain", partition, Int(metadata.offset), sender, number)
          // Enough for one life: all of it is to be compared.
          if number > 200 { try await Task.sleep(for: .milliseconds(1)) }
        }
      }
    }
    try await child.run(named + senders)
  }

  /// The batch that may have been the last one, with the same numbers: it must not be written twice.
  private static func sendAgain(_ broker: Broker, _ feeder: Feeder) async throws {
    for partition in 0..<3 {
      let next = await feeder.count(of: partition)
      try hold(next % batch == 0, "named-\(partition)", expected: "whole batches of \(batch)", found: "\(next) records")
      guard next > 0 else { continue }
      let first = next - batch
      do {
        let metadata = try feeder.producer.append(
          (first..<next).map { record(partition, $0) }, to: TopicPartition("named", partition), sequence: Int32(first))
        try hold(
          metadata.baseOffset == Int64(first), "named-\(partition), its last batch sent again",
          expected: "offset \(first)",
          found: "\(metadata.baseOffset)")
      } catch let error as EventLogError where error.code == .duplicateSequenceNumber {}
    }
  }

  private static func record(_ partition: Int, _ number: Int) -> Record {
    Record(key: nil, value: Payload.bytes(partition, number))
  }

  // MARK: In the parent

  /// A record of a task that sends without a name.
  private struct ID: Hashable {
    var round: Int
    var sender: Int
    var number: Int
  }

  /// What was acknowledged of it.
  private struct Sent {
    var partition: Int
    var offset: Int
  }

  private var named = [0, 0, 0]
  private var plain: [ID: Sent] = [:]

  init(_ context: Context) {}

  mutating func note(_ statement: Statement, round: Int) throws {
    switch statement.word {
    case "named": named[statement[0]] = max(named[statement[0]], statement[1])
    case "next":
      try hold(
        statement[1] >= named[statement[0]], "named-\(statement[0]), as the next child finds it",
        expected: "\(named[statement[0]]) records at least", found: "\(statement[1])")
    default:
      plain[ID(round: round, sender: statement[2], number: statement[3])] = Sent(
        partition: statement[0], offset: statement[1])
    }
  }

  mutating func check(_ broker: Broker) async throws {
    var counts = [0, 0, 0]
    try broker.forEachRecord(of: "named") { record in
      let expected = [record.partition, counts[record.partition]]
      try hold(
        Int(record.offset) == expected[1] && Payload.numbers(record.value) == expected,
        "named-\(record.partition)", expected: "record and offset \(expected[1])",
        found: "offset \(record.offset): \(record.valueString ?? "null")")
      counts[record.partition] += 1
    }
    for partition in 0..<3 {
      try hold(
        counts[partition] >= named[partition], "named-\(partition)",
        expected: "\(named[partition]) acknowledged records at least", found: "\(counts[partition])")
    }
    try checkPlain(broker)
  }

  private func checkPlain(_ broker: Broker) throws {
    var counts = [0, 0, 0]
    var last: [[Int]: Int] = [:]
    var found = 0
    try broker.forEachRecord(of: "plain") { record in
      let partition = record.partition
      try hold(
        Int(record.offset) == counts[partition], "plain-\(partition)", expected: "offset \(counts[partition])",
        found: "\(record.offset)")
      counts[partition] += 1
      guard let numbers = Payload.numbers(record.value), numbers.count == 3 else {
        throw Violation(
          "plain-\(partition), offset \(record.offset)", expected: "bytes that were sent",
          found: record.valueString ?? "null")
      }
      let sender = [numbers[0], numbers[1], partition]
      try hold(
        numbers[2] > last[sender] ?? -1, "round \(numbers[0]), sender \(numbers[1]) in plain-\(partition)",
        expected: "a record behind \(last[sender] ?? -1)", found: "\(numbers[2])")
      last[sender] = numbers[2]
      guard let sent = plain[ID(round: numbers[0], sender: numbers[1], number: numbers[2])] else { return }
      found += 1
      try hold(
        sent.partition == partition && sent.offset == Int(record.offset), "record \(numbers)",
        expected: "plain-\(sent.partition), offset \(sent.offset)", found: "plain-\(partition), offset \(record.offset)"
      )
    }
    try hold(
      found == plain.count, "records of plain that were acknowledged", expected: "\(plain.count)", found: "\(found)")
  }
}
