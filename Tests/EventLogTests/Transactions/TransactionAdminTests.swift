import EventLog
import EventLogTesting
import Foundation
import RecordFormat
import Testing

extension TestBroker {
  /// Imports a partition as Kafka leaves it where a transaction is open: a record that counts, and two that are open from
  /// offset 1 on.
  fileprivate func importOpenTransaction(_ topic: String, producerID: Int64, epoch: Int16) throws {
    let directory = try TemporaryDirectory()
    let path = directory("\(topic)-0")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let bytes =
      CraftedBatch.batch(0, ["before"], producerID: -1, epoch: -1)
      + CraftedBatch.batch(1, ["x", "y"], producerID: producerID, epoch: epoch)
    try Data(bytes).write(to: URL(fileURLWithPath: path + "/00000000000000000000.log"))
    try admin.importPartition(from: path)
  }
}

private enum CraftedBatch {
  static func batch(_ base: Int64, _ values: [String], producerID: Int64, epoch: Int16) -> [UInt8] {
    let records = values.map { Record(value: $0, timestamp: 1000) }
    let measure = RecordBatchEncoder.measure(records.span, now: 0, accepted: .min ... .max)
    var bytes = [UInt8](repeating: 0, count: RecordBatchHeader.size + measure.payloadSize)
    var header = RecordBatchHeader(
      baseOffset: base, attributes: BatchAttributes(isTransactional: producerID >= 0),
      lastOffsetDelta: Int32(values.count - 1), baseTimestamp: 1000, maxTimestamp: 1000, producerID: producerID,
      producerEpoch: epoch, baseSequence: producerID < 0 ? -1 : 0, recordCount: Int32(values.count))
    header.batchLength = Int32(bytes.count - RecordBatchHeader.logOverhead)
    bytes.withUnsafeMutableBytes { buffer in
      guard let start = buffer.baseAddress else { return }
      RecordBatchEncoder.store(records.span, measured: measure, now: 0, at: start + RecordBatchHeader.size)
      header.seal(at: start)
    }
    return bytes
  }
}

@Suite("Transactions for the administrator")
struct TransactionAdminTests {
  private let hanging = TopicPartition("h", 0)

