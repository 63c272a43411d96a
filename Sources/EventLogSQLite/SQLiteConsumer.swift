public import GRDB
internal import Synchronization

/// Processes records in transactions of the application's own database, in which also the group's offsets are kept: what is
/// done to the database and the progress commit together, or not at all. So each record takes effect exactly once, through
/// crashes of the process and of the machine.
///
/// ```swift
/// let consumer = try SQLiteConsumer(broker, group: "balances", topics: ["payments"], into: database)
/// try await consumer.run { payment, db in
///   try db.execute(sql: "UPDATE account SET balance = balance + ? WHERE id = ?", arguments: […])
/// }
/// ```
///
/// The records of one poll are one transaction. A partition goes on where the database says, and only where it says nothing
/// (a new group) as `auto.offset.reset` does. The broker is told of the progress afterwards, for tools that show the lag; what
/// it has for the group does not count. A topic that was deleted and made again begins anew. Who seeks the consumer back finds
/// it where it was: what has taken effect is not read again.
///
/// That holds for records that were sent with `acks=all`. Others may be gone after a power cut, with their effects left: the
/// partition then goes on at the log's end. Where the log has grown beyond the database's offset by then, it can't be told, and
/// the new records below that are passed over.
///
/// The naive way, to commit the offset after the effect, repeats the effect where the process dies in between; to commit it
/// before loses it.
public final class SQLiteConsumer: Sendable {
  /// The member of the group that reads. Don't poll it, nor commit with it.
  public let consumer: Consumer
  private let database: any DatabaseWriter
  private let progress: StoredProgress

  /// Subscribes, and makes the tables where they are missing.
  ///
  /// - Parameters:
  ///   - configuration: how to read; its group and automatic commits are overruled, and `maxPollRecords` says how many
  ///     records make a transaction at most. Not said, a new group begins at the log start.
  ///   - listener: told of rebalances, after the positions have been taken from the database.
  /// - Throws: as `Broker.consumer` and `Consumer.subscribe`; GRDB's errors.
  public init(
    _ broker: Broker, group: String, topics: [String], into database: any DatabaseWriter,
    configuration: ConsumerConfiguration? = nil, listener: (any RebalanceListener)? = nil
  ) throws {
    var own = configuration ?? ConsumerConfiguration()
    if configuration == nil { own.autoOffsetReset = .earliest }
    own.group = group
    own.enableAutoCommit = false
    try database.write { db in try EventLogTables.create(db) }
    self.database = database
    progress = StoredProgress(database, group: group, broker, listener)
    consumer = try broker.consumer(own)
    try consumer.subscribe(topics, listener: progress)
  }

  /// Goes on until the task is cancelled.
  ///
  /// - Parameter body: called for each record, in order within each partition, within the transaction. What it throws rolls
  ///   the transaction back, and is thrown; to call `run` again begins with the same records.
  /// - Throws: `CancellationError`; what `Consumer.poll` and `body` throw; GRDB's errors.
  public func run(_ body: @escaping @Sendable (ConsumerRecord, Database) throws -> Void) async throws {
    while true { try await step(body) }
  }

  /// One poll, and the transaction of what it returned. See `run`.
  ///
  /// - Returns: how many records took effect: 0 where none came within `timeout`, or where the partitions were somebody
  ///   else's meanwhile.
  @discardableResult
  public func step(
    timeout: Duration = .seconds(1), _ body: @escaping @Sendable (ConsumerRecord, Database) throws -> Void
  ) async throws -> Int {
    let records = try await consumer.poll(timeout: timeout)
    guard !records.isEmpty else { return 0 }
    let progress = progress
    let next: [TopicPartition: Int64]
    do {
      next = try await database.write { db in
        let next = try progress.advance(over: records, db)
        for batch in records.batches where next[batch.topicPartition] != nil {
          for record in batch { try body(record, db) }
        }
        return next
      }
    } catch {
      // As if they had not been polled. A partition that is somebody else's by now is theirs to read.
      for (partition, offset) in Self.first(records) { try? consumer.seek(partition, to: offset) }
      throw error
    }
    progress.advanced(to: next)
    // Where somebody else has got further with a partition that this consumer still believes to have.
    try await progress.resume(records.partitions.filter { next[$0] == nil }, of: consumer)
    if !next.isEmpty { try? consumer.commitAsync(next.mapValues { OffsetAndMetadata($0) }) }
    return records.batches.reduce(0) { next[$1.topicPartition] == nil ? $0 : $0 + $1.count }
  }

  /// Leaves the group.
  public func close() async throws { try await consumer.close() }

  private static func first(_ records: ConsumerRecords) -> [TopicPartition: Int64] {
    var first: [TopicPartition: Int64] = [:]
    for record in records where first[record.topicPartition] == nil { first[record.topicPartition] = record.offset }
    return first
  }
}

/// The offsets in the application's database, and what this consumer believes them to be.
///
/// Whoever processes records of a partition moves its offset on in the same transaction, and only from where he believes it
/// to be: of two that believe to have the same partition, one finds that the other was there before.
final class StoredProgress: RebalanceListener {
  private let database: any DatabaseWriter
  private let group: String
  private let broker: Broker
  private let listener: (any RebalanceListener)?
  private let believed = Mutex<[TopicPartition: Stored]>([:])

