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
    let topicPartition: TopicPartition
    /// The sequence number that the log has for its next record.
    let first: Int32
    /// The ids of rows that the log has.
    var written: [Int64] = []
    /// Those that it is to have, from `first` on.
    var rows: [OutboxRow] = []

    init(topicPartition: TopicPartition, first: Int32) {
      self.topicPartition = topicPartition
      self.first = first
    }

    /// The sequence number behind the last row's.
    var next: Int32 { (first &+ Int32(truncatingIfNeeded: rows.count)) & Int32.max }

    func isWritten(_ row: OutboxRow) -> Bool {
      guard let sequence = row.sequence else { return false }
      // In the circle of 2³¹ numbers, the nearer half is the past.
      let distance = (first &- sequence) & Int32.max
      return distance != 0 && distance < 1 << 30
    }
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

  /// Says where a row goes, which its partition tells, and as which record of that.
  mutating func place(at sequence: Int32, _ db: Database) throws {
    guard self.sequence != sequence else { return }
    self.sequence = sequence
    try db.cachedStatement(sql: "UPDATE eventlog_outbox SET partition = ?, sequence = ? WHERE id = ?").execute(
      arguments: [partition, sequence, id])
  }

  static func delete(_ ids: [Int64], _ db: Database) throws {
    let statement = try db.cachedStatement(sql: "DELETE FROM eventlog_outbox WHERE id = ?")
    for id in ids { try statement.execute(arguments: [id]) }
  }
}
