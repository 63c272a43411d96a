import EventLog
import Foundation
import Testing

/// Partition directories that a real Kafka broker wrote, each with a listing of what Kafka's own consumer read from it.
@Suite("What Kafka wrote")
struct ImportTests {
  private static let samples = Bundle.module.bundleURL.appendingPathComponent("kafka-segments")

  private struct Listed: Decodable {
    var partition: Int
    var offset: Int64
    var timestamp: Int64
    var timestampType: Int
    var key: String?
    var value: String?
    var headers: [[String?]]
  }

  @Test(
    "is read through the public consumer just as Kafka's consumer read it",
    arguments: [
      ("codec-none", 1, "codec-none", false), ("codec-gzip", 1, "codec-gzip", false),
      ("codec-snappy", 1, "codec-snappy", false), ("codec-lz4", 1, "codec-lz4", false),
      ("codec-zstd", 1, "codec-zstd", false), ("append-time", 1, "append-time", false),
      ("idempotent", 2, "idempotent", false), ("compacted", 1, "compacted", false),
      ("transactions", 2, "transactions.read_uncommitted", false),
      ("transactions", 2, "transactions.read_committed", true),
    ])
  func readsBack(topic: String, partitions: Int, listing: String, committed: Bool) async throws {
    let directory = try TemporaryDirectory()
    let broker = try Broker.open(directory("store"))
    defer { try? broker.close() }
    for partition in 0..<partitions {
      try broker.admin.importPartition(from: Self.samples.appendingPathComponent("\(topic)-\(partition)").path)
    }
    let listed = try Self.listing(listing)
    try #require(!listed.isEmpty)
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.maxPollRecords = 97
    configuration.isolation = committed ? .readCommitted : .readUncommitted
    let consumer = try broker.consumer(configuration)
    try consumer.assign((0..<partitions).map { TopicPartition(topic, $0) })
    for partition in 0..<partitions {
      var expected = listed.filter { $0.partition == partition }[...]
      try consumer.assign([TopicPartition(topic, partition)])
      while true {
        let records = try await consumer.poll(timeout: .zero)
        if records.isEmpty, try consumer.lag(of: TopicPartition(topic, partition)) == 0 { break }
        for record in records {
          let next = expected.popFirst()
          let want = try #require(next)
          #expect(record.offset == want.offset)
          #expect(record.timestamp == want.timestamp)
          #expect(record.timestampType == (want.timestampType == 2 ? .logAppendTime : .createTime))
          #expect(record.key == Self.bytes(want.key))
          #expect(record.value == Self.bytes(want.value))
          #expect(record.headers == want.headers.map { RecordHeader($0[0] ?? "", Self.bytes($0[1])) })
        }
      }
      #expect(expected.isEmpty, "records are missing from offset \(expected.first?.offset ?? -1)")
    }
  }

  @Test("keeps its topic id, and can be reopened")
  func keepsID() async throws {
    let directory = try TemporaryDirectory()
    do {
      let broker = try Broker.open(directory("store"))
      try broker.admin.importPartition(from: Self.samples.appendingPathComponent("compacted-0").path)
      try broker.close()
    }
    let broker = try Broker.open(directory("store"))
    let metadata = try String(
      contentsOf: Self.samples.appendingPathComponent("compacted-0/partition.metadata"), encoding: .utf8)
    let topic = try broker.admin.describeTopic("compacted")
    #expect(metadata.contains(topic.id))
    #expect(topic.partitions[0].error == nil)
    #expect(topic.partitions[0].logEndOffset > 0)
    try broker.close()
  }

  @Test("is refused as a whole where a single byte of a batch is wrong, and nothing is left behind")
  func refusesDamage() throws {
    let directory = try TemporaryDirectory()
    let source = directory("codec-none-0")
    try FileManager.default.copyItem(
      atPath: Self.samples.appendingPathComponent("codec-none-0").path, toPath: source)
    let name = try #require(try directory.files("codec-none-0").first { $0.hasSuffix(".log") })
    var bytes = try Data(contentsOf: URL(fileURLWithPath: source + "/" + name))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: source + "/" + name))
    let broker = try Broker.open(directory("store"))
    let error = #expect(throws: EventLogError.self) { try broker.admin.importPartition(from: source) }
    #expect(error?.code == .corruptMessage || error?.code == .invalidRecord)
    #expect(error?.file?.hasSuffix(name) == true)
    #expect(error?.position != nil)
    #expect(try broker.admin.listTopics().isEmpty)
    #expect(try directory.files("store").filter { $0.hasPrefix("codec") }.isEmpty)
    try broker.close()
  }

  private static func bytes(_ base64: String?) -> [UInt8]? {
    base64.flatMap { Data(base64Encoded: $0) }.map(Array.init)
  }

  private static func listing(_ name: String) throws -> [Listed] {
    let text = try String(contentsOf: samples.appendingPathComponent("\(name).jsonl"), encoding: .utf8)
    let decoder = JSONDecoder()
    return try text.split(separator: "\n").map { try decoder.decode(Listed.self, from: Data($0.utf8)) }
  }
}
