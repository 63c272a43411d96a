import Foundation
import RecordFormat
import SegmentStore
import Testing

extension PartitionLog {
  /// Appends records of a producer with an id as one batch.
  @discardableResult
  func append(
    _ values: [String], by id: Int64, epoch: Int16 = 0, sequence: Int32 = ProducerStamp.following,
    transactional: Bool = false, timestamp: Int64? = nil
  ) throws -> AppendResult {
    let records = values.map { Record(key: "k", value: $0, timestamp: timestamp) }
    return try append(
      records: records.span,
      AppendOptions(
        isDurable: false,
        producer: ProducerStamp(id: id, epoch: epoch, sequence: sequence, isTransactional: transactional)))
  }

  @discardableResult
  func end(_ kind: ControlRecord.Kind, _ id: Int64, epoch: Int16 = 0, coordinator: Int32 = 0) throws -> Int64 {
    try appendMarker(
      ControlRecord(kind: kind, coordinatorEpoch: coordinator), producerID: id, producerEpoch: epoch
    ).baseOffset
  }

  /// What a reader with `read_committed` gets.
  func committedValues() throws -> [Int64: String] {
    var result: [Int64: String] = [:]
    var next = logStartOffset
    while next < lastStableOffset {
      let fetched = try read(from: next, maxBytes: 200, isolation: .readCommitted)
      for batch in fetched.batches {
        let records = try batch.records()
        var cursor = records.makeCursor()
        while cursor.advance() {
          let start = cursor.record.valueStart
          let bytes = records.region.bytes(start..<(start + max(0, cursor.record.valueCount)))
          let offset = batch.header.baseOffset + Int64(cursor.record.offsetDelta)
          if offset >= next { result[offset] = String(decoding: bytes, as: UTF8.self) }
        }
      }
      guard fetched.nextOffset > next else { break }
      next = fetched.nextOffset
    }
    return result
  }
}

@Suite("Sequence numbers of a producer")
final class ProducerSequenceTests {
  private let directory: TemporaryDirectory
  private let test: TestLog
  private let log: PartitionLog

  init() throws {
    directory = try TemporaryDirectory()
    test = TestLog(directory.path)
    log = try test.open()
  }

  deinit {
    test.context.shutDown()
  }

  private func expect(_ code: EventLogError.Code, _ body: () throws -> Void) {
    let end = log.logEndOffset
    let error = #expect(throws: EventLogError.self) { try body() }
    #expect(error?.code == code)
    #expect(error?.partition == 0)
    #expect(log.logEndOffset == end, "nothing is appended")
  }

  @Test("go on from batch to batch, whether they are said or not")
  func order() throws {
    #expect(try log.append(["a", "b"], by: 1, sequence: 0).baseOffset == 0)
    #expect(try log.append(["c"], by: 1).baseOffset == 2)
    #expect(try log.append(["d"], by: 1, sequence: 3).baseOffset == 3)
    expect(.outOfOrderSequenceNumber) { try log.append(["x"], by: 1, sequence: 5) }
    expect(.outOfOrderSequenceNumber) { try log.append(["x", "y"], by: 1, sequence: 3) }
    #expect(log.producers().map(\.lastSequence) == [3])
  }

  @Test("of one of the last five batches are answered with its offsets and its timestamp, and nothing is appended")
  func duplicates() throws {
    var results: [AppendResult] = []
    for number in 0..<6 {
      results.append(try log.append(["a", "b"], by: 1, sequence: Int32(number * 2), timestamp: 1000 + Int64(number)))
      try log.append(["other"], by: 2)
    }
    let end = log.logEndOffset
    for number in 1..<6 {
      let again = try log.append(["a", "b"], by: 1, sequence: Int32(number * 2))
      #expect(again.baseOffset == results[number].baseOffset)
      #expect(again.lastOffset == results[number].lastOffset)
      #expect(again.now == 1000 + Int64(number))
    }
    #expect(log.logEndOffset == end)
    expect(.outOfOrderSequenceNumber) { try log.append(["a", "b"], by: 1, sequence: 0) }
    expect(.outOfOrderSequenceNumber) { try log.append(["a"], by: 1, sequence: 10) }
    expect(.outOfOrderSequenceNumber) { try log.append(["a", "b"], by: 1, sequence: 9) }
  }

