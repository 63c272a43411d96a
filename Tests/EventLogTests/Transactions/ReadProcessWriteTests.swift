import EventLog
import EventLogTesting
import RecordFormat
import Testing
import SegmentStore

/// A pipeline from "in" to "out", and what it has to come to.
struct PipelineWorld {
  let broker: TestBroker

  static func input(_ partition: Int) -> TopicPartition { TopicPartition("in", partition) }

  init(_ broker: TestBroker, partitions: Int = 1) throws {
    self.broker = broker
    try broker.admin.createTopic("in", partitions: partitions)
    try broker.admin.createTopic("out", partitions: partitions)
  }

  func fill(_ count: Int, from first: Int = 0, partition: Int = 0) async throws {
    try await broker.produce("in", (0..<count).map { Record(value: "\(first + $0)") }, partition: partition)
  }

  func pipeline(
    _ id: String = "t", maxPollRecords: Int = 500, retries: Int = 3,
    _ change: (inout ConsumerConfiguration) -> Void = { _ in }
  ) throws -> ReadProcessWrite {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.maxPollRecords = maxPollRecords
    change(&configuration)
    return try ReadProcessWrite(
      broker.broker, group: "g", topics: ["in"], transactionalID: id, consumer: configuration, retries: retries)
  }

  /// The same value to the same partition.
  static func copy(_ record: ConsumerRecord) -> [ProducerRecord] {
    [ProducerRecord(topic: "out", partition: record.partition, value: record.valueString ?? "")]
  }

  /// Steps until the group has committed everything.
  func finish(
    _ pipeline: ReadProcessWrite, _ transform: (ConsumerRecord) async throws -> [ProducerRecord] = { copy($0) }
  ) async throws {
    for _ in 0..<1000 {
      try await pipeline.step(timeout: .zero, transform)
      if try isFinished() { return }
    }
    Issue.record("the pipeline does not come to its end")
  }

  func isFinished() throws -> Bool {
    let committed = broker.committed("g")
    for number in try broker.admin.describeTopic("in").partitions.indices {
      let partition = Self.input(number)
      guard committed[partition, default: 0] == (try broker.admin.listOffset(partition, .latest)?.offset) else {
        return false
      }
    }
    return true
  }

  /// That what is seen is what the offsets say: of each partition the copies of the inputs before its offset, each once and
  /// in order.
  func expectExactlyOnce(_ what: Comment = "") async throws {
    let committed = broker.committed("g")
    let output = try await broker.drain("out", isolation: .readCommitted)
    let input = try await broker.drain("in")
    for number in try broker.admin.describeTopic("in").partitions.indices {
      let end = committed[Self.input(number), default: 0]
      let expected = input.filter { $0.partition == number && $0.offset < end }.map(\.valueString)
      #expect(output.filter { $0.partition == number }.map(\.valueString) == expected, what)
    }
  }
}

@Suite("Read–process–write")
struct ReadProcessWriteTests {
  private struct Oops: Error {}