  /// An offset, or nil where there is none yet, and the id of the topic that it is of.
  private struct Stored: Sendable, Equatable {
    var topicID: String
    var offset: Int64?
  }

  init(_ database: any DatabaseWriter, group: String, _ broker: Broker, _ listener: (any RebalanceListener)?) {
    self.database = database
    self.group = group
    self.broker = broker
    self.listener = listener
  }

  // MARK: As a listener

  func partitionsAssigned(_ partitions: [TopicPartition], to consumer: Consumer) async throws {
    try await resume(Set(partitions), of: consumer)
    try await listener?.partitionsAssigned(partitions, to: consumer)
  }

  func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
    try await listener?.partitionsRevoked(partitions, from: consumer)
  }

  func partitionsLost(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
    try await listener?.partitionsLost(partitions, from: consumer)
  }

  /// Has the consumer go on where the database says.
  func resume(_ partitions: Set<TopicPartition>, of consumer: Consumer) async throws {
    guard !partitions.isEmpty else { return }
    // Where this fails, the consumer stands wherever it does: nothing that it reads is to take effect before this is made good.
    believed.withLock { believed in for partition in partitions { believed[partition] = nil } }
    var ids: [TopicPartition: String] = [:]
    for partition in partitions { ids[partition] = try broker.admin.describeTopic(partition.topic).id }
    let known = ids
    var stored = try await database.read { [self] db in try self.stored(known, db) }
    if !beyondEnd(stored).isEmpty {
      stored = try await database.write { [self] db in try lowered(known, db) }
    }
    let found = stored
    believed.withLock { $0.merge(found) { $1 } }
    for (partition, stored) in stored where consumer.assignment.contains(partition) {
      if let offset = stored.offset {
        try consumer.seek(partition, to: offset)
      } else {
        try consumer.seekToReset([partition])
      }
    }
  }

  private func stored(_ ids: [TopicPartition: String], _ db: Database) throws -> [TopicPartition: Stored] {
    var stored: [TopicPartition: Stored] = [:]
    for (partition, id) in ids {
      stored[partition] = Stored(topicID: id, offset: try offset(of: partition, topicID: id, db))
    }
    return stored
  }

  /// The log ends that lie before the stored offsets: the log has lost what took effect. To be called after these were read, since
  /// others go on meanwhile.
  private func beyondEnd(_ stored: [TopicPartition: Stored]) -> [TopicPartition: Int64] {
    var ends: [TopicPartition: Int64] = [:]
    for (partition, stored) in stored {
      // A partition that can't be asked can't be read either: the next poll says why.
      guard let offset = stored.offset, let end = try? broker.admin.listOffset(partition, .latest)?.offset, end < offset
      else { continue }
      ends[partition] = end
    }
    return ends
  }

  /// What is stored, brought back to the log's end where it lies beyond. Left as it is, the next records at those offsets would
  /// never take effect; and a position out of range would begin anew.
  private func lowered(_ ids: [TopicPartition: String], _ db: Database) throws -> [TopicPartition: Stored] {
    var stored = try stored(ids, db)
    for (partition, end) in beyondEnd(stored) {
      guard let topicID = stored[partition]?.topicID else { continue }
      try store(end, of: partition, topicID: topicID, db)
      stored[partition]?.offset = end
    }
    return stored
  }

  // MARK: In a transaction

  /// Moves the offsets of what was polled on, but for partitions whose offset is not where it is believed to be, or of which
  /// records were polled that lie before it.
  ///
  /// - Returns: where each partition goes on that was moved.
  func advance(over records: ConsumerRecords, _ db: Database) throws -> [TopicPartition: Int64] {
    let believed = believed.withLock { $0 }
    var polled: [TopicPartition: Range<Int64>] = [:]
    for batch in records.batches {
      polled[batch.topicPartition] = (polled[batch.topicPartition] ?? batch.offsets).lowerBound..<batch.nextOffset
    }
    var next: [TopicPartition: Int64] = [:]
    for (partition, offsets) in polled {
      guard let stored = believed[partition], stored.offset ?? 0 <= offsets.lowerBound,
        try offset(of: partition, topicID: stored.topicID, db) == stored.offset
      else { continue }
      try store(offsets.upperBound, of: partition, topicID: stored.topicID, db)
      next[partition] = offsets.upperBound
    }
    return next
  }

  /// The transaction that moved them has committed.
  func advanced(to next: [TopicPartition: Int64]) {
    believed.withLock { believed in
      for (partition, offset) in next { believed[partition]?.offset = offset }
    }
  }

  private func store(_ offset: Int64, of partition: TopicPartition, topicID: String, _ db: Database) throws {
    try db.execute(
      sql: """
        INSERT OR REPLACE INTO eventlog_offset ("group", topic, topic_id, partition, "offset") VALUES (?, ?, ?, ?, ?)
        """, arguments: [group, partition.topic, topicID, partition.partition, offset])
  }

  private func offset(of partition: TopicPartition, topicID: String, _ db: Database) throws -> Int64? {
    try Int64.fetchOne(
      db,
      sql: """
        SELECT "offset" FROM eventlog_offset WHERE "group" = ? AND topic = ? AND partition = ? AND topic_id = ?
        """, arguments: [group, partition.topic, partition.partition, topicID])
  }
}
