import CLimits
import EventLog
import Foundation

extension Workloads {
  static func compaction(_ size: Size) -> [Workload] {
    [cleaning(size), appendsBesideCleaning(size)]
  }

  /// How many bytes of log the cleaner goes over in a second, beside what it takes to copy and sync as many.
  private static func cleaning(_ size: Size) -> Workload {
    let records = size.count(2_000_000)
    return Workload(
      id: "compaction",
      name: "compaction, bytes of input, keys of 16 B written five times, values of 100 B, batches of 100",
      measures: [.rate("bytes a second")], rounds: 3,
      contenders: [
        .init(name: "EventLog, eventlog compact", kind: .eventLog) { directory in
          let (broker, bytes) = try openDirty(directory, records)
          let time = try seconds { _ = try broker.admin.compact(topicPartition) }
          try broker.close()
          return [Double(bytes) / time]
        },
        .init(name: "limit: read, checksum-free, and write a fifth of as many bytes", kind: .limit) { directory in
          let size = records * 127
          let path = directory + "/f"
          _ = FileManager.default.createFile(atPath: path, contents: Data(count: size))
          let time = try seconds {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            let copy = directory + "/g"
            _ = FileManager.default.createFile(atPath: copy, contents: bytes.prefix(size / 5))
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: copy))
            try handle.synchronize()
            try handle.close()
          }
          return [Double(size) / time]
        },
      ])
  }

  /// How long appends to a partition take while it is being compacted.
  private static func appendsBesideCleaning(_ size: Size) -> Workload {
    let records = size.count(2_000_000)
    let count = size.count(8_000)
    func contender(_ name: String, isCleaned: Bool) -> Workload.Contender {
      .init(name: name, kind: .eventLog) { directory in
        let (broker, _) = try openDirty(directory, records)
        let producer = try broker.producer(ProducerConfiguration(acks: .leader))
        let payload = Payload(100)
        let (key, value) = (payload.key, payload.value)
        let cleaner = Thread { _ = try? broker.admin.compact(topicPartition) }
        var taken: [UInt64] = []
        if isCleaned { cleaner.start() }
        var next = limit_now()
        while taken.count < count || (isCleaned && !cleaner.isFinished) {
          limit_sleep_until(next)
          next += 50_000
          let start = limit_now()
          try producer.append(to: topicPartition, key: key.span.bytes, value: value.span.bytes)
          taken.append(limit_now() - start)
          // Of what comes after the end of the cleaning nothing counts.
          if isCleaned, cleaner.isFinished { break }
        }
        try broker.close()
        return percentiles(taken)
      }
    }
    return Workload(
      id: "compaction-appends",
      name: "append one record a call, 20,000 a second, while the cleaner is at work, acks=1, 100 B",
      measures: percentileMeasures, rounds: 5,
      contenders: [contender("EventLog", isCleaned: true), contender("EventLog, nothing to clean", isCleaned: false)])
  }

  /// A broker with a log in which each key is written five times, and how many bytes that has.
  private static func openDirty(_ directory: String, _ records: Int) throws -> (Broker, Int64) {
    var configuration = BrokerConfiguration()
    configuration.logCleanerEnabled = false
    let broker = try Broker.open(directory + "/b", configuration)
    try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact", "segment.bytes": "67108864"])
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    let value = Payload(100).value
    for start in stride(from: 0, to: records, by: 100) {
      let batch = (start..<(start + 100)).map { number in
        Record(key: Array("customer-\(String(1_000_000 + number % max(1, records / 5)))".utf8), value: value)
      }
      try producer.append(batch, to: topicPartition)
    }
    // What is not yet on the disk is not the cleaner's to write.
    let bytes = try broker.admin.describeLogDirs()[0].replicas[topicPartition]?.size ?? 0
    try broker.close()
    return (try Broker.open(directory + "/b", configuration), bytes)
  }
}
