import EventLog
import Foundation

/// How the cost of a record grows with what there is of something: EventLog alone, each row beside the first.
extension Workloads {
  static func growth(_ size: Size) -> [Workload] {
    [
      growth("log", "batches of 100 appended behind a log of so many", "GB", [0, 1, 2], size) { bytes, directory in
        try appendBehind(directory, bytes: bytes << 30 / size.scale, size)
      },
      growth("partitions", "batches of 10 appended to partitions in turn", "partitions", [1, 10, 100, 1000], size) {
        try await appendInTurn($1, partitions: $0, size)
      },
      growth("producers", "one record a call, acks=all, from so many tasks", "producers", [1, 4, 16, 64, 256], size) {
        try await durableRate($1, producers: $0, each: max(1, size.count(20_000) / max(4, $0)))
      },
      growth("consumers", "read by so many consumers, one after the other", "consumers", [1, 4, 16, 64], size) {
        try await readByMany($1, consumers: $0, size)
      },
    ]
  }

  private static func growth(
    _ id: String, _ name: String, _ unit: String, _ steps: [Int], _ size: Size,
    _ run: @escaping (Int, String) async throws -> Double
  ) -> Workload {
    Workload(
      id: "growth-\(id)", name: "how cost grows: \(name), 100 B", measures: [.rate("records a second")], rounds: 3,
      contenders: steps.enumerated().map { index, step in
        .init(name: index == 0 ? "EventLog" : "EventLog, \(step) \(unit)", kind: .eventLog) { directory in
          [try await run(step, directory)]
        }
      })
  }

  private static func records(_ count: Int) -> [Record] {
    let payload = Payload(100)
    return (0..<count).map { _ in Record(key: payload.key, value: payload.value) }
  }

  private static func appendBehind(_ directory: String, bytes: Int, _ size: Size) throws -> Double {
    let (broker, producer) = try open(directory, acks: .leader)
    let large = Array(repeating: Record(key: [1], value: [UInt8](repeating: 7, count: 64 << 10)), count: 10)
    for _ in 0..<(bytes / (640 << 10)) { try producer.append(large, to: topicPartition) }
    // What the system still has to write of that is no cost of the log's length.
    sync()
    let records = records(100)
    let result = try rate(size.count(20_000), limit: size.limit) { try producer.append(records, to: topicPartition) }
    try broker.close()
    return result * 100
  }

  private static func appendInTurn(_ directory: String, partitions: Int, _ size: Size) async throws -> Double {
    let (broker, producer) = try open(directory, acks: .leader, partitions: partitions)
    let records = records(10)
    let all = (0..<partitions).map { TopicPartition("t", $0) }
    // Each is mapped at its first append, which is not what is asked here.
    for partition in all { try producer.append(records, to: partition) }
    var next = 0
    let result = try rate(size.count(50_000), limit: size.limit) {
      try producer.append(records, to: all[next])
      next = next + 1 == partitions ? 0 : next + 1
    }
    try broker.close()
    return result * 10
  }

  private static func readByMany(_ directory: String, consumers: Int, _ size: Size) async throws -> Double {
    let (broker, producer) = try open(directory, acks: .leader)
    let count = size.count(2_000) * 100
    let records = records(100)
    for _ in 0..<(count / 100) { try producer.append(records, to: topicPartition) }
    var time = 0.0
    for _ in 0..<consumers { time += try await replayTime(broker, count: count) }
    try broker.close()
    return Double(count * consumers) / time
  }
}