  @Test("of a producer that is not known may be any")
  func unknown() throws {
    try log.append(["a"], by: 9, epoch: 4, sequence: 77)
    try log.append(["b"], by: 9, epoch: 4, sequence: 78)
    #expect(log.producers().map(\.lastSequence) == [78])
  }

  @Test("are followed by 0 after 2147483647, within a batch too", arguments: [Int32.max - 1, .max])
  func wrap(first: Int32) throws {
    try log.append(["a", "b"], by: 1, sequence: first)
    let next: Int32 = first == .max ? 1 : 0
    #expect(log.producers().map(\.lastSequence) == [first == .max ? 0 : .max])
    expect(.outOfOrderSequenceNumber) { try log.append(["x"], by: 1, sequence: next + 1) }
    let again = try log.append(["a", "b"], by: 1, sequence: first)
    #expect(again.baseOffset == 0, "the batch around the end is remembered")
    try log.append(["c"], by: 1, sequence: next)
    try log.append(["d"], by: 1)
    #expect(log.producers().map(\.lastSequence) == [next + 1])
  }

  @Test("begin with 0 in a new epoch, and the old epoch is refused from then on")
  func epochs() throws {
    try log.append(["a"], by: 1, epoch: 3, sequence: 0)
    expect(.outOfOrderSequenceNumber) { try log.append(["b"], by: 1, epoch: 4, sequence: 1) }
    try log.append(["b"], by: 1, epoch: 4, sequence: 0)
    expect(.invalidProducerEpoch) { try log.append(["c"], by: 1, epoch: 3, sequence: 1) }
    expect(.invalidProducerEpoch) { try log.append(["a"], by: 1, epoch: 3, sequence: 0) }
    #expect(log.producers().map(\.producerEpoch) == [4])
  }

  @Test("begin with 0 after a marker of a newer epoch, also where nothing was written before")
  func markerFences() throws {
    try log.append(["a"], by: 1, sequence: 0)
    try log.end(.abort, 1, epoch: 1)
    expect(.invalidProducerEpoch) { try log.append(["b"], by: 1, sequence: 1) }
    expect(.outOfOrderSequenceNumber) { try log.append(["b"], by: 1, epoch: 1, sequence: 1) }
    try log.append(["b"], by: 1, epoch: 1, sequence: 0)
    try log.end(.commit, 2, epoch: 5)
    expect(.outOfOrderSequenceNumber) { try log.append(["c"], by: 2, epoch: 5, sequence: 1) }
    try log.append(["c"], by: 2, epoch: 5)
    #expect(log.producers().map(\.lastSequence) == [0, 0])
  }

  @Test("go on after a marker of the same epoch")
  func markerOfSameEpoch() throws {
    try log.append(["a"], by: 1, sequence: 0, transactional: true)
    try log.end(.commit, 1)
    expect(.outOfOrderSequenceNumber) { try log.append(["b"], by: 1, sequence: 2, transactional: true) }
    try log.append(["b"], by: 1, sequence: 1, transactional: true)
  }

