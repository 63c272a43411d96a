public import GRDB

/// The tables that this library keeps in the application's own database. They are made where they are missing, by whoever
/// needs them first; an application that makes all its tables by migrations calls `create` from one of them.
public enum EventLogTables {
  /// Makes the tables that are missing.
  public static func create(_ db: Database) throws {
    try db.execute(
      sql: """
        CREATE TABLE IF NOT EXISTS eventlog_offset (
          "group" TEXT NOT NULL,
          topic TEXT NOT NULL,
          topic_id TEXT NOT NULL,
          partition INTEGER NOT NULL,
          "offset" INTEGER NOT NULL,
          PRIMARY KEY ("group", topic, partition)
        ) STRICT, WITHOUT ROWID;

        -- Rows in the order in which they were enqueued. `sequence` is null until the relay has said where a row goes.
        CREATE TABLE IF NOT EXISTS eventlog_outbox (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          outbox TEXT NOT NULL,
          topic TEXT NOT NULL,
          partition INTEGER,
          "key" BLOB,
          value BLOB,
          headers TEXT,
          timestamp INTEGER NOT NULL,
          sequence INTEGER
        ) STRICT;
        CREATE INDEX IF NOT EXISTS eventlog_outbox_by_name ON eventlog_outbox (outbox, id);
        """)
  }

  /// A sentence that helps where a table is missing.
  static func explaining<T>(_ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let error as DatabaseError where error.message?.hasPrefix("no such table: eventlog_") == true {
      throw EventLogError(
        .illegalState,
        "the database has no tables of EventLog: call EventLogTables.create in a migration, or make the "
          + "relay or the consumer first")
    }
  }
}
