internal import Foundation
internal import GRDB
package import RecordFormat

/// What the store knows of a topic.
package struct TopicMetadata: Sendable, Equatable {
  package var id: TopicID
  package var name: String
  package var partitions: Int
  /// The configurations that differ from the defaults, by Kafka's names.
  package var configs: [String: String]
  /// Milliseconds since 1970.
  package var createdAt: Int64
  /// Whether the topic's deletion was begun; opening the store ends it.
  package var isDeleting: Bool

  package init(
    id: TopicID, name: String, partitions: Int, configs: [String: String] = [:], createdAt: Int64,
    isDeleting: Bool = false
  ) {
    self.id = id
    self.name = name
    self.partitions = partitions
    self.configs = configs
    self.createdAt = createdAt
    self.isDeleting = isDeleting
  }
}

extension MetadataStore {
  /// All topics, by name.
  package func topics() throws(EventLogError) -> [TopicMetadata] {
    try read { db in
      var configs: [[UInt8]: [String: String]] = [:]
      for row in try Row.fetchAll(db, sql: "SELECT topic, name, value FROM topic_config") {
        configs[Array(row["topic"] as Data), default: [:]][row["name"]] = row["value"]
      }
      return try Row.fetchAll(db, sql: "SELECT * FROM topic ORDER BY name").map { row in
        let bytes = Array(row["id"] as Data)
        guard let id = TopicID(bytes: bytes) else {
          throw EventLogError(.metadataError, "a topic's id has \(bytes.count) bytes", topic: row["name"], file: path)
        }
        return TopicMetadata(
          id: id, name: row["name"], partitions: row["partitions"], configs: configs[bytes] ?? [:],
          createdAt: row["created_at"], isDeleting: row["is_deleting"])
      }
    }
  }

  /// - Throws: `topicAlreadyExists`.
  package func createTopic(_ topic: TopicMetadata) throws(EventLogError) {
    try write { db in
      guard try Row.fetchOne(db, sql: "SELECT 1 FROM topic WHERE name = ?", arguments: [topic.name]) == nil else {
        throw EventLogError(.topicAlreadyExists, "there is a topic of this name", topic: topic.name)
      }
      try db.execute(
        sql: "INSERT INTO topic VALUES (?, ?, ?, ?, 0)",
        arguments: [Data(topic.id.bytes), topic.name, topic.partitions, topic.createdAt])
      try insert(topic.configs, of: topic.id, db)
    }
  }

  package func setPartitions(_ count: Int, of id: TopicID) throws(EventLogError) {
    try write { db in
      try db.execute(sql: "UPDATE topic SET partitions = ? WHERE id = ?", arguments: [count, Data(id.bytes)])
    }
  }

  /// Replaces all configurations of a topic.
  package func setConfigs(_ configs: [String: String], of id: TopicID) throws(EventLogError) {
    try write { db in
      try db.execute(sql: "DELETE FROM topic_config WHERE topic = ?", arguments: [Data(id.bytes)])
      try insert(configs, of: id, db)
    }
  }

  private func insert(_ configs: [String: String], of id: TopicID, _ db: Database) throws {
    for (name, value) in configs.sorted(by: { $0.key < $1.key }) {
      try db.execute(sql: "INSERT INTO topic_config VALUES (?, ?, ?)", arguments: [Data(id.bytes), name, value])
    }
  }

  /// Says that the topic's deletion has begun; its committed offsets go with this.
  package func markDeleting(_ id: TopicID) throws(EventLogError) {
    try write { db in
      try db.execute(sql: "UPDATE topic SET is_deleting = 1 WHERE id = ?", arguments: [Data(id.bytes)])
      try db.execute(sql: "DELETE FROM committed_offset WHERE topic = ?", arguments: [Data(id.bytes)])
    }
  }

  /// Forgets a topic, with all that refers to it.
  package func removeTopic(_ id: TopicID) throws(EventLogError) {
    try write { db in try db.execute(sql: "DELETE FROM topic WHERE id = ?", arguments: [Data(id.bytes)]) }
  }
}
