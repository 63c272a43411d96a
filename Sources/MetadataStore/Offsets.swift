internal import Foundation
internal import GRDB
package import RecordFormat

/// A committed offset as it is stored: the next offset that the group has to read.
package struct CommittedOffset: Sendable, Equatable {
  package var offset: Int64
  package var leaderEpoch: Int32?
  package var metadata: String
  /// Milliseconds since 1970.
  package var committedAt: Int64

  package init(offset: Int64, leaderEpoch: Int32? = nil, metadata: String = "", committedAt: Int64) {
    self.offset = offset
    self.leaderEpoch = leaderEpoch
    self.metadata = metadata
    self.committedAt = committedAt
  }
}

/// A committed offset of a partition.
package typealias CommittedPosition = (partition: PartitionID, offset: CommittedOffset)

/// What is stored of a group beside its offsets.
package struct GroupMetadata: Sendable, Equatable {
  package var id: String
  package var generation: Int32
  package var protocolName: String?
  /// Milliseconds since 1970 when the last member left; nil while there are members.
  package var emptiedAt: Int64?

  package init(id: String, generation: Int32, protocolName: String? = nil, emptiedAt: Int64? = nil) {
    self.id = id
    self.generation = generation
    self.protocolName = protocolName
    self.emptiedAt = emptiedAt
  }
}

extension MetadataStore {
  /// Commits of any number of groups, in order, in one transaction. A topic that was deleted meanwhile is passed over.
  package func commit(_ commits: [(group: String, offsets: [PartitionID: CommittedOffset])]) throws(EventLogError) {
    try write { db in try save(commits, db) }
  }

  /// Offsets of a group, each partition once.
  package func commit(_ group: String, _ positions: [CommittedPosition]) throws(EventLogError) {
    // One is a transaction of its own, which costs less than one around it.
    guard positions.count == 1 else {
      return try write { db in for (partition, offset) in positions { try save(group, partition, offset, db) } }
    }
    try writeRow { db in try save(group, positions[0].partition, positions[0].offset, db) }
  }

  func save(_ commits: [(group: String, offsets: [PartitionID: CommittedOffset])], _ db: Database) throws {
    for commit in commits {
      for (partition, offset) in commit.offsets { try save(commit.group, partition, offset, db) }
    }
  }

  private func save(
    _ group: String, _ partition: PartitionID, _ offset: CommittedOffset, _ db: Database
  ) throws {
    let arguments: StatementArguments = [
      offset.offset, offset.leaderEpoch, offset.metadata, offset.committedAt, group, partition.partition,
      Data(partition.topic.bytes),
    ]
    // Mostly there is a row, which takes half as long as to look for the topic too.
    try db.cachedStatement(sql: Self.update).execute(arguments: arguments)
    if db.changesCount == 0 { try db.cachedStatement(sql: Self.insert).execute(arguments: arguments) }
  }

  private static let update = """
    UPDATE committed_offset SET "offset" = ?, leader_epoch = ?, metadata = ?, committed_at = ?
    WHERE "group" = ? AND partition = ? AND topic = ?
    """
  private static let insert = """
    INSERT INTO committed_offset ("offset", leader_epoch, metadata, committed_at, "group", partition, topic)
    SELECT ?, ?, ?, ?, ?, ?, id FROM topic WHERE id = ? AND NOT is_deleting
    """

  /// The committed offsets of all groups.
  package func committedOffsets() throws(EventLogError) -> [String: [PartitionID: CommittedOffset]] {
    try read { db in
      var result: [String: [PartitionID: CommittedOffset]] = [:]
      for row in try Row.fetchAll(db, sql: "SELECT * FROM committed_offset") {
        guard let id = TopicID(bytes: row["topic"] as Data) else { continue }
        result[row["group"], default: [:]][PartitionID(id, row["partition"])] = CommittedOffset(
          offset: row["offset"], leaderEpoch: row["leader_epoch"], metadata: row["metadata"],
          committedAt: row["committed_at"])
      }
      return result
    }
  }

  package func deleteOffsets(of group: String, _ partitions: [PartitionID]) throws(EventLogError) {
    try write { db in
      for partition in partitions {
        try db.execute(
          sql: "DELETE FROM committed_offset WHERE \"group\" = ? AND topic = ? AND partition = ?",
          arguments: [group, Data(partition.topic.bytes), partition.partition])
      }
    }
  }

  package func deleteGroup(_ id: String) throws(EventLogError) {
    try write { db in
      try db.execute(sql: "DELETE FROM committed_offset WHERE \"group\" = ?", arguments: [id])
      try db.execute(sql: "DELETE FROM consumer_group WHERE id = ?", arguments: [id])
    }
  }

  func save(_ group: GroupMetadata, _ db: Database) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO consumer_group VALUES (?, ?, ?, ?)",
      arguments: [group.id, group.generation, group.protocolName, group.emptiedAt])
  }

  package func groups() throws(EventLogError) -> [GroupMetadata] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM consumer_group ORDER BY id").map { row in
        GroupMetadata(
          id: row["id"], generation: row["generation"], protocolName: row["protocol"], emptiedAt: row["emptied_at"])
      }
    }
  }
}
