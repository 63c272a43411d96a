import CSQLite
import Foundation

/// A queue as a SQLite user would build it: a table with a rowid, prepared statements, write-ahead logging, a transaction
/// for each batch, a page cache and checkpoint interval that suit a stream of inserts.
final class SQLiteQueue {
  private var database: OpaquePointer?
  private var insertion: OpaquePointer?

  init(_ path: String, synchronous: String) throws {
    try check(sqlite3_open(path, &database))
    for pragma in [
      "journal_mode = WAL", "synchronous = \(synchronous)", "wal_autocheckpoint = 10000", "cache_size = -65536",
      "temp_store = MEMORY", "locking_mode = EXCLUSIVE",
    ] { try run("PRAGMA \(pragma)") }
    try run("CREATE TABLE queue (id INTEGER PRIMARY KEY, ts INTEGER, key BLOB, value BLOB)")
    try check(sqlite3_prepare_v2(database, "INSERT INTO queue (ts, key, value) VALUES (?, ?, ?)", -1, &insertion, nil))
  }

  deinit {
    sqlite3_finalize(insertion)
    sqlite3_close(database)
  }

  func insert(_ key: [UInt8], _ value: [UInt8], count: Int) throws {
    if count > 1 { try run("BEGIN") }
    for _ in 0..<count {
      sqlite3_bind_int64(insertion, 1, 1_700_000_000_000)
      sqlite3_bind_blob(insertion, 2, key, Int32(key.count), nil)
      sqlite3_bind_blob(insertion, 3, value, Int32(value.count), nil)
      guard sqlite3_step(insertion) == SQLITE_DONE else { throw POSIXError(.EIO) }
      sqlite3_reset(insertion)
    }
    if count > 1 { try run("COMMIT") }
  }

  func sum() throws -> UInt64 {
    var statement: OpaquePointer?
    try check(sqlite3_prepare_v2(database, "SELECT value FROM queue ORDER BY id", -1, &statement, nil))
    defer { sqlite3_finalize(statement) }
    var sum: UInt64 = 0
    while sqlite3_step(statement) == SQLITE_ROW {
      let count = Int(sqlite3_column_bytes(statement, 0))
      guard let bytes = sqlite3_column_blob(statement, 0) else { continue }
      var index = 0
      while index + 8 <= count {
        sum &+= bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        index += 8
      }
    }
    return sum
  }

  private func run(_ sql: String) throws { try check(sqlite3_exec(database, sql, nil, nil, nil)) }

  private func check(_ code: Int32) throws {
    guard code == SQLITE_OK else { throw POSIXError(.EIO) }
  }
}
