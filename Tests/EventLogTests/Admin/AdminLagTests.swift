import EventLog
import EventLogTesting
import Testing

@Suite struct AdminLagTests {
  private let orders = TopicPartition("orders", 0)

  @Test func theLagIsToldInRecordsBytesAndAge() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      var ends: [Int64] = []
      for value in ["a", "bb", "ccc"] {
        try await broker.produce("orders", values: [value])
        ends.append(try broker.admin.describeLogDirs().first?.replicas[orders]?.size ?? 0)
        try await broker.advance(by: .seconds(10))
      }
      for offset in 0..<3 {
        let lag = try broker.admin.describeLag(orders, from: Int64(offset))
        #expect(lag.records == Int64(3 - offset))
        #expect(lag.bytes == ends[2] - (offset == 0 ? 0 : ends[offset - 1]))
        #expect(lag.age == .seconds(30 - 10 * offset))
      }
      #expect(try broker.admin.describeLag(orders, from: 3).records == 0)
      #expect(try broker.admin.describeLag(orders, from: 99).bytes == 0)
    }
  }
}
