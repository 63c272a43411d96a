internal import GRDB
internal import RecordFormat

/// The tables, and how an older file becomes a newer one: a list of steps, of which a file has done the first
/// `user_version`. A step that was released is never changed; a new one is added.
enum Schema {
  /// Says that the file is ours: "EvLg".
  private static let applicationID = 0x4576_4c67

  private static let steps: [String] = [
    """
    CREATE TABLE store (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      created_at INTEGER NOT NULL,
      was_clean INTEGER NOT NULL,
      next_producer_id INTEGER NOT NULL
    ) STRICT;
    INSERT INTO store VALUES (1, unixepoch() * 1000, 1, 0);

    CREATE TABLE topic (
      id BLOB PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      partitions INTEGER NOT NULL CHECK (partitions > 0),
      created_at INTEGER NOT NULL,
      is_deleting INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE topic_config (
      topic BLOB NOT NULL REFERENCES topic (id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      value TEXT NOT NULL,
      PRIMARY KEY (topic, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE partition_checkpoint (
      topic BLOB NOT NULL REFERENCES topic (id) ON DELETE CASCADE,
      partition INTEGER NOT NULL,
      log_start_offset INTEGER NOT NULL,
      recovery_point INTEGER NOT NULL,
      log_end_offset INTEGER,
      PRIMARY KEY (topic, partition)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE consumer_group (
      id TEXT PRIMARY KEY,
      generation INTEGER NOT NULL,
      protocol TEXT,
      emptied_at INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE committed_offset (
      "group" TEXT NOT NULL,
      topic BLOB NOT NULL REFERENCES topic (id) ON DELETE CASCADE,
      partition INTEGER NOT NULL,
      "offset" INTEGER NOT NULL,
      leader_epoch INTEGER,
      metadata TEXT NOT NULL,
      committed_at INTEGER NOT NULL,
      PRIMARY KEY ("group", topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX committed_offset_by_topic ON committed_offset (topic);
    """,
    """
    CREATE TABLE named_producer (
      name TEXT PRIMARY KEY,
      producer_id INTEGER NOT NULL UNIQUE,
      created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE transactional_id (
      id TEXT PRIMARY KEY,
      producer_id INTEGER NOT NULL UNIQUE,
      epoch INTEGER NOT NULL CHECK (epoch BETWEEN 0 AND 32767),
      state INTEGER NOT NULL,
      timeout_ms INTEGER NOT NULL,
      started_at INTEGER,
      updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE transaction_partition (
      transactional_id TEXT NOT NULL REFERENCES transactional_id (id) ON DELETE CASCADE,
      topic BLOB NOT NULL REFERENCES topic (id) ON DELETE CASCADE,
      partition INTEGER NOT NULL,
      first_offset INTEGER NOT NULL,
      end_offset INTEGER NOT NULL,
      PRIMARY KEY (transactional_id, topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX transaction_partition_by_topic ON transaction_partition (topic);
    """,
    """
    ALTER TABLE partition_checkpoint ADD COLUMN clean_shutdown BLOB;
    """,
    """
    ALTER TABLE store ADD COLUMN unclean_stops INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE partition_checkpoint ADD COLUMN unclean_stops INTEGER;
    """,
  ]

  /// How many steps there are.
  static var version: Int { steps.count }

  /// How many steps the file has done; 0 for an empty one.
  @discardableResult
  static func checkVersion(_ db: Database, path: String) throws -> Int {
    let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    let application = try Int.fetchOne(db, sql: "PRAGMA application_id") ?? 0
    let isEmpty = version == 0 && application == 0
    if isEmpty, try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0 { return 0 }
    guard application == applicationID else {
      throw EventLogError(
        .unsupportedVersion, "the file is some other program's database; is this the right directory?", file: path)
    }
    guard version <= steps.count else {
      throw EventLogError(
        .unsupportedVersion,
        "the directory was written by a newer version of EventLog (schema \(version), this one "
          + "knows \(steps.count)): use that version or a later one", file: path)
    }
    return version
  }

  static func migrate(_ db: Database) throws {
    let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    guard version < steps.count else { return }
    try db.inTransaction(.immediate) {
      for step in steps[version...] { try db.execute(sql: step) }
      try db.execute(sql: "PRAGMA user_version = \(steps.count)")
      try db.execute(sql: "PRAGMA application_id = \(applicationID)")
      return .commit
    }
  }
}
