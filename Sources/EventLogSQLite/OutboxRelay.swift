public import GRDB
internal import Dispatch

/// Moves what an application put into its outbox (`Database.enqueue`) into the log: each record exactly once, and in order
/// within its partition, through crashes on either side.
///
/// ```swift
/// let relay = try OutboxRelay(database, to: broker)
/// try await relay.run()   // until the task is cancelled
/// ```
///
/// How: before a row goes anywhere, the database is told, durably, which partition it goes to, and as which record of that
/// partition. The relay is a producer with a name (`ProducerConfiguration.name`), which numbers its records in each partition;
/// after a crash the log says how many of them it has, so that a row that was written and not yet removed is not written
/// again. One relay serves an outbox at a time: making another one fences the first.
///
/// The naive way, to send after the commit, loses the record where the process dies in between; to send before it writes
/// records of transactions that are then rolled back; and to remember nothing writes twice after a crash.
public final class OutboxRelay: Sendable {
  public let outbox: String
  /// How many rows are moved in one go, at most.
  public let batchSize: Int
  private let database: any DatabaseWriter
  private let broker: Broker
  private let producer: Producer
  /// Appends wait for the disk: on a thread of their own, not on one of Swift's.
  private let thread = DispatchQueue(label: "eventlog.outbox")

  /// Makes the tables where they are missing, and takes the outbox over from a relay that had it before.
  ///
  /// - Parameters:
  ///   - outbox: as `Database.enqueue` was told.
  ///   - batchSize: 500 if not said; from 1.
  /// - Throws: `illegalArgument`; as `Broker.producer`; GRDB's errors.
  public init(
    _ database: any DatabaseWriter, to broker: Broker, outbox: String = "outbox", batchSize: Int = 500
  ) throws {
    guard !outbox.isEmpty, batchSize >= 1 else {
      throw EventLogError(.illegalArgument, "an outbox has a name, and a batch at least one row")
    }
    self.outbox = outbox
    self.batchSize = batchSize
    self.database = database
    self.broker = broker
    var configuration = ProducerConfiguration()
    configuration.name = "outbox/" + outbox
    // The topic says how large a record may be.
    configuration.maxRequestSize = Int(Int32.max)
    configuration.bufferMemory = .max
    producer = try broker.producer(configuration)
    try database.write { db in try EventLogTables.create(db) }
  }

  /// Moves what is committed, and what comes, until the task is cancelled. It is woken by commits of this `DatabaseWriter`;
  /// what another process commits is moved with the next of them, or when `moveCommitted` is called.
  ///
  /// - Throws: `CancellationError`; else as `moveCommitted`. It may be called again: nothing is lost.
  public func run() async throws {
    let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let observation = DatabaseRegionObservation(tracking: Table("eventlog_outbox")).start(in: database) { _ in
      continuation.finish()
    } onChange: { _ in
      continuation.yield()
    }
    defer { observation.cancel() }
    continuation.yield()
    for await _ in changes {
      try Task.checkCancellation()
      try await moveCommitted()
    }
    try Task.checkCancellation()
    throw EventLogError(.storageError, "the database can't be observed any more")
  }

  /// Moves everything that is committed now.
  ///
  /// - Returns: how many records were moved.
  /// - Throws: `unknownTopicOrPartition`, `messageTooLarge` and other errors of `Producer.append`, where a row can't be
  ///   written: it stays, and those behind it, until what is wrong is put right or the row is deleted; `producerFenced` where
  ///   another relay has the outbox; GRDB's errors.
  @discardableResult
  public func moveCommitted() async throws -> Int {
    var moved = 0
    while true {
      try Task.checkCancellation()
      let count = try await onThread { [self] in try moveBatch() }
      guard count > 0 else { return moved }
      moved += count
    }
  }

