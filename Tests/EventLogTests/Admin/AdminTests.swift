import EventLog
import EventLogTesting
import Foundation
import Testing

@Suite("Administration")
struct AdminTests {
  private func code(_ body: () throws -> Void) -> EventLogError.Code? {
    do {
      try body()
      return nil
    } catch { return (error as? EventLogError)?.code }
  }

  @Test("refuses what Kafka refuses, by Kafka's names, and creates nothing then")
  func refusals() async throws {
    try await withTestBroker { broker in
      let admin = broker.admin
      for name in ["../x", "", ".", "..", "a/b", "ü", String(repeating: "x", count: 250), "a b", "__consumer_offsets"] {
        #expect(code { try admin.createTopic(name) } == .invalidTopic, "\(name)")
      }
      #expect(code { try admin.createTopic("t", partitions: 0) } == .invalidPartitions)
      #expect(code { try admin.createTopic("t", partitions: -2) } == .invalidPartitions)
      #expect(code { try admin.createTopic("t", configs: ["no.such": "1"]) } == .invalidConfig)
      #expect(code { try admin.createTopic("t", configs: ["segment.bytes": "13"]) } == .invalidConfig)
      #expect(code { try admin.createTopic("t", configs: ["compression.type": "brotli"]) } == .invalidConfig)
      #expect(code { try admin.createTopic("t", configs: ["remote.storage.enable": "true"]) } == .invalidConfig)
      #expect(
        code { try admin.createTopic("t", configs: ["min.compaction.lag.ms": "5", "max.compaction.lag.ms": "4"]) }
          == .invalidConfig)
      #expect(try admin.listTopics().isEmpty)
      try admin.createTopic("a.b", validateOnly: true)
      #expect(try admin.listTopics().isEmpty)
      try admin.createTopic("a.b")
      #expect(code { try admin.createTopic("a.b") } == .topicAlreadyExists)
      #expect(code { try admin.createPartitions("a.b", to: 1) } == .invalidPartitions)
      #expect(code { try admin.createPartitions("nope", to: 2) } == .unknownTopicOrPartition)
      #expect(code { try admin.deleteTopic("nope") } == .unknownTopicOrPartition)
    }
  }

  @Test("deletes a topic with its files and offsets; one of the same name begins at 0 with another id")
  func deletes() async throws {
    let broker = try TestBroker()
    let first = try broker.admin.createTopic("t", partitions: 2)
    let producer = try broker.producer()
    try await producer.send("t", partition: 0, value: "old")
    try broker.admin.alterConsumerGroupOffsets("g", [TopicPartition("t", 0): OffsetAndMetadata(1)])
    let consumer = try broker.consumer()
    try consumer.assign([TopicPartition("t", 0)])
    try consumer.seekToBeginning()
    let kept = try await consumer.poll(timeout: .zero)
    try broker.admin.deleteTopic("t")
    #expect(kept.map(\.valueString) == ["old"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: broker.path).filter { $0.hasPrefix("t-") }.isEmpty)
    await #expect(throws: EventLogError.self) { try await producer.send("t", value: "x") }
    let second = try broker.admin.createTopic("t", partitions: 2)
    #expect(first.id != second.id)
    #expect(try await producer.send("t", partition: 0, value: "new").offset == 0)
    #expect(try broker.admin.listConsumerGroupOffsets("g").isEmpty)
    try broker.close()
  }

  @Test("changes configurations at once, and keeps them")
  func configs() async throws {
    let broker = try TestBroker()
    do {
      try broker.admin.createTopic("t", configs: ["max.message.bytes": "100"])
      let producer = try broker.producer()
      let error = await #expect(throws: EventLogError.self) {
        try await producer.send("t", value: String(repeating: "x", count: 100))
      }
      #expect(error?.code == .messageTooLarge)
      try broker.admin.incrementalAlterConfigs(
        "t", [.delete("max.message.bytes"), .append("cleanup.policy", "compact"), .set("retention.ms", " 7 ")])
      try await producer.send("t", key: "k", value: String(repeating: "x", count: 100))
      #expect(code { try broker.admin.incrementalAlterConfigs("t", [.append("retention.ms", "1")]) } == .invalidConfig)
    }
    try broker.restart()
    #expect(try broker.admin.describeTopic("t").configs == ["cleanup.policy": "delete,compact", "retention.ms": "7"])
    let entries = try broker.admin.describeConfigs("t")
    #expect(entries.first { $0.name == "retention.ms" }?.source == .dynamicTopicConfig)
    #expect(entries.first { $0.name == "segment.bytes" }?.value == "1073741824")
    try broker.close()
  }

  @Test("moves the log start, and never back")
  func deleteRecords() async throws {
    let broker = try TestBroker()
    try broker.admin.createTopic("t")
    let partition = TopicPartition("t", 0)
    for number in 0..<10 { try await broker.producer().send("t", value: "\(number)") }
    #expect(try broker.admin.deleteRecords([partition: 4]) == [partition: 4])
    #expect(try broker.admin.deleteRecords([partition: 2]) == [partition: 4])
    #expect(code { try broker.admin.deleteRecords([partition: 11]) } == .offsetOutOfRange)
    #expect(code { try broker.admin.deleteRecords([partition: -2]) } == .offsetOutOfRange)
    #expect(try broker.admin.deleteRecords([partition: -1]) == [partition: 10])
    try broker.restart()
    #expect(try broker.admin.describeTopic("t").partitions[0].logStartOffset == 10)
    try broker.close()
  }
}