  @Test("are listed by name, filtered by state, producer and age, and described one by one")
  func listings() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("a", partitions: 2)
      #expect(try broker.admin.listTransactions().isEmpty)
      let open = try await broker.transactionalProducer("open", timeout: .seconds(30))
      let done = try await broker.transactionalProducer("done")
      let aborted = try await broker.transactionalProducer("aborted")
      _ = try await broker.transactionalProducer("unused")
      try await done.withTransaction { try await $0.send("a", value: "x") }
      try aborted.beginTransaction()
      try await aborted.send("a", value: "x")
      try await aborted.abortTransaction()
      try open.beginTransaction()
      #expect(try broker.admin.describeTransaction("open").state == .empty, "nothing was sent yet")
      try await broker.advance(by: .seconds(1))
      let start = try #require(broker.clock).now
      try await open.send(ProducerRecord(topic: "a", partition: 1, value: "x"))
      let listed = try broker.admin.listTransactions()
      #expect(listed.map(\.transactionalID) == ["aborted", "done", "open", "unused"])
      #expect(listed.map(\.state) == [.completeAbort, .completeCommit, .ongoing, .empty])
      let doneID = try broker.admin.describeTransaction("done").producerID
      let openID = try broker.admin.describeTransaction("open").producerID
      #expect(Set(listed.map(\.producerID)).count == 4)
      #expect(try broker.admin.listTransactions(states: [.ongoing]).map(\.transactionalID) == ["open"])
      #expect(try broker.admin.listTransactions(states: []).isEmpty)
      #expect(
        try broker.admin.listTransactions(producerIDs: [doneID, 99_999]).map(\.transactionalID) == ["done"])
      try await broker.advance(by: .seconds(5))
      #expect(try broker.admin.listTransactions(openLongerThan: .seconds(4)).map(\.transactionalID) == ["open"])
      #expect(try broker.admin.listTransactions(openLongerThan: .seconds(5)).isEmpty, "longer, not as long")

      let described = try broker.admin.describeTransactions(each: ["open", "done", "unknown", "open"])
      #expect(described.count == 3)
      #expect(errorCode(described["unknown"]) == .transactionalIDNotFound)
      let first = try #require(try described["open"]?.get())
      #expect(first.partitions == [TopicPartition("a", 1)] && first.timeout == .seconds(30))
      #expect(first.startTime == start && first.state == .ongoing && first.producerEpoch == 0)
      let second = try #require(try described["done"]?.get())
      #expect(second.partitions.isEmpty && second.startTime == nil && second.state == .completeCommit)
      #expect(errorCode { _ = try broker.admin.describeTransaction("unknown") } == .transactionalIDNotFound)

      let producers = try broker.admin.describeProducers(TopicPartition("a", 1))
      #expect(producers.map(\.currentTransactionStartOffset) == [0])
      #expect(producers.map(\.producerID) == [openID])
      try await open.commitTransaction()
      #expect(
        try broker.admin.describeProducers(TopicPartition("a", 1)).map(\.currentTransactionStartOffset) == [nil])
    }
  }

  @Test("that are open are no hanging ones as long as somebody of this store can end them")
  func owned() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      let producer = try await broker.transactionalProducer("t")
      try producer.beginTransaction()
      try await producer.send("a", value: "x")
      #expect(try broker.admin.findHangingTransactions().isEmpty)
      // Ended on one of its partitions, one ends on all of them.
      let id = try broker.admin.describeTransaction("t").producerID
      try broker.admin.abortTransaction(on: TopicPartition("a", 0), producerID: id)
      #expect(await code { try await producer.commitTransaction() } == .producerFenced)
      #expect(try await broker.values("a", .readCommitted).isEmpty)
      #expect(try broker.admin.describeTransaction("t").state == .empty)
    }
  }

  @Test("that Kafka left open are found, hold up readers, and are ended by a marker")
  func imported() async throws {
    try await withTestBroker(powerCuts: true) { broker in
      try broker.importOpenTransaction("h", producerID: 4242, epoch: 3)
      try await broker.produce("h", values: ["behind"])
      #expect(try await broker.values("h", .readCommitted) == ["before"])
      let found = try broker.admin.findHangingTransactions()
      let one = try #require(found.first)
      #expect(found.count == 1 && one.topicPartition == hanging && one.startOffset == 1)
      #expect(one.producerID == 4242 && one.producerEpoch == 3 && one.coordinatorEpoch == -1)
      let producers = try broker.admin.describeProducers(hanging)
      #expect(producers.first { $0.producerID == 4242 }?.currentTransactionStartOffset == 1)
      // No transactional.id of this store has anything to do with it, after a restart neither.
      #expect(try broker.admin.listTransactions().isEmpty)
      try broker.restart(after: .powerCut)
      #expect(try broker.admin.findHangingTransactions() == found)
      #expect(
        errorCode { try broker.admin.abortTransaction(on: hanging, producerID: 1) } == .invalidTransactionState)
      #expect(
        errorCode { try broker.admin.abortTransaction(on: TopicPartition("h", 1), producerID: 4242) }
          == .unknownTopicOrPartition)
      #expect(
        errorCode { try broker.admin.abortTransaction(on: hanging, producerID: 4242, epoch: 2) }
          == .invalidProducerEpoch)
      try broker.admin.abortTransaction(on: hanging, producerID: 4242, epoch: 3, coordinatorEpoch: 7)
      #expect(try broker.admin.findHangingTransactions().isEmpty)
      #expect(
        errorCode { try broker.admin.abortTransaction(on: hanging, producerID: 4242) } == .invalidTransactionState)
      try broker.restart(after: .powerCut)
      #expect(try await broker.values("h", .readCommitted) == ["before", "behind"])
      #expect(try await broker.values("h", .readUncommitted) == ["before", "x", "y", "behind"])
      let coordinatorEpochs = try broker.admin.describeProducers(hanging).filter { $0.producerID == 4242 }
      #expect(coordinatorEpochs.map(\.coordinatorEpoch) == [7])
    }
  }

  @Test("that Kafka left open hang, and are ended, also where a producer of this store has the same id by chance")
  func sameID() async throws {
    try await withTestBroker(powerCuts: true) { broker in
      try broker.admin.createTopic("a")
      let producer = try await broker.transactionalProducer("t")
      let id = try broker.admin.describeTransaction("t").producerID
      try producer.beginTransaction()
      try await producer.send("a", value: "own")
      try broker.importOpenTransaction("h", producerID: id, epoch: 0)
      #expect(try broker.admin.findHangingTransactions().map(\.topicPartition) == [hanging])
      try broker.admin.abortTransaction(on: hanging, producerID: id)
      #expect(try broker.admin.findHangingTransactions().isEmpty)
      #expect(try await broker.values("h", .readUncommitted) == ["before", "x", "y"])
      // The other one has nothing to do with it.
      try await producer.commitTransaction()
      #expect(try await broker.values("a", .readCommitted) == ["own"])
    }
  }

  @Test("are aborted and fenced by name; an id that is not known can be fenced, and not be aborted")
  func fencing() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("a")
      #expect(errorCode { try broker.admin.abortTransaction("unknown") } == .transactionalIDNotFound)
      let first = try await broker.transactionalProducer("first")
      let second = try await broker.transactionalProducer("second")
      for producer in [first, second] {
        try producer.beginTransaction()
        try await producer.send("a", value: "x")
      }
      try broker.admin.abortTransaction("first")
      #expect(await code { try await first.commitTransaction() } == .producerFenced)
      #expect(try broker.admin.describeTransaction("second").state == .ongoing)
      let outcome = try broker.admin.fenceProducers(each: ["second", "new", ""])
      #expect(errorCode(outcome["second"]) == nil && errorCode(outcome["new"]) == nil)
      #expect(errorCode(outcome[""]) == .illegalArgument)
      // A partition knows only that the epoch is an old one, in Kafka too.
      #expect(await code { try await second.send("a", value: "y") } == .invalidProducerEpoch)
      // As if somebody had called initTransactions: the next one is an epoch further.
      #expect(try broker.admin.describeTransaction("new").state == .empty)
      #expect(try broker.admin.describeTransaction("new").producerEpoch == 0)
      let new = try await broker.transactionalProducer("new")
      #expect(try broker.admin.describeTransaction("new").producerEpoch == 1)
      try await new.withTransaction { try await $0.send("a", value: "z") }
      #expect(try await broker.values("a", .readCommitted) == ["z"])
      try broker.admin.fenceProducers(["new"])
      #expect(
        await code { try await new.withTransaction { _ = try await $0.send("a", value: "0") } } == .producerFenced)
    }
  }

  @Test("can be looked at and not be ended where the broker is read-only")
  func readOnly() async throws {
    try await withTestBroker { broker in
      try broker.importOpenTransaction("h", producerID: 4242, epoch: 3)
      let producer = try await broker.transactionalProducer("t")
      try producer.beginTransaction()
      try await producer.send(ProducerRecord(topic: "h", partition: 0, value: "own"))
      let reader = try Broker.openReadOnly(broker.path)
      defer { try? reader.close() }
      #expect(try reader.admin.findHangingTransactions().map(\.producerID) == [4242])
      #expect(try reader.admin.listTransactions().map(\.state) == [.ongoing])
      #expect(try reader.admin.describeTransaction("t").partitions == [hanging])
      #expect(errorCode { try reader.admin.abortTransaction("t") } == .readOnly)
      #expect(errorCode { try reader.admin.abortTransaction(on: hanging, producerID: 4242) } == .readOnly)
      #expect(errorCode { try reader.admin.fenceProducers(["t"]) } == .readOnly)
      try await producer.abortTransaction()
    }
  }
}