  @Test("leave no snapshots behind, however often a log is closed, opened and left by a process that dies")
  func straySnapshots() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    var checkpoint = PartitionCheckpoint()
    for _ in 0..<4 {
      let closed = try test.open(checkpoint)
      try closed.append(["a"], by: 7)
      checkpoint = try closed.close()
      let killed = try test.open(checkpoint, wasClean: true)
      try killed.append(["b"], by: 7)
      killed.abandon(EventLogError(.illegalState, "killed"))
    }
    let again = try test.open(checkpoint)
    #expect(again.nextSequence(of: 7)?.sequence == 8)
    let names = try FileManager.default.contentsOfDirectory(atPath: test.directory)
    #expect(names.filter { $0.hasSuffix(".snapshot") } == ["00000000000000000007.snapshot"])
    _ = try again.close()
  }

  @Test("are known after a stop: those of the last batch after a clean one, of five after another")
  func survive() throws {
    var offsets: [Int64] = []
    for number in 0..<4 { offsets.append(try log.append(["a"], by: 1, sequence: Int32(number)).baseOffset) }
    let checkpoint = try log.close()
    let reopened = try test.open(checkpoint, wasClean: true)
    #expect(try reopened.append(["a"], by: 1, sequence: 3).baseOffset == offsets[3])
    #expect(throws: EventLogError.self) { try reopened.append(["a"], by: 1, sequence: 2) }
    for number in 4..<7 { offsets.append(try reopened.append(["a"], by: 1, sequence: Int32(number)).baseOffset) }
    reopened.abandon(EventLogError(.illegalState, "killed"))
    let recovered = try test.open()
    for number in 4..<7 {
      #expect(try recovered.append(["a"], by: 1, sequence: Int32(number)).baseOffset == offsets[number])
    }
    #expect(recovered.logEndOffset == 7)
    _ = try recovered.close()
  }
}

@Suite("A transaction on a partition")
final class PartitionTransactionTests {
  private let directory: TemporaryDirectory
  private let test: TestLog
  private let log: PartitionLog

  init() throws {
    directory = try TemporaryDirectory()
    test = TestLog(directory.path)
    log = try test.open()
  }

  deinit {
    test.context.shutDown()
  }

  @Test("holds the last stable offset until it ends, and the earliest one counts")
  func lastStableOffset() throws {
    try log.append("plain 0")
    #expect(log.lastStableOffset == 1)
    try log.append(["one 1"], by: 1, transactional: true)
    try log.append("plain 2")
    try log.append(["two 3"], by: 2, transactional: true)
    try log.append(["one 4"], by: 1, transactional: true)
    #expect(log.lastStableOffset == 1)
    #expect(try log.committedValues() == [0: "plain 0"])
    #expect(try log.end(.abort, 2) == 5)
    #expect(log.lastStableOffset == 1, "a later one that ends first changes nothing")
    try log.append(["two 6"], by: 2, transactional: true)
    #expect(try log.end(.commit, 1) == 7)
    #expect(log.lastStableOffset == 6)
    #expect(try log.committedValues() == [0: "plain 0", 1: "one 1", 2: "plain 2", 4: "one 4"])
    try log.end(.commit, 2)
    #expect(log.lastStableOffset == 9)
    #expect(
      try log.committedValues() == [0: "plain 0", 1: "one 1", 2: "plain 2", 4: "one 4", 6: "two 6"])
    #expect(try log.values().count == 6, "read_uncommitted sees all but the markers")
    #expect(
      log.abortedTransactions(from: 0, below: 9) == [
        AbortedTransaction(producerID: 2, firstOffset: 3, lastOffset: 5, lastStableOffset: 1)
      ])
  }

  @Test("is not stable before its marker is to be seen, and the log start holds below")
  func hiddenMarker() throws {
    try log.append(["a"], by: 1, transactional: true)
    #expect(log.highWatermark == 1)
    let marker = ControlRecord(kind: .commit, coordinatorEpoch: 0)
    let result = try log.appendMarker(marker, producerID: 1, producerEpoch: 0, isDurable: true)
    #expect(log.highWatermark == 1, "the marker is not on the disk")
    #expect(log.lastStableOffset == 0)
    try log.waitUntilDurable(upTo: result.nextOffset)
    #expect(log.lastStableOffset == 2)
    try log.append(["b"], by: 1, transactional: true)
    try log.append("c")
    #expect(log.lastStableOffset == 2)
    try log.advanceLogStart(to: 4)
    #expect(log.lastStableOffset == 4)
  }

  @Test("refuses plain batches of its producer, and markers of an older coordinator or epoch")
  func refusals() throws {
    try log.append(["a"], by: 1, epoch: 2, transactional: true)
    func code(_ body: () throws -> Void) -> EventLogError.Code? {
      #expect(throws: EventLogError.self, performing: body)?.code
    }
    #expect(code { try log.append(["b"], by: 1, epoch: 2) } == .invalidTransactionState)
    #expect(code { try log.append(["b"], by: 1, epoch: 3) } == .invalidTransactionState)
    #expect(code { try log.end(.commit, 1, epoch: 1) } == .invalidProducerEpoch)
    try log.end(.commit, 1, epoch: 2, coordinator: 4)
    #expect(code { try log.end(.commit, 1, epoch: 2, coordinator: 3) } == .transactionCoordinatorFenced)
    #expect(log.logEndOffset == 2)
  }

  @Test("that is empty is ended by a marker, and indexed nowhere")
  func empty() throws {
    try log.end(.abort, 1)
    #expect(log.lastStableOffset == 1)
    #expect(log.abortedTransactions(from: 0, below: .max).isEmpty)
    #expect(try Files.list(test.directory, ".txnindex").isEmpty)
  }

  @Test("that was aborted is in the index file at once, and found by a reader in another process")
  func reader() throws {
    try log.append(["a"], by: 1, transactional: true)
    let reader = PartitionReader(
      TopicPartition("t", 0), directory: test.directory, logStartOffset: 0, fileSystem: LocalFileSystem())
    #expect(try reader.lastStableOffset() == 0)
    #expect(try reader.read(from: 0, maxBytes: 1000, isolation: .readCommitted).batches.isEmpty)
    try log.end(.abort, 1)
    try log.append(["b"], by: 1, transactional: true)
    try log.end(.commit, 1)
    try log.append(["c"], by: 2, transactional: true)
    #expect(try Files.read(test.directory + "/00000000000000000000.txnindex").count == 34)
    #expect(try reader.lastStableOffset() == 4)
    #expect(try reader.producers() == log.producers())
    let fetched = try reader.read(from: 0, maxBytes: 1000, isolation: .readCommitted)
    #expect(fetched.batches.map(\.header.baseOffset) == [2])
    #expect(fetched.nextOffset == 4)
  }
}

