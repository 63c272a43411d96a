internal import Foundation
internal import GRDB
package import RecordFormat

/// A `transactional.id` as it is stored.
package struct StoredTransaction: Sendable, Equatable {
  /// How the last transaction stands. One that is open is not stored: the logs tell of it, and who had it open is gone when
  /// anybody asks.
  package enum State: Int, Sendable {
    case empty = 0
    case prepareCommit = 2
    case completeCommit = 4
    case completeAbort = 5
  }

  /// What a transaction wrote to a partition: the offset of its first record, and the one after its last.
  package struct Written: Sendable, Equatable {
    package var firstOffset: Int64
    package var endOffset: Int64

    package init(firstOffset: Int64, endOffset: Int64) {
      self.firstOffset = firstOffset
      self.endOffset = endOffset
    }
  }

  package var id: String
  package var producerID: Int64
  package var epoch: Int16
  package var state: State
  /// Milliseconds.
  package var timeout: Int64
  /// Milliseconds since 1970, of the transaction that was decided.
  package var startedAt: Int64?
  /// Milliseconds since 1970.
  package var updatedAt: Int64
  /// Where markers have to be, in the state `prepareCommit`.
  package var partitions: [PartitionID: Written]

  package init(
    id: String, producerID: Int64, epoch: Int16, state: State, timeout: Int64, startedAt: Int64? = nil,
    updatedAt: Int64, partitions: [PartitionID: Written] = [:]
  ) {
    self.id = id
    self.producerID = producerID
    self.epoch = epoch
    self.state = state
    self.timeout = timeout
    self.startedAt = startedAt
    self.updatedAt = updatedAt
    self.partitions = partitions
  }

  /// Whether it decides to commit the transaction that a partition has open from `start` on, and not one that came after.
  package func decides(on partition: PartitionID, from start: Int64) -> Bool {
    guard state == .prepareCommit, let written = partitions[partition] else { return false }
    return start >= written.firstOffset && start < written.endOffset
  }
}

/// A producer with a name, which keeps its id.
package struct NamedProducer: Sendable, Equatable {
  package var name: String
  package var producerID: Int64
  /// Milliseconds since 1970.
  package var createdAt: Int64

  package init(name: String, producerID: Int64, createdAt: Int64) {
    self.name = name
    self.producerID = producerID
    self.createdAt = createdAt
  }
}

/// What is written together: committed offsets of groups, the states of transactions that they are part of, and what else there
/// is to say of groups.
package struct MetadataChange: Sendable {
  package var offsets: [(group: String, offsets: [PartitionID: CommittedOffset])] = []
  package var transactions: [StoredTransaction] = []
  /// Transactional ids to forget.
  package var expired: [String] = []
  package var groups: [GroupMetadata] = []

  package init() {}

  /// Adds what is to be written after this. Of a group that commits again and again, the last offset of each partition is left.
  package mutating func append(_ other: MetadataChange) {
    for commit in other.offsets {
      if let last = offsets.indices.last, offsets[last].group == commit.group {
        offsets[last].offsets.merge(commit.offsets) { $1 }
      } else {
        offsets.append(commit)
      }
    }
    transactions += other.transactions
    expired += other.expired
    groups += other.groups
  }

  package var isEmpty: Bool { offsets.isEmpty && transactions.isEmpty && expired.isEmpty && groups.isEmpty }
  /// The offset of a single partition, where that is all there is to write.
  fileprivate var onlyOffset: (group: String, CommittedPosition)? {
    guard offsets.count == 1, offsets[0].offsets.count == 1, transactions.isEmpty, expired.isEmpty, groups.isEmpty
    else { return nil }
    return offsets[0].offsets.first.map { (offsets[0].group, ($0.key, $0.value)) }
  }
}

extension MetadataStore {
  /// Writes all of it, in order, in one SQLite transaction: the decision of a transaction and its offsets become durable
  /// together, or not at all.
  package func write(_ change: MetadataChange) throws(EventLogError) {
    guard !change.isEmpty else { return }
    if let (group, position) = change.onlyOffset { return try commit(group, [position]) }
    try write { db in
      try save(change.offsets, db)
      for transaction in change.transactions { try save(transaction, db) }
      for id in change.expired {
        try db.execute(sql: "DELETE FROM transactional_id WHERE id = ?", arguments: [id])
      }
      for group in change.groups { try save(group, db) }
    }
  }

