import CLimits
import EventLog
import Foundation

/// Real lines of log files, compressed in batches of 100 as they are appended.
extension Workloads {
  static func compression(_ size: Size) -> [Workload] {
    let lines = logLines()
    guard !lines.isEmpty else { return [] }
    return CompressionType.allCases.filter { $0 != .none }.map { compression(size, $0, lines) }
  }

  private static func compression(_ size: Size, _ codec: CompressionType, _ lines: [[UInt8]]) -> Workload {
    let groups = stride(from: 0, to: lines.count - lines.count % 100, by: 100).map { Array(lines[$0..<$0 + 100]) }
    let rounds = size.count(200)
    return Workload(
      id: "compressed-\(codec.name)", name: "append log lines in batches of 100, \(codec.name), acks=1",
      measures: [.rate("lines a second"), .bytes("a line on the disk")],
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          var configuration = ProducerConfiguration(acks: .leader)
          configuration.compression = codec
          let broker = try Broker.open(directory + "/eventlog")
          try broker.admin.createTopic("t", partitions: 1)
          let producer = try broker.producer(configuration)
          let batches = groups.map { $0.map { Record(value: $0) } }
          var next = 0
          let rate = try rate(rounds * batches.count, limit: size.limit, checkEvery: 1) {
            try producer.append(batches[next % batches.count], to: topicPartition)
            next += 1
          }
          try broker.close()
          let bytes = try fileSize(directory + "/eventlog/t-0/00000000000000000000.log")
          return [rate * 100, Double(bytes) / Double(next * 100)]
        },
        .init(name: "limit: the library alone, on the same bytes", kind: .limit) { _ in
          // What a batch compresses: its records with their lengths.
          let batches = groups.map { Array($0.map { [0, 0, 0, 0, 0, 0] + $0 }.joined()) }
          var next = 0
          var bytes = 0
          let chunk = 8
          let rate = rate(max(1, rounds * batches.count / chunk), limit: size.limit, checkEvery: 1) {
            let batch = batches[next % batches.count]
            bytes += limit_compress(codec.name, batch, batch.count, chunk)
            next += 1
          }
          return [rate * Double(chunk) * 100, Double(bytes) / Double(next * 100)]
        },
      ])
  }

  private static func fileSize(_ path: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
  }

  /// The lines that the tests' Kafka segments hold, of which each has two kinds of log at least.
  private static func logLines() -> [[UInt8]] {
    struct Line: Decodable { var value: Data? }
    let path =
      #filePath.split(separator: "/Benchmarks/Sources")[0]
      + "/Tests/EventLogTests/Resources/kafka-segments/codec-none.jsonl"
    guard let text = try? String(contentsOfFile: String(path), encoding: .utf8) else { return [] }
    let decoder = JSONDecoder()
    return text.split(separator: "\n").compactMap { line in
      (try? decoder.decode(Line.self, from: Data(line.utf8)))?.value.map { [UInt8]($0) }
    }
  }
}