@Suite("What is known of a producer expires")
struct ProducerExpirationTests {
  private func open(_ root: String, _ time: ManualTime) throws -> (StoreContext, PartitionLog) {
    let context = StoreContext(time: .manual(time), producerIDExpiration: 1000)
    let log = try PartitionLog(
      TopicPartition("t", 0), directory: root + "/t-0", topicID: "KJpvEw0zRGiHMBFLkACnpQ", configuration: .init(),
      checkpoint: .init(), wasClean: false, context: context)
    return (context, log)
  }

  @Test("after producer.id.expiration.ms, never while its transaction is open, and never where it has a name")
  func expires() throws {
    let directory = try TemporaryDirectory()
    let time = ManualTime(wallMilliseconds: 1_000_000)
    let (context, log) = try open(directory.path, time)
    defer { context.shutDown() }
    context.keepProducer(3)
    try log.append(["a"], by: 1, sequence: 0, timestamp: 5)
    try log.append(["b"], by: 2, transactional: true)
    try log.append(["c"], by: 3)
    time.advance(milliseconds: 999)
    log.expireProducers()
    #expect(log.producers().map(\.producerID) == [1, 2, 3], "however old the records say they are")
    time.advance(milliseconds: 1)
    log.expireProducers()
    #expect(log.producers().map(\.producerID) == [2, 3])
    #expect(try log.append(["a"], by: 1, sequence: 0).baseOffset == 3, "a late retry is appended again")
    try log.end(.commit, 2)
    time.advance(milliseconds: 1000)
    log.expireProducers()
    #expect(log.producers().map(\.producerID) == [3])
    _ = try log.close()
  }
}
