import EventLogServices
import EventLogTesting
import MetricsTestKit
import ServiceLifecycleTestKit
import Testing

@testable import EventLogServices

@Suite struct ConsumerServiceTests {
  private let orders = TopicPartition("orders", 0)
  private let values = (0..<10).map { "order \($0)" }

  @Test func gracefulShutdownFinishesTheRecordInHandCommitsAndLeaves() async throws {
    try await withTestBroker { broker in
      try await broker.produce("orders", values: values)
      let seen = Collected()
      try await testGracefulShutdown { trigger in
        let service = try ConsumerService(broker.broker, group: "billing", topics: ["orders"]) { record in
          if seen.add(record) == 3 { trigger.triggerGracefulShutdown() }
        }
        try await service.run()
      }
      #expect(seen.values == Array(values.prefix(3)))
      try broker.expectCommitted(by: "billing", [orders: 3])
      #expect(try broker.admin.describeGroup("billing").members.isEmpty)
    }
  }

  @Test func gracefulShutdownEndsAPollThatWaits() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("orders")
      try await testGracefulShutdown { trigger in
        let service = try ConsumerService(broker.broker, group: "billing", topics: ["orders"]) { _ in }
        async let ran: Void = service.run()
        try await broker.untilWaiting(service.consumer)
        trigger.triggerGracefulShutdown()
        try await ran
      }
    }
  }

  @Test func cancellationCommitsWhatWasHandled() async throws {
    try await withTestBroker { broker in
      try await broker.produce("orders", values: values)
      let service = try ConsumerService(broker.broker, group: "billing", topics: ["orders"]) { record in
        if record.offset == 4 { withUnsafeCurrentTask { $0?.cancel() } }
      }
      await #expect(throws: CancellationError.self) { try await Task { try await service.run() }.value }
      try broker.expectCommitted(by: "billing", [orders: 5])
      #expect(try broker.admin.describeGroup("billing").members.isEmpty)
    }
  }

  @Test func aRecordThatFailedComesAgain() async throws {
    try await withTestBroker { broker in
      try await broker.produce("orders", values: values)
      let log = LogCapture()
      let service = try ConsumerService(
        broker.broker, group: "billing", topics: ["orders"], telemetry: Telemetry(logger: log.logger)
      ) { record in
        if record.offset == 7 { throw Refused() }
      }
      await #expect(throws: Refused.self) { try await service.run() }
      try broker.expectCommitted(by: "billing", [orders: 7])
      #expect(log.entries.last?.level == .error)
      #expect(log.entries.allSatisfy { entry in !values.contains { "\(entry)".contains($0) } })
      #expect(log.entries.flatMap(\.metadata.keys).allSatisfy { $0.contains(".") && $0 == $0.lowercased() })
    }
  }

  @Test(arguments: [ConsumerService.Action.skip, .retry])
  func aFailureIsDecidedUpon(_ action: ConsumerService.Action) async throws {
    try await withTestBroker { broker in
      try await broker.produce("orders", values: values)
      let seen = Collected()
      var options = ConsumerService.Options()
      options.onFailure = { _ in action }
      try await testGracefulShutdown { trigger in
        let service = try ConsumerService(broker.broker, group: "billing", topics: ["orders"], options: options) {
          record in
          let count = seen.add(record)
          if count == (action == .skip ? 10 : 11) { trigger.triggerGracefulShutdown() }
          if count == 3 { throw Refused() }
        }
        try await service.run()
      }
      try broker.expectCommitted(by: "billing", [orders: 10])
      #expect(seen.values.filter { $0 == "order 2" }.count == (action == .skip ? 1 : 2))
    }
  }

  @Test func itRunsOnceAndWithoutASubscriptionNotAtAll() async throws {
    try await withTestBroker { broker in
      try await broker.produce("orders", values: ["one"])
      try await testGracefulShutdown { trigger in
        trigger.triggerGracefulShutdown()
        let service = try ConsumerService(broker.broker, group: "billing", topics: ["orders"]) { _ in }
        try await service.run()
        await #expect(throws: EventLogError.self) { try await service.run() }
      }
      #expect(throws: EventLogError.self) {
        try ConsumerService(broker.broker, .topics(["orders"]), configuration: .init(), forEachRecord: { _ in })
      }
    }
  }

  @Test func metricsTellWhatWasConsumedAndTheLagInRecordsBytesAndAge() async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      for value in values { try await broker.produce("orders", values: [value]) }
      try await broker.advance(by: .seconds(30))
      let metrics = TestMetrics()
      var telemetry = Telemetry()
      telemetry.metricsFactory = metrics
      telemetry.clientID = "c"
      var options = ConsumerService.Options()
      options.commits = .eachPoll
      var configuration = fromTheBeginning("billing")
      configuration.enableAutoCommit = false
      let ids = [("client-id", "c"), ("group", "billing")]
      let place = [("topic", "orders"), ("partition", "0")]
      let size = try #require(try broker.admin.describeLogDirs().first?.replicas[orders]?.size)
      let holder = Holder()
      try await testGracefulShutdown { trigger in
        let service = try ConsumerService(
          broker.broker, .topics(["orders"]), configuration: configuration, options: options, telemetry: telemetry,
          forEachBatch: { (batch: ConsumerBatch) async throws in
            guard batch.nextOffset == 10 else { return }
            holder.report()
            #expect(try metrics.expectGauge("eventlog.consumer.records-lag", ids + place).lastValue == 1)
            #expect(try metrics.expectGauge("eventlog.consumer.bytes-lag", ids + place).lastValue == Double(size / 10))
            #expect(try metrics.expectGauge("eventlog.consumer.lag-age-seconds", ids + place).lastValue == 30)
            #expect(try metrics.expectGauge("eventlog.consumer.records-lag-max", ids).lastValue == 1)
            #expect(try metrics.expectGauge("eventlog.consumer.assigned-partitions", ids).lastValue == 1)
            trigger.triggerGracefulShutdown()
          })
        holder.set(service)
        try await service.run()
      }
      let topic = ids + [("topic", "orders")]
      #expect(try metrics.expectCounter("eventlog.consumer.records-consumed-total", topic).totalValue == 10)
      #expect(try metrics.expectCounter("eventlog.consumer.bytes-consumed-total", topic).totalValue == size)
      #expect(try metrics.expectCounter("eventlog.consumer.rebalance-total", ids).totalValue == 1)
      #expect(try metrics.expectCounter("eventlog.consumer.commit-total", ids).totalValue >= 1)
      // What is gone has no lag that anybody could mistake for today's.
      #expect(throws: (any Error).self) { try metrics.expectGauge("eventlog.consumer.records-lag", ids + place) }
      try broker.expectCommitted(by: "billing", [orders: 10])
    }
  }
}