  /// Moves the next rows. All of it on the relay's thread: nothing is to be appended, by another call of `moveCommitted`, between
  /// the moment when the log is asked how far it is and the one when the rows' places are in the database.
  private func moveBatch() throws -> Int {
    let runs = try database.write { db in try EventLogTables.explaining { try plan(db) } }
    for run in runs { try append(run) }
    let ids = runs.flatMap { $0.written + $0.rows.map(\.id) }
    guard !ids.isEmpty else { return 0 }
    try database.write { db in try OutboxRow.delete(ids, db) }
    return ids.count
  }

  /// Ends the relay. Rows that are not moved stay.
  public func close() async throws { try await producer.close() }

  /// The next rows by partition, each with its place: before it goes there, so that a relay which comes after a crash sends it to
  /// the same place, or knows that it is there.
  ///
  /// The rows that the log does not have take the numbers that follow, without a gap. Where one was deleted that had its number,
  /// those behind it move up, in the database too: a number that is below the log's next is that of a row which the log has.
  private func plan(_ db: Database) throws -> [OutboxRow.Run] {
    var runs: [TopicPartition: OutboxRow.Run] = [:]
    var counts: [String: Int] = [:]
    for var row in try OutboxRow.oldest(batchSize, of: outbox, db) {
      if row.sequence == nil {
        let count = try counts[row.topic] ?? partitionCount(of: row.topic)
        counts[row.topic] = count
        row.partition = try partition(of: row, count: count)
      }
      let topicPartition = TopicPartition(row.topic, row.partition ?? 0)
      var run =
        try runs.removeValue(forKey: topicPartition)
        ?? OutboxRow.Run(topicPartition: topicPartition, first: producer.nextSequence(of: topicPartition))
      if run.isWritten(row) {
        run.written.append(row.id)
      } else {
        try row.place(at: run.next, db)
        run.rows.append(row)
      }
      runs[topicPartition] = run
    }
    return runs.values.sorted { $0.topicPartition < $1.topicPartition }
  }

  private func partitionCount(of topic: String) throws -> Int {
    try broker.admin.describeTopic(topic).partitions.count
  }

  /// As the producer would choose; rows without a key take turns.
  private func partition(of row: OutboxRow, count: Int) throws -> Int {
    if let partition = row.partition {
      guard partition < count else {
        throw EventLogError(
          .unknownTopicOrPartition, "row \(row.id) of the outbox names a partition that the topic does not have",
          topic: row.topic, partition: partition)
      }
      return partition
    }
    guard let key = row.record.key else { return Int(row.id % Int64(count)) }
    return BuiltInPartitioner.partition(forKey: key, partitionCount: count)
  }

  /// Appends what the log does not have yet.
  private func append(_ run: OutboxRow.Run) throws {
    // Whoever appended the others may not have seen them reach the disk.
    if run.rows.isEmpty { try producer.waitUntilDurable(run.topicPartition) }
    var rest = run.rows[...]
    while let first = rest.first {
      // A record that the topic refuses keeps no other from being written that comes before it.
      var size = 0
      let fitting = rest.prefix { row in
        size += 64 + (row.record.key?.count ?? 0) + (row.record.value?.count ?? 0) + Self.size(row.record.headers)
        return size <= Self.batchBytes
      }
      let batch = fitting.isEmpty ? rest.prefix(1) : fitting
      do {
        try producer.append(batch.map(\.record), to: run.topicPartition, sequence: first.sequence ?? 0)
      } catch var error as EventLogError {
        error.message = "rows \(first.id) to \(batch.last?.id ?? first.id) of the outbox: " + error.message
        throw error
      }
      rest = rest.dropFirst(batch.count)
    }
  }

  /// The records of a batch come to no more than this: well below what a topic takes by default.
  private static let batchBytes = 512 << 10

  private static func size(_ headers: [RecordHeader]) -> Int {
    headers.reduce(0) { $0 + $1.key.utf8.count + ($1.value?.count ?? 0) + 10 }
  }

  private func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      thread.async { continuation.resume(with: Swift.Result { try body() }) }
    }
  }
}
