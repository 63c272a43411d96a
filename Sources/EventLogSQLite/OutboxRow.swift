internal import GRDB
internal import Foundation

/// A committed row of the outbox, and where it goes.
struct OutboxRow: Sendable {
  var id: Int64
  var topic: String
  var partition: Int?
  var sequence: Int32?
  var record: EventLog.Record

  /// Rows of one partition, in order.
  struct Run: Sendable {
    var topicPartition: TopicPartition
    var rows: [OutboxRow]
  }

  /// The oldest rows of an outbox, in the order in which they were enqueued.
  static func oldest(_ limit: Int, of outbox: String, _ db: Database) throws -> [OutboxRow] {
    try Row.fetchAll(
      db, sql: "SELECT * FROM eventlog_outbox WHERE outbox = ? ORDER BY id LIMIT ?", arguments: [outbox, limit]
    ).map { row in
      let headers: String? = row["headers"]
      let stored = try headers.map { try JSONDecoder().decode([StoredHeader].self, from: Data($0.utf8)) } ?? []
      return OutboxRow(
        id: row["id"], topic: row["topic"], partition: row["partition"], sequence: row["sequence"],
        record: EventLog.Record(
          key: (row["key"] as Data?).map { Array($0) }, value: (row["value"] as Data?).map { Array($0) },
          headers: stored.map(\.header), timestamp: row["timestamp"]))
    }
  }

  /// Says where a row goes, and as which record of its partition: before it goes there, so that a relay which comes after a
  /// crash sends it to the same place.
  mutating func assign(_ partition: Int, of outbox: String, _ db: Database) throws {
    let next = try Int32.fetchOne(
      db,
      sql: """
        INSERT INTO eventlog_outbox_partition VALUES (?1, ?2, ?3, 1)
        ON CONFLICT DO UPDATE SET next_sequence = (next_sequence + 1) & 2147483647
        RETURNING (next_sequence - 1) & 2147483647
        """, arguments: [outbox, topic, partition])
    self.partition = partition
    sequence = next
    try db.execute(
      sql: "UPDATE eventlog_outbox SET partition = ?, sequence = ? WHERE id = ?", arguments: [partition, next, id])
  }

  static func delete(_ ids: [Int64], _ db: Database) throws {
    let statement = try db.cachedStatement(sql: "DELETE FROM eventlog_outbox WHERE id = ?")
    for id in ids { try statement.execute(arguments: [id]) }
  }
}
