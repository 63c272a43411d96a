internal import Foundation
internal import GRDB
package import RecordFormat

/// What is known of a partition's log after a stop.
package struct StoredCheckpoint: Sendable, Equatable {
  package var logStartOffset: Int64
  /// Everything below it is on the disk.
  package var recoveryPoint: Int64
  /// The log end of a clean stop.
  package var logEndOffset: Int64?
  /// What the log's files were then, as the log itself puts it.
  package var cleanShutdown: [UInt8]?
  /// Of how many of the store's unclean stops the log's leader epoch knows; nil where an older version wrote this.
  package var uncleanStops: Int64?

  package init(
    logStartOffset: Int64, recoveryPoint: Int64, logEndOffset: Int64? = nil, cleanShutdown: [UInt8]? = nil,
    uncleanStops: Int64? = nil
  ) {
    self.cleanShutdown = cleanShutdown
    self.uncleanStops = uncleanStops
    self.logStartOffset = logStartOffset
    self.recoveryPoint = recoveryPoint
    self.logEndOffset = logEndOffset
  }
}

/// A partition by its topic's id, which no other topic of the same name shares.
package struct PartitionID: Hashable, Sendable {
  package var topic: TopicID
  package var partition: Int

  package init(_ topic: TopicID, _ partition: Int) {
    self.topic = topic
    self.partition = partition
  }
}

extension MetadataStore {
  /// What a session begins with.
  package struct Session: Sendable {
    /// Whether the last stop was clean.
    package var wasClean: Bool
    /// How many were not, since the store was made.
    package var uncleanStops: Int64
    /// Ids for its producers.
    package var producerIDs: Range<Int64>
  }

  /// Says, durably, that the store is in use: until `endSession`, a stop is an unclean one. Sets ids aside for producers in
  /// the same go.
  package func beginSession(producerIDs count: Int64 = 1000) throws(EventLogError) -> Session {
    try write { db in
      let wasClean = try Bool.fetchOne(db, sql: "SELECT was_clean FROM store") ?? false
      try db.execute(sql: "UPDATE store SET was_clean = 0, unclean_stops = unclean_stops + (NOT was_clean)")
      return Session(
        wasClean: wasClean, uncleanStops: try Int64.fetchOne(db, sql: "SELECT unclean_stops FROM store") ?? 0,
        producerIDs: try allocateProducerIDs(count, db))
    }
  }

  /// Whether the store was closed in order, and nobody has opened it since.
  package func lastStopWasClean() throws(EventLogError) -> Bool {
    try read { db in try Bool.fetchOne(db, sql: "SELECT was_clean FROM store") ?? false }
  }

  /// Says that all logs are closed and on the disk, and where they end.
  ///
  /// - Parameter unused: ids that were set aside and not given out.
  package func endSession(
    _ checkpoints: [PartitionID: StoredCheckpoint], unused: Range<Int64>? = nil
  ) throws(EventLogError) {
    try write { db in
      try save(checkpoints, db)
      try db.execute(sql: "UPDATE store SET was_clean = 1")
      if let unused {
        try db.execute(
          sql: "UPDATE store SET next_producer_id = ? WHERE next_producer_id = ?",
          arguments: [unused.lowerBound, unused.upperBound])
      }
    }
  }

  /// Writes checkpoints down, in one transaction. A topic that was deleted meanwhile is passed over.
  package func save(_ checkpoints: [PartitionID: StoredCheckpoint]) throws(EventLogError) {
    guard !checkpoints.isEmpty else { return }
    try write { db in try save(checkpoints, db) }
  }

  private func save(_ checkpoints: [PartitionID: StoredCheckpoint], _ db: Database) throws {
    let statement = try db.cachedStatement(
      sql: "INSERT OR REPLACE INTO partition_checkpoint SELECT id, ?, ?, ?, ?, ?, ? FROM topic WHERE id = ?")
    for (partition, checkpoint) in checkpoints {
      try statement.execute(arguments: [
        partition.partition, checkpoint.logStartOffset, checkpoint.recoveryPoint, checkpoint.logEndOffset,
        checkpoint.cleanShutdown.map { Data($0) }, checkpoint.uncleanStops, Data(partition.topic.bytes),
      ])
    }
  }

  package func checkpoints() throws(EventLogError) -> [PartitionID: StoredCheckpoint] {
    var result: [PartitionID: StoredCheckpoint] = [:]
    try forEachCheckpoint { topic, partition, checkpoint in result[PartitionID(topic, partition)] = checkpoint }
    return result
  }

  /// Calls `body` with one after the other, by topics' names and partitions' numbers: there may be many thousands, all of which
  /// an opening waits for.
  package func forEachCheckpoint(
    _ body: (TopicID, _ partition: Int, StoredCheckpoint) -> Void
  ) throws(EventLogError) {
    try read { db in
      // An id of another length would end the process where it is decoded; `topics` says that it is none.
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT id, partition, log_start_offset, recovery_point, log_end_offset, clean_shutdown, unclean_stops
          FROM topic JOIN partition_checkpoint ON topic = id WHERE length(id) = 16 ORDER BY name, partition
          """)
      var (uuid, topic) = (UUID?.none, TopicID?.none)
      while let row = try rows.next() {
        // Sixteen bytes, of which a `Data` would be two allocations.
        let next: UUID = row[0]
        if next != uuid {
          uuid = next
          topic = withUnsafeBytes(of: next.uuid) { TopicID(bytes: $0) }
        }
        guard let topic else { continue }
        let checkpoint = StoredCheckpoint(
          logStartOffset: row[2], recoveryPoint: row[3], logEndOffset: row[4],
          cleanShutdown: try row.withUnsafeData(atIndex: 5) { $0.map { Array($0) } }, uncleanStops: row[6])
        body(topic, row[1], checkpoint)
      }
    }
  }
}
