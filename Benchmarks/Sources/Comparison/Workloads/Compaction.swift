import EventLog
import Foundation

extension Workloads {
  /// How many bytes of log the cleaner goes over in a second, beside what it takes to copy and sync as many.
  static func compaction(_ size: Size) -> Workload {
    let records = size.count(2_000_000)
    let value = Payload(100).value
    return Workload(
      id: "compaction",
      name: "compaction, bytes of input, keys of 16 B written five times, values of 100 B, batches of 100",
      measures: [.rate("bytes a second")], rounds: 3,
      contenders: [
        .init(name: "EventLog, eventlog compact", kind: .eventLog) { directory in
          var configuration = BrokerConfiguration()
          configuration.logCleanerEnabled = false
          let broker = try Broker.open(directory + "/b", configuration)
          try broker.admin.createTopic("t", configs: ["cleanup.policy": "compact", "segment.bytes": "67108864"])
          var producing = ProducerConfiguration()
          producing.acks = .leader
          let producer = try broker.producer(producing)
          for start in stride(from: 0, to: records, by: 100) {
            let batch = (start..<(start + 100)).map { number in
              Record(key: Array("customer-\(String(1_000_000 + number % max(1, records / 5)))".utf8), value: value)
            }
            try producer.append(batch, to: TopicPartition("t", 0))
          }
          let partition = TopicPartition("t", 0)
          // What is not yet on the disk is not the cleaner's to write.
          let flushed = try broker.admin.describeLogDirs()[0].replicas[partition]?.size ?? 0
          try broker.close()
          let again = try Broker.open(directory + "/b", configuration)
          let time = try seconds { _ = try again.admin.compact(partition) }
          try again.close()
          return [Double(flushed) / time]
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
}
