import EventLog
import Foundation

/// Runs one hot path a number of times, for `valgrind` to count: `HotPaths append-one 20000 DIR`.
///
/// Run with two numbers, the difference of the counts is what the additional records cost, without what it costs to start
/// and to open a broker. See Scripts/check-hot-paths.
@main
struct HotPaths {
  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4, let count = Int(arguments[2]), let path = Path(rawValue: arguments[1]) else {
      print("usage: HotPaths \(Path.allCases.map(\.rawValue).joined(separator: "|")) RECORDS DIRECTORY")
      exit(64)
    }
    try path.run(records: count, directory: arguments[3])
  }
}

enum Path: String, CaseIterable {
  /// `append(to:key:value:)`: a batch for each record.
  case appendOne = "append-one"
  /// The same to sixteen partitions in turn, so that each call is to another one than the last.
  case appendTurns = "append-turns"
  /// `send(_:onDelivery:)` with acks=1, which is told of the delivery before it returns.
  case sendOne = "send-one"
  /// `append(_:to:)` with 100 records.
  case appendBatch = "append-batch"
  /// The same with acks=all, and with and without idempotence. What a sync costs the kernel is not counted.
  case durableBatch = "durable-batch"
  case idempotentBatch = "idempotent-batch"
  /// Each record read as soon as it was appended, alone; with its offset committed by `commitAsync`. The script takes off what
  /// comes before: `append-one`, and `read-one`.
  case readOne = "read-one"
  case commitOne = "commit-one"
  /// `read` and `forEachRecord`. What is read was appended before, in batches of 100, which is counted with it: the
  /// script takes the counts of `append-batch` off.
  case replay

  static let key = [UInt8]("customer-0000042".utf8)
  static let value = (0..<100).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  func run(records count: Int, directory: String) throws {
    let broker = try Broker.open(directory)
    try broker.admin.createTopic("t", partitions: 16)
    let isDurable = self == .durableBatch || self == .idempotentBatch
    var configuration = ProducerConfiguration(acks: isDurable ? .all : .leader)
    configuration.enableIdempotence = self == .idempotentBatch
    let producer = try broker.producer(configuration)
    let partition = TopicPartition("t", 0)
    switch self {
    case .appendOne:
      for _ in 0..<count {
        try producer.append(to: partition, key: Self.key.span.bytes, value: Self.value.span.bytes)
      }
    case .appendTurns:
      for number in 0..<count {
        try producer.append(
          to: TopicPartition("t", number % 16), key: Self.key.span.bytes, value: Self.value.span.bytes)
      }
    case .sendOne:
      for _ in 0..<count {
        try producer.send(ProducerRecord(topic: "t", partition: 0, key: Self.key, value: Self.value)) { _ in }
      }
    case .readOne, .commitOne:
      try queue(broker, producer, partition, count)
    case .appendBatch, .durableBatch, .idempotentBatch, .replay:
      let records = (0..<100).map { _ in Record(key: Self.key, value: Self.value) }
      for _ in 0..<(count / 100) { try producer.append(records, to: partition) }
    }
    if self == .replay { try replay(broker, partition, count) }
    // The process ends here without closing: what that costs does not depend on the records in a way that repeats.
    exit(0)
  }

  private func queue(_ broker: Broker, _ producer: Producer, _ partition: TopicPartition, _ count: Int) throws {
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.enableAutoCommit = false
    let consumer = try broker.consumer(configuration)
    try consumer.assign([partition])
    try consumer.seekToBeginning()
    var seen = 0
    for _ in 0..<count {
      try producer.append(to: partition, key: Self.key.span.bytes, value: Self.value.span.bytes)
      for batch in try consumer.read().batches { seen += batch.count }
      if self == .commitOne { try consumer.commitAsync() }
    }
    precondition(seen == count)
  }

  private func replay(_ broker: Broker, _ partition: TopicPartition, _ count: Int) throws {
    var configuration = ConsumerConfiguration()
    configuration.maxPollRecords = 100_000
    let consumer = try broker.consumer(configuration)
    try consumer.assign([partition])
    try consumer.seekToBeginning()
    var seen = 0
    var sum = 0
    while seen < count {
      for batch in try consumer.read().batches {
        batch.forEachRecord { record in sum &+= record.value?.byteCount ?? 0 }
        seen += batch.count
      }
    }
    precondition(sum == count * Self.value.count)
  }
}
