import EventLogServices
import EventLogTesting
import MetricsTestKit
import ServiceLifecycleTestKit
import Testing

@Suite struct BrokerServiceTests {
  private let place = [("topic", "orders"), ("partition", "0")]

  @Test func atEachIntervalItTellsOfLogsAndOfGroupsThatDoNotRun() async throws {
    try await withTestBroker { test in
      try await test.produce("orders", values: ["a", "b", "c"])
      let orders = TopicPartition("orders", 0)
      try test.admin.alterConsumerGroupOffsets("billing", [orders: OffsetAndMetadata(1)])
      let size = try #require(try test.admin.describeLogDirs().first?.replicas[orders]?.size)
      let metrics = TestMetrics()
      let clock = ManualClock()
      var telemetry = Telemetry()
      telemetry.metricsFactory = metrics
      telemetry.clock = clock
      telemetry.reportInterval = .seconds(10)
      let service = BrokerService(test.broker, telemetry: telemetry)
      try await testGracefulShutdown { trigger in
        async let ran: Void = service.run()
        await clock.untilSleeping()
        #expect(metrics.recorders.isEmpty)
        clock.advance(by: .seconds(10))
        // It sleeps again once it has reported.
        await clock.untilSleeping()
        #expect(try metrics.expectGauge("eventlog.log.size", place).lastValue == Double(size))
        #expect(try metrics.expectGauge("eventlog.log.log-start-offset", place).lastValue == 0)
        #expect(try metrics.expectGauge("eventlog.log.log-end-offset", place).lastValue == 3)
        let lag = try metrics.expectGauge("eventlog.group.records-lag", [("group", "billing")] + place)
        #expect(lag.lastValue == 2)
        try test.admin.deleteTopic("orders")
        clock.advance(by: .seconds(10))
        await clock.untilSleeping()
        #expect(metrics.recorders.isEmpty)
        trigger.triggerGracefulShutdown()
        try await ran
      }
      #expect(throws: EventLogError.self) { try test.broker.producer() }
    }
  }

  @Test func cancellationClosesTheBroker() async throws {
    try await withTestBroker { test in
      let service = BrokerService(test.broker)
      let task = Task { try await service.run() }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(throws: EventLogError.self) { try test.broker.producer() }
    }
  }
}