  private func save(_ transaction: StoredTransaction, _ db: Database) throws {
    try db.cachedStatement(sql: "DELETE FROM transaction_partition WHERE transactional_id = ?").execute(
      arguments: [transaction.id])
    try db.cachedStatement(
      sql: """
        INSERT INTO transactional_id VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET producer_id = excluded.producer_id, epoch = excluded.epoch,
          state = excluded.state, timeout_ms = excluded.timeout_ms, started_at = excluded.started_at,
          updated_at = excluded.updated_at
        """
    ).execute(arguments: [
      transaction.id, transaction.producerID, transaction.epoch, transaction.state.rawValue, transaction.timeout,
      transaction.startedAt, transaction.updatedAt,
    ])
    guard !transaction.partitions.isEmpty else { return }
    // A topic that was deleted meanwhile is passed over.
    let statement = try db.cachedStatement(
      sql: "INSERT INTO transaction_partition SELECT ?, id, ?, ?, ? FROM topic WHERE id = ? AND NOT is_deleting")
    for (partition, written) in transaction.partitions {
      try statement.execute(arguments: [
        transaction.id, partition.partition, written.firstOffset, written.endOffset, Data(partition.topic.bytes),
      ])
    }
  }

  /// All transactional ids. None where the file is of a version that did not have them, and was opened to be read only.
  package func transactions() throws(EventLogError) -> [StoredTransaction] {
    try read { db in
      guard try db.tableExists("transactional_id") else { return [] }
      var partitions: [String: [PartitionID: StoredTransaction.Written]] = [:]
      for row in try Row.fetchAll(db, sql: "SELECT * FROM transaction_partition") {
        guard let topic = TopicID(bytes: row["topic"] as Data) else { continue }
        partitions[row["transactional_id"], default: [:]][PartitionID(topic, row["partition"])] = .init(
          firstOffset: row["first_offset"], endOffset: row["end_offset"])
      }
      return try Row.fetchAll(db, sql: "SELECT * FROM transactional_id ORDER BY id").map { row in
        let id: String = row["id"]
        let number: Int = row["state"]
        guard let state = StoredTransaction.State(rawValue: number) else {
          throw EventLogError(
            .metadataError, "transactional id \(id) is in state \(number), which does not exist", file: path)
        }
        return StoredTransaction(
          id: id, producerID: row["producer_id"], epoch: row["epoch"], state: state, timeout: row["timeout_ms"],
          startedAt: row["started_at"], updatedAt: row["updated_at"], partitions: partitions[id] ?? [:])
      }
    }
  }

  // MARK: Producers

  package func namedProducers() throws(EventLogError) -> [NamedProducer] {
    try read { db in
      guard try db.tableExists("named_producer") else { return [] }
      return try Row.fetchAll(db, sql: "SELECT * FROM named_producer ORDER BY name").map { row in
        NamedProducer(name: row["name"], producerID: row["producer_id"], createdAt: row["created_at"])
      }
    }
  }

  /// Gives a name its id, which it has from then on.
  package func save(_ producer: NamedProducer) throws(EventLogError) {
    try write { db in
      try db.execute(
        sql: "INSERT INTO named_producer VALUES (?, ?, ?)",
        arguments: [producer.name, producer.producerID, producer.createdAt])
    }
  }

  /// `count` producer ids that were never given out and never will be again.
  package func allocateProducerIDs(_ count: Int64) throws(EventLogError) -> Range<Int64> {
    try write { db in try allocateProducerIDs(count, db) }
  }

  func allocateProducerIDs(_ count: Int64, _ db: Database) throws -> Range<Int64> {
    let first = try Int64.fetchOne(db, sql: "SELECT next_producer_id FROM store") ?? 0
    let (end, overflows) = first.addingReportingOverflow(count)
    guard !overflows else {
      throw EventLogError(.metadataError, "there are no producer ids left", file: path)
    }
    try db.execute(sql: "UPDATE store SET next_producer_id = ?", arguments: [end])
    return first..<end
  }

  /// Sees to it that no id up to `id` is given out: another store's log that was imported tells of it.
  package func skipProducerIDs(to id: Int64) throws(EventLogError) {
    try write { db in
      try db.execute(
        sql: "UPDATE store SET next_producer_id = max(next_producer_id, ?)", arguments: [id < .max ? id + 1 : id])
    }
  }
}
