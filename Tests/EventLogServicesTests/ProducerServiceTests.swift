import EventLogServices
import EventLogTesting
import InMemoryTracing
import MetricsTestKit
import ServiceLifecycle
import ServiceLifecycleTestKit
import Testing
import Tracing

@Suite struct ProducerServiceTests {
  @Test func gracefulShutdownFlushesWhatLingers() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("orders")
      var configuration = ProducerConfiguration()
      configuration.linger = .seconds(3600)
      let service = try ProducerService(broker.broker, configuration)
      try service.send(ProducerRecord(topic: "orders", value: "created")) { _ in }
      try await testGracefulShutdown { trigger in
        trigger.triggerGracefulShutdown()
        try await service.run()
      }
      try await broker.expectRecords(in: "orders", ["created"])
      await #expect(throws: EventLogError.self) { try await service.send("orders", value: "late") }
    }
  }

  @Test func cancellationFlushesToo() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("orders")
      var configuration = ProducerConfiguration()
      configuration.linger = .seconds(3600)
      let service = try ProducerService(broker.broker, configuration)
      try service.send(ProducerRecord(topic: "orders", value: "created")) { _ in }
      let task = Task { try await service.run() }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      try await broker.expectRecords(in: "orders", ["created"])
    }
  }

  @Test func metricsCountRecordsBytesAndErrors() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("orders")
      let metrics = TestMetrics()
      var telemetry = Telemetry()
      telemetry.metricsFactory = metrics
      telemetry.clientID = "p"
      let service = try ProducerService(broker.broker, telemetry: telemetry)
      try await service.send("orders", key: "k", value: "123")
      try await service.send([Record(value: "1"), Record(value: "2")], to: "orders")
      await #expect(throws: EventLogError.self) { try await service.send("orders", partition: 9, value: "x") }
      let ids = [("client-id", "p"), ("topic", "orders")]
      #expect(try metrics.expectCounter("eventlog.producer.record-send-total", ids).totalValue == 3)
      #expect(try metrics.expectCounter("eventlog.producer.byte-total", ids).totalValue == 6)
      #expect(try metrics.expectCounter("eventlog.producer.record-error-total", ids).totalValue == 1)
      #expect(try metrics.expectTimer("eventlog.producer.request-latency", ids).values.count == 2)
    }
  }

  @Test func theConsumersSpanLinksToTheProducers() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("orders")
      let tracer = InMemoryTracer()
      var telemetry = Telemetry()
      telemetry.tracer = tracer
      telemetry.clientID = "c"
      telemetry.includesKeys = true
      try await ProducerService(broker.broker, telemetry: telemetry).send("orders", key: "k", value: "v")
      let settings = telemetry
      try await testGracefulShutdown { trigger in
        try await ConsumerService(broker.broker, group: "billing", topics: ["orders"], telemetry: settings) { _ in
          trigger.triggerGracefulShutdown()
        }.run()
      }
      let spans = tracer.finishedSpans
      try #require(spans.map(\.operationName) == ["send orders", "process orders"])
      #expect(spans.map(\.kind) == [.producer, .consumer])
      #expect(spans[1].links.map { $0.context.inMemorySpanContext?.spanID } == [spans[0].spanContext.spanID])
      for span in spans {
        #expect(span.attributes["messaging.system"]?.toSpanAttribute() == .string("eventlog"))
        #expect(span.attributes["messaging.destination.name"]?.toSpanAttribute() == .string("orders"))
        #expect(span.attributes["messaging.destination.partition.id"]?.toSpanAttribute() == .string("0"))
        #expect(span.attributes["messaging.kafka.offset"]?.toSpanAttribute() == .int64(0))
        #expect(span.attributes["messaging.kafka.message.key"]?.toSpanAttribute() == .string("k"))
      }
      #expect(spans[1].attributes["messaging.consumer.group.name"]?.toSpanAttribute() == .string("billing"))
    }
  }

  /// The example of README.md.
  @Test func servicesEndInOrderUnderAServiceGroup() async throws {
    try await withTestBroker { test in
      let broker = test.broker
      try broker.admin.createTopic("orders")
      let log = LogCapture()
      let telemetry = Telemetry(logger: log.logger)
      let seen = Collected()
      let orders = try ProducerService(broker, telemetry: telemetry)
      try await orders.send("orders", key: "customer-42", value: "created")
      let box = GroupBox()
      let billing = try ConsumerService(broker, group: "billing", topics: ["orders"], telemetry: telemetry) { record in
        seen.add(record)
        await box.shutDown()
      }
      let group = ServiceGroup(
        services: [BrokerService(broker, telemetry: telemetry), orders, billing], logger: log.logger)
      await box.set(group)
      try await group.run()
      #expect(seen.values == ["created"])
      let ends = log.entries.map(\.message).filter { $0.hasSuffix("closed") }
      #expect(ends == ["The consumer is closed", "The producer is flushed and closed", "The broker is closed"])
      #expect(throws: EventLogError.self) { try broker.producer() }
    }
  }
}

private actor GroupBox {
  private var group: ServiceGroup?
  func set(_ group: ServiceGroup) { self.group = group }
  func shutDown() async { await group?.triggerGracefulShutdown() }
}
