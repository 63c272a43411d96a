internal import GRDB
package import RecordFormat

extension MetadataStore {
  /// Everything that is wrong with the file, a sentence each: by SQLite's own check, and by what we know must hold.
  package func verify() throws(EventLogError) -> [String] {
    try read { db in
      var faults = try String.fetchAll(db, sql: "PRAGMA integrity_check").filter { $0 != "ok" }
      for row in try Row.fetchAll(db, sql: "PRAGMA foreign_key_check") {
        faults.append("a row of \(row["table"] ?? "some table") refers to a topic that does not exist")
      }
      let wrong = try Row.fetchAll(
        db,
        sql: """
          SELECT t.name, c.partition FROM partition_checkpoint c JOIN topic t ON t.id = c.topic
          WHERE c.partition NOT BETWEEN 0 AND t.partitions - 1 OR c.log_start_offset < 0
             OR c.recovery_point < 0 OR c.log_end_offset < c.log_start_offset
          """)
      for row in wrong {
        faults.append("the checkpoint of \(row["name"] ?? "")-\(row["partition"] ?? 0) can't be right")
      }
      let offsets = try Row.fetchAll(
        db,
        sql: """
          SELECT o."group", t.name, o.partition FROM committed_offset o JOIN topic t ON t.id = o.topic
          WHERE o.partition NOT BETWEEN 0 AND t.partitions - 1 OR o."offset" < 0
          """)
      for row in offsets {
        faults.append(
          "the offset that group \(row["group"] ?? "") committed for \(row["name"] ?? "")-\(row["partition"] ?? 0) "
            + "can't be right")
      }
      return faults
    }
  }
}
