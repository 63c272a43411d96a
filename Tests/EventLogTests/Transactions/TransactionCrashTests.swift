import EventLog
import EventLogTesting
import RecordFormat
import Testing

@Suite("A crash in the middle of a commit")
struct TransactionCrashTests {
  private static let group = ConsumerGroupMetadata(group: "g")
  private static let source = TopicPartition("in", 0)

  /// A broker with three partitions and one committed transaction.
  private func prepare(_ broker: TestBroker) async throws -> Producer {
    try broker.admin.createTopic("out", partitions: 3)
    try await broker.produce("in", values: ["x", "y"])
    let producer = try await broker.transactionalProducer("t")
    try await transaction(producer, "first", 1).get()
    return producer
  }

  private func transaction(
    _ producer: Producer, _ value: String, _ offset: Int64, commits: Bool = true
  ) async -> Result<Void, any Error> {
    do {
      try producer.beginTransaction()
      for number in 0..<9 {
        try await producer.send(ProducerRecord(topic: "out", partition: number % 3, value: value))
      }
      try producer.sendOffsets([Self.source: OffsetAndMetadata(offset)], to: Self.group)
      if commits { try await producer.commitTransaction() } else { try await producer.abortTransaction() }
      return .success(())
    } catch {
      return .failure(error)
    }
  }

  /// Whether the transaction counts: all of it does, or nothing, on every partition and for the offsets.
  private func counts(_ broker: TestBroker, _ what: Comment) async throws -> Bool {
    let records = try await broker.drain("out", isolation: .readCommitted)
    var counts = [0, 0, 0]
    for record in records where record.valueString == "second" { counts[record.partition] += 1 }
    #expect(records.filter { $0.valueString == "first" }.count == 9, what)
    let isThere = counts == [3, 3, 3]
    #expect(isThere || counts == [0, 0, 0], "\(what): \(counts)")
    #expect(broker.committed("g")[Self.source] == (isThere ? 2 : 1), what)
    #expect(try broker.admin.findHangingTransactions().isEmpty, what)
    return isThere
  }

  /// What comes after the crash: the same producer again, and another restart.
  private func goOn(_ broker: TestBroker, _ isThere: Bool, _ what: Comment) async throws {
    let next = try await broker.transactionalProducer("t")
    try await transaction(next, "third", 2).get()
    try broker.restart(after: .powerCut)
    let values = try await broker.values("out", .readCommitted)
    #expect(values.count == (isThere ? 27 : 18), what)
    #expect(broker.committed("g")[Self.source] == 2, what)
  }

  @Test(
    "at each of its steps ends in all or nothing", arguments: [TestBroker.Stop.kill, .powerCut, .tornPowerCut],
    [true, false])
  func steps(stop: TestBroker.Stop, commits: Bool) async throws {
    var outcomes: [Bool] = []
    for steps in 0..<6 {
      try await withTestBroker(powerCuts: true) { broker in
        let producer = try await prepare(broker)
        broker.broker.stopTransactions(after: steps)
        let result = await transaction(producer, "second", 2, commits: commits)
        try broker.restart(after: stop)
        let what: Comment = "\(stop) after \(steps) steps"
        let isThere = try await counts(broker, what)
        if case .success = result { #expect(isThere == commits, what) }
        outcomes.append(isThere)
        try await goOn(broker, isThere, what)
      }
    }
    // The decision is the point of no return: two steps come before it.
    #expect(outcomes == (commits ? [false, false, true, true, true, true] : Array(repeating: false, count: 6)))
  }

  @Test(
    "with any call to the disk failing from then on ends in all or nothing",
    arguments: [FaultInjector.Operation.sync, .write, .reserve, .open, .syncDirectory])
  func calls(operation: FaultInjector.Operation) async throws {
    for nth in 1...12 {
      for stop in [TestBroker.Stop.kill, .powerCut, .tornPowerCut] {
        try await withTestBroker(clock: TestClock(), powerCuts: true) { broker in
          let producer = try await prepare(broker)
          broker.faults.fail(operation, nth: nth, times: nil)
          let result = await transaction(producer, "second", 2)
          try broker.restart(after: stop)
          let what: Comment = "\(operation) \(nth), then \(stop)"
          let isThere = try await counts(broker, what)
          if case .success = result { #expect(isThere, what) }
          try await goOn(broker, isThere, what)
        }
      }
    }
  }

  @Test("and in the opening after it ends the same: the opening is begun again")
  func nested() async throws {
    for steps in 2..<5 {
      for nth in 1...8 {
        try await withTestBroker(powerCuts: true) { broker in
          let producer = try await prepare(broker)
          broker.broker.stopTransactions(after: steps)
          _ = await transaction(producer, "second", 2)
          // The opening's own syncs fail: it warns, or can't open.
          try? broker.restart(after: .kill) { $0.fail(.sync, nth: nth, times: 1) }
          try broker.restart(after: .powerCut)
          let isThere = try await counts(broker, "\(steps), \(nth)")
          #expect(isThere)
        }
      }
    }
  }

  @Test("a decision stays until its markers are on the disk, also where their sync has failed")
  func failedMarkers() async throws {
    try await withTestBroker(clock: TestClock(), powerCuts: true) { broker in
      let producer = try await prepare(broker)
      broker.faults.fail(.sync, nth: 1, times: nil)
      let result = await transaction(producer, "second", 2)
      #expect(throws: (any Error).self) { try result.get() }
      // Now the housekeeping has its turn.
      try await broker.advance(by: .seconds(5))
      try broker.restart(after: .powerCut)
      #expect(try await !counts(broker, "a failed sync, the housekeeping, a power cut"))
    }
  }

  @Test("an opening that cannot sync its markers keeps the decision, also beside later transactions")
  func failedMarkersOfRecovery() async throws {
    for nth in 1...8 {
      try await withTestBroker(clock: TestClock(), powerCuts: true) { broker in
        _ = try await prepare(broker)
        try? broker.restart(after: .powerCut) { $0.fail(.sync, nth: nth, times: 1) }
        if let next = try? await broker.transactionalProducer("t") {
          try? next.beginTransaction()
          for partition in 0..<3 {
            _ = try? await next.send(ProducerRecord(topic: "out", partition: partition, value: "other"))
          }
          try? await next.abortTransaction()
          try await broker.advance(by: .seconds(5))
        }
        try broker.restart(after: .powerCut)
        #expect(try await !counts(broker, "the \(nth). sync of the opening fails"))
      }
    }
  }
}