  @Test("writes what is made of each record, together with the offset behind it: nothing of it is seen before")
  func together() async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      try broker.admin.createTopic("audit")
      try await world.fill(3)
      let pipeline = try world.pipeline()
      try await world.finish(pipeline) { record in
        let seen = try await broker.values("out", .readCommitted)
        #expect(seen.isEmpty)
        #expect(broker.committed("g").isEmpty)
        return PipelineWorld.copy(record) + [ProducerRecord(topic: "audit", value: "saw \(record.valueString ?? "")")]
      }
      #expect(try await broker.values("out", .readCommitted) == ["0", "1", "2"])
      #expect(try await broker.values("audit", .readCommitted) == ["saw 0", "saw 1", "saw 2"])
      #expect(broker.committed("g") == [PipelineWorld.input(0): 3])
      try await pipeline.close()
      #expect(try broker.admin.describeGroup("g").members.isEmpty)
    }
  }

  @Test("makes one transaction of what one poll returns, also where it makes nothing of it")
  func batches() async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      try await world.fill(10)
      let pipeline = try world.pipeline(maxPollRecords: 4)
      var counts: [Int] = []
      while try !world.isFinished() {
        let count = try await pipeline.step(timeout: .zero) { record in
          record.offset < 8 ? PipelineWorld.copy(record) : []
        }
        if count > 0 { counts.append(count) }
      }
      #expect(counts == [4, 4, 2])
      // A marker ends each transaction that has written something.
      #expect(try broker.admin.listOffset(TopicPartition("out", 0), .latest)?.offset == 8 + 2)
      let more = try await pipeline.step(timeout: .zero) { PipelineWorld.copy($0) }
      #expect(more == 0)
    }
  }

  @Test("reads nothing of transactions that are open or aborted")
  func readsCommitted() async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      let source = try await broker.transactionalProducer("source")
      for (value, commits) in [("a", true), ("b", false), ("c", true)] {
        try source.beginTransaction()
        try await source.send("in", value: value)
        if commits { try await source.commitTransaction() } else { try await source.abortTransaction() }
      }
      try source.beginTransaction()
      try await source.send("in", value: "open")
      let pipeline = try world.pipeline()
      for _ in 0..<5 { try await pipeline.step(timeout: .zero) { PipelineWorld.copy($0) } }
      #expect(try await broker.values("out", .readCommitted) == ["a", "c"])
    }
  }

  @Test("aborts where the transform throws, and tries again: the records count once")
  func retries() async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      try await world.fill(5)
      let pipeline = try world.pipeline(retries: 2)
      var calls: [String] = []
      var failuresLeft = 2
      try await world.finish(pipeline) { record in
        calls.append(record.valueString ?? "")
        if record.offset == 3, failuresLeft > 0 {
          failuresLeft -= 1
          throw Oops()
        }
        return PipelineWorld.copy(record)
      }
      #expect(calls == ["0", "1", "2", "3", "0", "1", "2", "3", "0", "1", "2", "3", "4"])
      try await world.expectExactlyOnce()
      #expect(try await broker.values("out", .readUncommitted).count == 3 + 3 + 5)
    }
  }

  @Test(
    "gives the transform's error after the last retry, whatever it is, and has lost nothing: the next step begins there"
  )
  func givesUp() async throws {
    let errors: [any Error] = [
      Oops(), CancellationError(), EventLogError(.commitFailed, "of another group"),
      EventLogError(.producerFenced, "of another producer"), EventLogError(.storageError, "of another store"),
    ]
    for error in errors {
      try await withTestBroker { broker in
        let world = try PipelineWorld(broker)
        try await world.fill(5)
        let pipeline = try world.pipeline(retries: 1)
        var isMet = false
        for _ in 0..<5 where !isMet {
          do {
            try await pipeline.step(timeout: .zero) { record in
              if record.offset == 2 { throw error }
              return PipelineWorld.copy(record)
            }
          } catch let thrown {
            isMet = true
            #expect("\(thrown)" == "\(error)")
          }
        }
        #expect(isMet, "\(error) was not told")
        #expect(broker.committed("g").isEmpty)
        try await world.finish(pipeline)
        try await world.expectExactlyOnce("\(error)")
        #expect(try await broker.values("out", .readCommitted).count == 5)
      }
    }
  }

  @Test("aborts where something can't be sent, and tells why")
  func unsendable() async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      try await world.fill(2)
      let pipeline = try world.pipeline(retries: 1)
      var code: EventLogError.Code?
      for _ in 0..<5 where code == nil {
        code = await EventLogTests.code {
          try await pipeline.step(timeout: .zero) { record in
            PipelineWorld.copy(record) + [ProducerRecord(topic: "nowhere", value: "x")]
          }
        }
      }
      #expect(code == .unknownTopicOrPartition)
      try await world.finish(pipeline)
      try await world.expectExactlyOnce()
    }
  }

  @Test("that is cancelled has done what it did as a whole, and goes on there", arguments: [0, 2, 4])
  func cancellation(at offset: Int64) async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      try await world.fill(5)
      let pipeline = try world.pipeline()
      await #expect(throws: CancellationError.self) {
        // A task of its own, which is the one that is cancelled.
        try await Task {
          try await pipeline.run { record in
            if record.offset == offset { withUnsafeCurrentTask { $0?.cancel() } }
            return PipelineWorld.copy(record)
          }
        }.value
      }
      try await world.expectExactlyOnce("cancelled at \(offset)")
      try await world.finish(pipeline)
      try await world.expectExactlyOnce("cancelled at \(offset), and gone on")
      #expect(try await broker.values("out", .readCommitted) == ["0", "1", "2", "3", "4"])
    }
  }

  @Test("is ended by a broker that is closed, in the middle of a transform as well")
  func closedBroker() async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      try await world.fill(5)
      let first = try world.pipeline()
      await #expect(throws: EventLogError.self) {
        try await first.run { record in
          if record.offset == 2 { try broker.restart() }
          return PipelineWorld.copy(record)
        }
      }
      #expect(await code { try await first.step(timeout: .zero) { PipelineWorld.copy($0) } } == .illegalState)
      #expect(broker.committed("g").isEmpty)
      try await world.finish(try world.pipeline())
      try await world.expectExactlyOnce()
    }
  }

  // MARK: Others

  @Test("fences the instance before it, whose records are never seen")
  func zombie() async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      try await world.fill(5)
      let zombie = try world.pipeline()
      var isFenced = false
      for _ in 0..<5 where !isFenced {
        isFenced =
          await code {
            try await zombie.step(timeout: .zero) { record in
              if record.offset == 3 {
                // It hangs for so long that the group goes on without it, and another is started in its place.
                try broker.evict(zombie.consumer)
                try await world.finish(try world.pipeline())
              }
              return [ProducerRecord(topic: "out", value: "zombie \(record.offset)")]
            }
          } == .producerFenced
      }
      #expect(isFenced)
      // It can write nothing more.
      #expect(await code { try zombie.producer.beginTransaction() } == .invalidProducerEpoch)
      try await world.expectExactlyOnce()
      #expect(try await broker.values("out", .readUncommitted).contains("zombie 2"))
    }
  }

  private static let memberships: [@Sendable (inout ConsumerConfiguration) -> Void] = [
    { _ in }, { $0.assignors = [.cooperativeSticky] }, { $0.groupProtocol = .consumer },
  ]

  @Test("that loses its partitions in the middle leaves the records to who has them now", arguments: 0..<3)
  func rebalance(membership: Int) async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker, partitions: 2)
      try await world.fill(5)
      try await world.fill(5, from: 10, partition: 1)
      let change = Self.memberships[membership]
      let first = try world.pipeline("t1", change)
      let second = try world.pipeline("t2", maxPollRecords: 3, change)
      var isEvicted = false
      for _ in 0..<10 where !isEvicted {
        let count = try await first.step(timeout: .zero) { record in
          if !isEvicted {
            isEvicted = true
            try broker.evict(first.consumer)
            for _ in 0..<3 { try await second.step(timeout: .zero) { PipelineWorld.copy($0) } }
          }
          return PipelineWorld.copy(record)
        }
        #expect(count == 0, "what was read was somebody else's by then")
      }
      #expect(isEvicted)
      try await world.expectExactlyOnce()
      // Both go on.
      for _ in 0..<20 {
        for pipeline in [first, second] { try await pipeline.step(timeout: .zero) { PipelineWorld.copy($0) } }
      }
      #expect(try world.isFinished())
      try await world.expectExactlyOnce()
    }
  }

  @Test("that was put out of its group and comes back reads again what it could not commit", arguments: 0..<3)
  func returns(membership: Int) async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker)
      try await world.fill(5)
      let pipeline = try world.pipeline("t", Self.memberships[membership])
      var evictionsLeft = 2
      try await world.finish(pipeline) { record in
        if record.offset == 3, evictionsLeft > 0 {
          evictionsLeft -= 1
          try broker.evict(pipeline.consumer)
        }
        return PipelineWorld.copy(record)
      }
      #expect(evictionsLeft == 0)
      try await world.expectExactlyOnce()
    }
  }

  @Test("goes on over rebalances between its polls", arguments: 0..<3)
  func sharing(membership: Int) async throws {
    try await withTestBroker { broker in
      let world = try PipelineWorld(broker, partitions: 3)
      for partition in 0..<3 { try await world.fill(20, from: partition * 100, partition: partition) }
      let change = Self.memberships[membership]
      let first = try world.pipeline("t1", maxPollRecords: 2, change)
      for _ in 0..<4 { try await first.step(timeout: .zero) { PipelineWorld.copy($0) } }
      let second = try world.pipeline("t2", maxPollRecords: 2, change)
      for round in 0..<60 {
        for pipeline in [first, second] { try await pipeline.step(timeout: .zero) { PipelineWorld.copy($0) } }
        if round % 10 == 5, membership < 2 { try broker.rebalance(group: "g") }
      }
      #expect(try world.isFinished())
      try await world.expectExactlyOnce()
    }
  }

  // MARK: Crashes

  @Test(
    "counts each record once, in order, over crashes at any step, failing transforms and rebalances",
    arguments: 0..<24 as Range<UInt64>)
  func histories(seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    try await withTestBroker(seed: seed, powerCuts: true) { broker in
      let world = try PipelineWorld(broker, partitions: 3)
      var written = 0
      for round in 0..<12 {
        for partition in 0..<3 {
          let count = Int.random(in: 0...6, using: &random)
          if count > 0 { try await world.fill(count, from: written, partition: partition) }
          written += count
        }
        let pipeline = try world.pipeline(maxPollRecords: .random(in: 1...9, using: &random), retries: 1)
        if Bool.random(using: &random) {
          broker.broker.stopTransactions(after: .random(in: 0...12, using: &random))
        }
        let failure = Int.random(in: 0..<10, using: &random)
        let eviction = Int.random(in: 0..<20, using: &random)
        var calls = 0
        for _ in 0..<Int.random(in: 1...8, using: &random) {
          // What it throws is the crash; what counts is what is there afterwards.
          _ = try? await pipeline.step(timeout: .zero) { record in
            calls += 1
            if calls == failure { throw Oops() }
            if calls == eviction { try? broker.evict(pipeline.consumer) }
            return PipelineWorld.copy(record)
          }
        }
        let stop = try #require(TestBroker.Stop.allCases.randomElement(using: &random))
        try broker.restart(after: stop)
        try await world.expectExactlyOnce("seed \(seed), round \(round), after \(stop)")
        #expect(try broker.admin.findHangingTransactions().isEmpty)
      }
      try await world.finish(try world.pipeline())
      try await world.expectExactlyOnce("seed \(seed), at the end")
      #expect(try await broker.values("out", .readCommitted).count == written)
    }
  }
}
