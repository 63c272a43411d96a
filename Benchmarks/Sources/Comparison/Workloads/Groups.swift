import EventLog
import EventLogTesting

extension Workloads {
  static func groups(_ size: Size) -> [Workload] {
    [rebalance(count: size.count(10)), firstDelivery(count: size.count(500))]
  }

  /// A member leaves a group of 100 that reads 1,000 partitions, and another one joins: two rebalances, until every
  /// partition has its reader. One task polls all the members in turn, so that all of the work is counted.
  private static func rebalance(count: Int) -> Workload {
    func contender(
      _ name: String, _ assignors: [GroupAssignor], _ groupProtocol: GroupProtocol
    ) -> Workload.Contender {
      .init(name: name, kind: .eventLog) { _ in
        var configuration = ConsumerConfiguration()
        configuration.group = "g"
        configuration.assignors = assignors
        configuration.groupProtocol = groupProtocol
        configuration.enableAutoCommit = false
        return try await withTestBroker { broker in
          try broker.admin.createTopic("t", partitions: 1000)
          func member() throws -> Consumer {
            let consumer = try broker.consumer(configuration)
            try consumer.subscribe(["t"])
            return consumer
          }
          var members = try (0..<100).map { _ in try member() }
          func settle() async throws {
            repeat {
              for member in members { _ = try await member.poll(timeout: .zero) }
            } while members.contains { $0.assignment.isEmpty }
              || members.reduce(0) { $0 + $1.assignment.count } < 1000
          }
          try await settle()
          let time = try await seconds {
            for _ in 0..<count {
              try await members.removeFirst().close()
              try await settle()
              members.append(try member())
              try await settle()
            }
          }
          return [Double(2 * count) / time]
        }
      }
    }
    return Workload(
      id: "rebalance", name: "a rebalance of 1,000 partitions over 100 members",
      contenders: [
        contender("range", [.range], .classic), contender("sticky", [.sticky], .classic),
        contender("cooperative-sticky", [.cooperativeSticky], .classic),
        contender("group.protocol=consumer", [.range], .consumer),
      ])
  }

  /// From subscribing to the first record in hand, in a group of its own.
  private static func firstDelivery(count: Int) -> Workload {
    func contender(_ name: String, _ groupProtocol: GroupProtocol) -> Workload.Contender {
      .init(name: name, kind: .eventLog) { _ in
        var configuration = ConsumerConfiguration()
        configuration.autoOffsetReset = .earliest
        configuration.groupProtocol = groupProtocol
        return try await withTestBroker { broker in
          try await broker.produce("t", values: ["x"])
          var consumers: [Consumer] = []
          let time = try await seconds {
            for number in 0..<count {
              let consumer = try broker.consumer(group: "g\(number)", topics: ["t"], configuration)
              while try await consumer.poll(timeout: .seconds(5)).isEmpty {}
              consumers.append(consumer)
            }
          }
          return [Double(count) / time]
        }
      }
    }
    return Workload(
      id: "first-delivery", name: "subscribed, and the first record read",
      contenders: [contender("classic", .classic), contender("group.protocol=consumer", .consumer)])
  }
}
