import EventLog
import Testing

@Suite("Deleting records beside checkpoints")
struct DeleteRecordsRaceTests {
  @Test("never brings deleted records back, and holds nobody up")
  func checkpoints() async throws {
    let fixture = try AdminFixture { $0.checkpointInterval = .milliseconds(1) }
    try fixture.admin.createTopic("t", partitions: 4)
    let producer = try fixture.broker.producer(ProducerConfiguration(acks: .leader))
    for partition in 0..<4 {
      try producer.append((0..<100).map { Record(value: "\($0)") }, to: TopicPartition("t", partition))
    }
    let admin = fixture.admin
    let path = fixture.directory("store")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for partition in 0..<4 {
        group.addTask {
          for offset in 1...50 {
            try admin.deleteRecords(TopicPartition("t", partition), before: Int64(offset))
            // One that only looks takes the log start from the disk.
            let reader = try Broker.openReadOnly(path)
            let start = try reader.admin.listOffset(TopicPartition("t", partition), .earliest)?.offset
            #expect(start == Int64(offset))
            try reader.close()
          }
        }
      }
      group.addTask {
        for number in 0..<20 {
          try admin.createTopic("brief\(number)", partitions: 2)
          _ = try producer.append([Record(value: "v")], to: TopicPartition("brief\(number)", 0))
          try admin.deleteTopic("brief\(number)")
        }
      }
      try await group.waitForAll()
    }
    #expect(fixture.warnings.all.filter { $0.code == .metadataError }.isEmpty)
  }
}
