import EventLog
import EventLogTesting
import Testing

@Suite("A consumer")
struct ConsumerTests {
  @Test("reads in a group what was sent, resumes from what it committed, also after a restart")
  func resumes() async throws {
    let broker = try TestBroker()
    do {
      try broker.admin.createTopic("orders", partitions: 4)
      let producer = try broker.producer()
      for number in 0..<100 { try await producer.send("orders", key: "customer-\(number % 10)", value: "\(number)") }
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .earliest
      configuration.maxPollRecords = 30
      let consumer = try broker.consumer(group: "billing", topics: ["orders"], configuration)
      var seen = 0
      while seen < 60 { seen += try await consumer.poll(timeout: .seconds(5)).count }
      #expect(seen == 60)
      try await consumer.commit()
      try await consumer.close()
    }
    try broker.restart()
    let consumer = try broker.consumer(group: "billing", topics: ["orders"])
    var values: [Int] = []
    while values.count < 40 {
      for record in try await consumer.poll(timeout: .seconds(5)) {
        values.append(try #require(Int(record.valueString ?? "")))
      }
    }
    #expect(values.count == 40)
    #expect(try await consumer.poll(timeout: .zero).isEmpty)
    try await consumer.close()
    try broker.close()
  }

  @Test("shares the partitions with the others of its group, and takes theirs over when they leave")
  func shares() async throws {
    let broker = try TestBroker()
    try broker.admin.createTopic("t", partitions: 4)
    let a = try broker.consumer(group: "g", topics: ["t"])
    _ = try await a.poll(timeout: .zero)
    #expect(a.assignment.count == 4)
    let b = try broker.consumer(group: "g", topics: ["t"])
    _ = try await b.poll(timeout: .zero)
    #expect(b.assignment.isEmpty)
    _ = try await a.poll(timeout: .zero)
    _ = try await b.poll(timeout: .zero)
    _ = try await a.poll(timeout: .zero)
    #expect(a.assignment.count == 2)
    #expect(b.assignment.count == 2)
    #expect(a.assignment.isDisjoint(with: b.assignment))
    try await a.close()
    _ = try await b.poll(timeout: .zero)
    #expect(b.assignment.count == 4)
    try await b.close()
    try broker.close()
  }
}
