import EventLog
import EventLogTesting
import Foundation
import Testing

@Suite("A read that blocks its thread")
struct BlockingReadTests {
  private static let t0 = TopicPartition("t", 0)

  /// Runs `body` on a thread of its own.
  private func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      Thread { continuation.resume(with: Result(catching: body)) }.start()
    }
  }

  private func withConsumer(
    _ body: (TestBroker, TestClock, Consumer) async throws -> Void
  ) async throws {
    let clock = TestClock()
    try await withTestBroker(clock: clock) { broker in
      try broker.admin.createTopic("t")
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .earliest
      let consumer = try broker.consumer(configuration)
      try consumer.assign([Self.t0])
      try await body(broker, clock, consumer)
    }
  }

  @Test("returns what there is at once, and else what comes")
  func woken() async throws {
    try await withConsumer { broker, clock, consumer in
      try await broker.produce("t", values: ["a", "b"])
      #expect(try await onThread { try consumer.read(timeout: .seconds(60)).map(\.valueString) } == ["a", "b"])
      for round in 0..<20 {
        async let read = onThread { try consumer.read(timeout: .seconds(60)).map(\.valueString) }
        if round % 2 == 0 { try await broker.untilWaiting(consumer) }
        try await broker.produce("t", values: ["\(round)"])
        #expect(try await read == ["\(round)"])
      }
    }
  }

  @Test("ends without records when the time is over, and at once with none or a negative one")
  func timeout() async throws {
    try await withConsumer { broker, clock, consumer in
      for timeout in [Duration.zero, .seconds(-5)] {
        #expect(try await onThread { try consumer.read(timeout: timeout).isEmpty })
      }
      async let read = onThread { try consumer.read(timeout: .seconds(60)).count }
      try await clock.untilTimer(in: .seconds(60))
      try await broker.advance(by: .seconds(60))
      #expect(try await read == 0)
    }
  }

  @Test("that spins returns what comes meanwhile, and sleeps afterwards")
  func spinning() async throws {
    try await withConsumer { broker, clock, consumer in
      for round in 0..<20 {
        let spins = round % 2 == 0
        async let read = onThread {
          try consumer.read(timeout: .seconds(60), spinning: spins ? .seconds(60) : .microseconds(50))
            .map(\.valueString)
        }
        if !spins { try await broker.untilWaiting(consumer) }
        try await broker.produce("t", values: ["\(round)"])
        #expect(try await read == ["\(round)"])
      }
      for spinning in [Duration.zero, .seconds(-5), .milliseconds(Int64.max), .nanoseconds(1)] {
        async let read = onThread { try consumer.read(timeout: .seconds(60), spinning: spinning).count }
        try await broker.produce("t", values: ["a"])
        #expect(try await read == 1)
      }
    }
  }

  @Test("that spins is ended by wakeup, and spins no longer than it would wait", .timeLimit(.minutes(1)))
  func spinningEnded() async throws {
    try await withConsumer { broker, clock, consumer in
      async let read = code {
        _ = try await onThread { try consumer.read(timeout: .seconds(3600), spinning: .seconds(3600)) }
      }
      consumer.wakeup()
      #expect(await read == .wakeup)
      async let other = onThread { try consumer.read(timeout: .milliseconds(1), spinning: .seconds(3600)).count }
      try await clock.untilTimer(in: .milliseconds(1))
      try await broker.advance(by: .milliseconds(1))
      #expect(try await other == 0)
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .earliest
      configuration.fetchMinBytes = 10_000
      let patient = try broker.broker.consumer(configuration)
      try patient.assign([Self.t0])
      try await broker.produce("t", values: ["a"])
      async let few = onThread { try patient.read(timeout: .seconds(3600), spinning: .seconds(3600)).count }
      try await clock.untilTimer(in: configuration.fetchMaxWait)
      try await broker.advance(by: configuration.fetchMaxWait)
      #expect(try await few == 1)
    }
  }

  @Test("waits for fetch.min.bytes up to fetch.max.wait.ms")
  func fewBytes() async throws {
    try await withConsumer { broker, clock, _ in
      var configuration = ConsumerConfiguration()
      configuration.autoOffsetReset = .earliest
      configuration.fetchMinBytes = 10_000
      let consumer = try broker.consumer(configuration)
      try consumer.assign([Self.t0])
      try await broker.produce("t", values: ["a"])
      async let read = onThread { try consumer.read(timeout: .seconds(60)).count }
      try await clock.untilTimer(in: configuration.fetchMaxWait)
      try await broker.advance(by: configuration.fetchMaxWait)
      #expect(try await read == 1)
    }
  }

  @Test("is ended by wakeup, and by the broker's being closed")
  func ended() async throws {
    try await withConsumer { broker, clock, consumer in
      async let read = code { _ = try await onThread { try consumer.read(timeout: .seconds(60)) } }
      try await broker.untilWaiting(consumer)
      consumer.wakeup()
      #expect(await read == .wakeup)
      async let other = code { _ = try await onThread { try consumer.read(timeout: .seconds(60)) } }
      try await broker.untilWaiting(consumer)
      #expect(await code { _ = try await consumer.poll(timeout: .zero) } == .concurrentModification)
      #expect(await code { _ = try consumer.read(timeout: .zero) } == .concurrentModification)
      try broker.broker.close()
      consumer.wakeup()
      #expect(await other == .illegalState)
    }
  }

  @Test("is for consumers that assign")
  func subscribed() async throws {
    try await withConsumer { broker, _, _ in
      let consumer = try broker.consumer(group: "g", topics: ["t"])
      #expect(await code { _ = try consumer.read(timeout: .seconds(60)) } == .illegalState)
      try await consumer.close()
      #expect(await code { _ = try consumer.read(timeout: .seconds(60)) } == .illegalState)
    }
  }
}
