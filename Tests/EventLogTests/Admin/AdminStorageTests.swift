import EventLog
import Foundation
import Testing

@Suite("Log directories and producers")
struct AdminStorageTests {
  @Test("are described with what is written, and with what lies in files, for the owner and for one that looks")
  func logDirs() async throws {
    let fixture = try AdminFixture()
    try fixture.admin.createTopic("t", partitions: 2, configs: ["segment.bytes": "300"])
    let producer = try fixture.broker.producer()
    for number in 0..<20 { try await producer.send("t", partition: 1, value: "number \(number)") }
    let reader = try fixture.openReadOnly()
    for admin in [fixture.admin, reader.admin] {
      let directories = try admin.describeLogDirs()
      #expect(directories.map(\.path) == [fixture.directory("store")])
      let total = try #require(directories[0].totalBytes)
      let usable = try #require(directories[0].usableBytes)
      #expect(total > 0 && usable >= 0 && usable <= total)
      let replicas = directories[0].replicas
      #expect(Set(replicas.keys) == [TopicPartition("t", 0), TopicPartition("t", 1)])
      #expect(replicas[TopicPartition("t", 0)]?.size == 0)
      let full = try #require(replicas[TopicPartition("t", 1)])
      #expect(full.size == (try fixture.admin.describeTopic("t").partitions[1].sizeInBytes))
      #expect(full.fileSize > full.size)
      #expect(full.offsetLag == 0 && !full.isFuture)
    }
    try reader.close()
    try fixture.broker.close()
    // After a clean stop nothing is reserved any more.
    let after = try Broker.openReadOnly(fixture.directory("store"))
    let logs = try fixture.directory.files("store/t-1").filter { $0.hasSuffix(".log") }
    let bytes = try logs.reduce(0) { sum, name in
      try sum + Data(contentsOf: URL(fileURLWithPath: fixture.directory("store/t-1/" + name))).count
    }
    #expect(try after.admin.describeLogDirs()[0].replicas[TopicPartition("t", 1)]?.size == Int64(bytes))
    try after.close()
  }

  @Test("producers are those that wrote what Kafka wrote, with their last sequences and transactions")
  func producers() throws {
    let fixture = try AdminFixture()
    let samples = Bundle.module.bundleURL.appendingPathComponent("kafka-segments")
    for name in ["idempotent-0", "transactions-0", "codec-none-0"] {
      try fixture.admin.importPartition(from: samples.appendingPathComponent(name).path)
    }
    let reader = try fixture.openReadOnly()
    defer { try? reader.close() }
    #expect(try fixture.admin.describeProducers(TopicPartition("codec-none", 0)).isEmpty)
    let idempotent = try fixture.admin.describeProducers(TopicPartition("idempotent", 0))
    #expect(idempotent.map(\.producerID) == [0])
    #expect(idempotent[0].lastSequence == 579, "580 records, none of them lost")
    #expect(idempotent[0].coordinatorEpoch == nil)
    #expect(idempotent[0].currentTransactionStartOffset == nil)
    let transactional = try fixture.admin.describeProducers(TopicPartition("transactions", 0))
    #expect(transactional.map(\.producerID) == [1, 2, 3])
    for producer in transactional {
      #expect(producer.coordinatorEpoch == 0)
      #expect(producer.lastTimestamp > 1_700_000_000_000)
    }
    for name in ["idempotent", "transactions"] {
      let partition = TopicPartition(name, 0)
      #expect(try reader.admin.describeProducers(partition) == fixture.admin.describeProducers(partition))
    }
    let results = try fixture.admin.describeProducers(each: [
      TopicPartition("none", 0), TopicPartition("idempotent", 0),
    ])
    #expect(errorCode(results[TopicPartition("none", 0)]) == .unknownTopicOrPartition)
    #expect(try results[TopicPartition("idempotent", 0)]?.get() == idempotent)
  }
}
