import EventLog
import Foundation

/// Does one kind of work a number of times, so that what it costs can be counted by a tool that runs it: the difference
/// between two runs of different length is the work's own. Scripts/costs does that.
@main
struct Costs {
  static let topic = "t"
  static let key = [UInt8]("customer-0000042".utf8)
  static let value = (0..<100).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3, let work = Work(rawValue: arguments[1]), let records = Int(arguments[2]), records > 0
    else {
      let names = Work.allCases.map(\.rawValue).joined(separator: "|")
      FileHandle.standardError.write(Data("usage: Costs \(names) RECORDS\n".utf8))
      exit(64)
    }
    let directory = FileManager.default.temporaryDirectory.path + "/eventlog-costs-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let broker = try Broker.open(directory)
    try broker.admin.createTopic(topic, partitions: 1)
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    switch work {
    case .appendOne: try appendOne(producer, records)
    case .appendBatch: try appendBatches(producer, records)
    // Replay appends as well: less what `append-batch` costs, the rest is its own.
    case .replay:
      try appendBatches(producer, records)
      try replay(broker, records)
    }
    try broker.close()
  }

  enum Work: String, CaseIterable {
    case appendOne = "append-one"
    case appendBatch = "append-batch"
    case replay
  }

  static func appendOne(_ producer: Producer, _ records: Int) throws {
    let partition = TopicPartition(topic, 0)
    for _ in 0..<records { try producer.append(to: partition, key: key.span.bytes, value: value.span.bytes) }
  }

  static func appendBatches(_ producer: Producer, _ records: Int) throws {
    let batch = (0..<100).map { _ in Record(key: key, value: value) }
    for _ in 0..<(records / 100) { try producer.append(batch, to: TopicPartition(topic, 0)) }
  }

  static func replay(_ broker: Broker, _ records: Int) throws {
    var configuration = ConsumerConfiguration()
    configuration.maxPollRecords = 100_000
    let consumer = try broker.consumer(configuration)
    try consumer.assign([TopicPartition(topic, 0)])
    try consumer.seekToBeginning()
    var seen = 0
    var bytes = 0
    while seen < records / 100 * 100 {
      for batch in try consumer.read().batches {
        batch.forEachRecord { record in bytes &+= record.value?.byteCount ?? 0 }
        seen += batch.count
      }
    }
    precondition(bytes == seen * value.count, "not what was written")
  }
}
