import EventLog
import EventLogTesting
import Testing

@Suite("The seed of a test broker")
struct DeterminismTests {
  private struct Run: Equatable {
    var ids: [String] = []
    var partitions: [Int] = []
    var member: String?
    var jitter: [Int64] = []
  }

  private func run(seed: UInt64) async throws -> Run {
    try await withTestBroker(clock: TestClock(), seed: seed) { broker in
      var run = Run()
      for name in ["a", "b"] { run.ids.append(try broker.admin.createTopic(name, partitions: 8).id) }
      try broker.admin.deleteTopic("b")
      run.ids.append(try broker.admin.createTopic("b", partitions: 8).id)
      for _ in 0..<2 {
        var configuration = ProducerConfiguration()
        configuration.batchSize = 1
        let producer = try broker.producer(configuration)
        for number in 0..<20 {
          run.partitions.append(try await producer.send("a", value: "\(number)").topicPartition.partition)
        }
      }
      let consumer = try broker.consumer(group: "g", topics: ["a"])
      _ = try await consumer.poll(timeout: .zero)
      run.member = consumer.memberID
      return run
    }
  }

  @Test("decides topic ids, the partitions of records without a key, and members' ids")
  func sameSeed() async throws {
    let first = try await run(seed: 1)
    #expect(try await run(seed: 1) == first)
    let other = try await run(seed: 2)
    #expect(other.ids != first.ids)
    #expect(other.partitions != first.partitions)
    #expect(Set(first.ids).count == 3)
    #expect(Set(first.partitions).count > 4)
    #expect(first.partitions.prefix(20) != first.partitions.suffix(20))
  }
}
