import EventLog
import EventLogTesting
import Testing

@Suite("A consumer that is misused")
struct ConsumerMisuseTests {
  private let t0 = TopicPartition("t", 0)

  private func configuration() -> ConsumerConfiguration {
    var configuration = ConsumerConfiguration()
    configuration.group = "g"
    configuration.autoOffsetReset = .earliest
    return configuration
  }

  @Test("answers as Kafka's does: what excludes itself, what has no name, what is no pattern")
  func subscriptions() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let nameless = try broker.consumer()
      #expect(await code { _ = try await nameless.poll(timeout: .zero) } == .illegalState)
      #expect(await code { try nameless.subscribe(["t"]) } == .invalidGroupID)
      #expect(await code { try await nameless.commit([t0: OffsetAndMetadata(0)]) } == .invalidGroupID)
      #expect(await code { _ = try nameless.committed([t0]) } == .invalidGroupID)
      try nameless.assign([t0])
      #expect(await code { try await nameless.commit() } == .invalidGroupID)
      #expect(await code { try nameless.enforceRebalance() } == .illegalState)

      let consumer = try broker.consumer(configuration())
      #expect(await code { try consumer.subscribe(["t", " "]) } == .illegalArgument)
      #expect(await code { try consumer.subscribe(["a/b"]) } == .invalidTopic)
      #expect(await code { try consumer.subscribe(pattern: "") } == .illegalArgument)
      #expect(await code { try consumer.subscribe(pattern: "t(") } == .invalidRegularExpression)
      try consumer.subscribe(["t"])
      #expect(await code { try consumer.assign([t0]) } == .illegalState)
      #expect(await code { try consumer.subscribe(pattern: "t") } == .illegalState)
      #expect(await code { _ = try consumer.read() } == .illegalState)
      _ = try await consumer.poll(timeout: .zero)
      #expect(consumer.assignment == [t0])
      // Nothing at all is as much as to unsubscribe.
      try consumer.assign([])
      #expect(try broker.admin.describeGroup("g").members.isEmpty)
      try consumer.assign([t0])
      #expect(await code { try consumer.subscribe(["t"]) } == .illegalState)
      #expect(await code { try consumer.assign([TopicPartition("t", 1)]) } == .unknownTopicOrPartition)
      #expect(await code { try consumer.assign([TopicPartition("", 0)]) } == .illegalArgument)
    }
  }

  @Test("can be closed twice, and used no more: no call joins the group again")
  func closed() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let consumer = try broker.consumer(configuration())
      try consumer.subscribe(["t"])
      _ = try await consumer.poll(timeout: .zero)
      #expect(await code { try await consumer.close(timeout: .seconds(-1)) } == .illegalArgument)
      try await consumer.close()
      try await consumer.close()
      let calls: [() async throws -> Void] = [
        { _ = try await consumer.poll(timeout: .zero) },
        { try consumer.subscribe(["t"]) },
        { try consumer.subscribe(pattern: "t") },
        { try consumer.assign([t0]) },
        { try await consumer.unsubscribe() },
        { try await consumer.commit() },
        { try await consumer.commit([t0: OffsetAndMetadata(0)]) },
        { try consumer.commitAsync() },
        { _ = try consumer.committed([t0]) },
        { try consumer.seek(t0, to: 0) },
        { try consumer.seekToBeginning([t0]) },
        { try consumer.seekToEnd([t0]) },
        { _ = try consumer.position(t0) },
        { try consumer.pause([t0]) },
        { try consumer.resume([t0]) },
        { _ = try consumer.offsetsForTimes([t0: 0]) },
        { _ = try consumer.beginningOffsets([t0]) },
        { _ = try consumer.endOffsets([t0]) },
        { _ = try consumer.lag(of: t0) },
        { _ = try consumer.currentLag(t0) },
        { try consumer.enforceRebalance() },
        { for try await _ in consumer.records {} },
      ]
      for (index, call) in calls.enumerated() { #expect(await code(call) == .illegalState, "call \(index)") }
      #expect(try broker.admin.describeGroup("g").members.isEmpty)
    }
  }

  @Test("is used by one task at a time; only wakeup is for all, and it interrupts once")
  func concurrent() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a"])
      let consumer = try broker.consumer(configuration())
      try consumer.assign([t0])
      try consumer.seekToEnd()
      let poll = Task { try await consumer.poll(timeout: .seconds(600)) }
      try await broker.untilWaiting(consumer)
      #expect(await code { _ = try await consumer.poll(timeout: .zero) } == .concurrentModification)
      #expect(await code { try await consumer.commit() } == .concurrentModification)
      #expect(await code { try await consumer.unsubscribe() } == .concurrentModification)
      #expect(await code { try await consumer.close() } == .concurrentModification)
      consumer.wakeup()
      #expect(await code { _ = try await poll.value } == .wakeup)
      // One that comes while nobody waits is for the next call.
      consumer.wakeup()
      consumer.wakeup()
      #expect(await code { try await consumer.commit() } == .wakeup)
      #expect(await code { _ = try await consumer.poll(timeout: .zero) } == nil)
      try await consumer.close()
    }
  }

  @Test("whose poll is cancelled stays a member, and goes on where it was")
  func cancelled() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a"])
      let consumer = try broker.consumer(configuration())
      try consumer.subscribe(["t"])
      #expect(try await consumer.poll(timeout: .zero).count == 1)
      let poll = Task { try await consumer.poll(timeout: .seconds(600)) }
      try await broker.untilWaiting(consumer)
      poll.cancel()
      await #expect(throws: CancellationError.self) { try await poll.value }
      #expect(consumer.assignment == [t0])
      try await broker.produce("t", values: ["b"])
      try broker.expect(try await consumer.poll(timeout: .zero), toBe: ["b"])
    }
  }

  @Test("that seeks below the start or beyond the end goes by auto.offset.reset at the next poll")
  func outOfRange() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a", "b", "c", "d"])
      try broker.admin.deleteRecords([t0: 2])
      for (reset, expected) in [(OffsetReset.earliest, Int64(2)), (.latest, 4)] {
        for offset in [Int64(0), 1, 5, .max] {
          var configuration = configuration()
          configuration.group = nil
          configuration.autoOffsetReset = reset
          let consumer = try broker.consumer(configuration)
          try consumer.assign([t0])
          try consumer.seek(t0, to: offset)
          #expect(try consumer.position(t0) == offset)
          _ = try await consumer.poll(timeout: .zero)
          _ = try await consumer.poll(timeout: .zero)
          #expect(try consumer.position(t0) == (reset == .earliest ? 4 : expected))
        }
      }
      let consumer = try broker.consumer(configuration())
      try consumer.assign([t0])
      #expect(await code { try consumer.seek(t0, to: -1) } == .illegalArgument)
      #expect(await code { try consumer.seek(TopicPartition("t", 1), to: 0) } == .illegalState)
      #expect(await code { try consumer.pause([TopicPartition("t", 1)]) } == .illegalState)
    }
  }

  @Test("may not poll or close within its own listener")
  func withinListener() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let consumer = try broker.consumer(configuration())
      try consumer.subscribe(
        ["t"],
        listener: ListenerLog(onAssigned: { consumer, _ in
          for call in [{ _ = try await consumer.poll(timeout: .zero) }, { try await consumer.close() }] {
            do {
              try await call()
              Issue.record("nothing was thrown")
            } catch let error as EventLogError { #expect(error.code == .illegalState) }
          }
          try await consumer.commit()
        }))
      _ = try await consumer.poll(timeout: .zero)
      #expect(consumer.assignment == [t0])
    }
  }
}
