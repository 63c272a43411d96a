internal import GRDB
internal import Glibc
package import RecordFormat

/// All that is not record data, in one SQLite file: topics and their configurations, checkpoints of partitions, groups
/// and committed offsets, producer ids. The only place that speaks SQL.
///
/// A call that returns has its change on the disk: SQLite runs with a write-ahead log and `synchronous=FULL`.
package final class MetadataStore: Sendable {
  /// The file's name in the data directory.
  package static let fileName = "metadata.sqlite"

  package enum Mode: Sendable {
    case readWrite
    /// Beside an owner in another process, or on a directory that nobody owns.
    case readOnly
  }

  /// What a commit that has returned survives.
  package enum Durability: Sendable {
    /// A power cut.
    case full
    /// The end of the call and no more, for stores that live no longer than a test: no write-ahead log, no syncs, and new
    /// files begin as copies of the first.
    case none
  }

  package let path: String
  private let database: DatabaseQueue

  /// Opens the file, which is made if it is missing (but not in read-only mode).
  ///
  /// - Parameter isCopy: whether the file was just made of `MetadataTemplate`'s bytes.
  /// - Throws: `unsupportedVersion` where a newer version or another program wrote it, which is then left as it was;
  ///   `metadataError` where it is damaged or no database.
  package init(path: String, mode: Mode = .readWrite, durability: Durability = .full, isCopy: Bool = false)
    throws(EventLogError)
  {
    self.path = path
    // SQLite's own answer would be that it can't open the file.
    guard path.utf8.count <= Self.longestPath else {
      throw EventLogError(
        .illegalArgument,
        "the path of the metadata database has \(path.utf8.count) bytes, SQLite takes \(Self.longestPath): name the "
          + "directory by a shorter way, such as a relative one", file: path)
    }
    database = try Self.mapErrors(path) {
      var configuration = Configuration()
      configuration.label = "EventLog.metadata"
      configuration.busyMode = .timeout(10)
      configuration.foreignKeysEnabled = true
      configuration.readonly = mode == .readOnly
      configuration.prepareDatabase { db in
        try db.execute(sql: "PRAGMA trusted_schema = OFF")
        try db.execute(sql: "PRAGMA cell_size_check = ON")
      }
      guard mode == .readWrite else { return try Self.openToRead(path, configuration) }
      let database = try DatabaseQueue(path: path, configuration: configuration)
      try database.inDatabase { db in
        // Before anything is written, and so before write-ahead logging is turned on.
        if !isCopy { try Schema.checkVersion(db, path: path) }
        if durability == .none {
          try db.execute(sql: "PRAGMA journal_mode = MEMORY")
          try db.execute(sql: "PRAGMA synchronous = OFF")
        } else {
          try db.execute(sql: "PRAGMA journal_mode = WAL")
          try db.execute(sql: "PRAGMA synchronous = FULL")
          // So that `WriteAheadLog` need not be long.
          try db.execute(sql: "PRAGMA wal_autocheckpoint = \(Self.checkpointPages)")
        }
        if !isCopy { try Schema.migrate(db) }
        if durability == .full { try WriteAheadLog(path: path + "-wal", pages: Self.checkpointPages).reserve(db) }
      }
      return database
    }
  }

  /// After how many pages the write-ahead log is written back and begun anew: a quarter of what SQLite does by itself.
  private static let checkpointPages = 256

  /// SQLite's limit of 512 bytes, less the suffix of the write-ahead log.
  private static let longestPath = 504

  private static func openToRead(_ path: String, _ configuration: Configuration) throws -> DatabaseQueue {
    func open(_ name: String) throws -> DatabaseQueue {
      let database = try DatabaseQueue(path: name, configuration: configuration)
      try database.read { db in
        let version = try Schema.checkVersion(db, path: path)
        guard version > 0 else {
          throw EventLogError(.metadataError, "the file is empty: it is no store's", file: path)
        }
        guard version == Schema.version else {
          throw EventLogError(
            .unsupportedVersion,
            "the directory was written by an older version of EventLog (schema \(version); this one has "
              + "\(Schema.version)): open it once as its owner, which brings it up to date", file: path)
        }
      }
      return database
    }
    do {
      return try open(path)
    } catch let error as DatabaseError where [.SQLITE_READONLY, .SQLITE_CANTOPEN].contains(error.resultCode) {
      // Beside a write-ahead log's database SQLite makes files even to read it. Where that is not allowed, and nobody
      // is at work (then those files would be there), the database as it lies is all there is.
      guard access(path + "-wal", F_OK) != 0, access(path, R_OK) == 0 else { throw error }
      guard let database = try? open(immutableName(path)) else { throw error }
      return database
    }
  }

  /// SQLite's URI for a file that does not change.
  private static func immutableName(_ path: String) -> String {
    let escaped = path.replacing("%", with: "%25").replacing("?", with: "%3f").replacing("#", with: "%23")
    return "file:\(path.hasPrefix("/") ? "//" : "")\(escaped)?immutable=1"
  }

  /// Writes back what the write-ahead log holds, and closes the file.
  package func close() throws(EventLogError) {
    try Self.mapErrors(path) { try database.close() }
  }

  // MARK: For the other files of this target

  func read<T>(_ body: (Database) throws -> T) throws(EventLogError) -> T {
    try Self.mapErrors(path) { try database.read(body) }
  }

  /// One transaction, durable when this returns.
  func write<T>(_ body: (Database) throws -> T) throws(EventLogError) -> T {
    try Self.mapErrors(path) { try database.write(body) }
  }

  /// Statements for one row, each a transaction of its own, which saves what it takes to begin and end one. Durable when this
  /// returns.
  func writeRow(_ body: (Database) throws -> Void) throws(EventLogError) {
    try Self.mapErrors(path) { try database.writeWithoutTransaction(body) }
  }

  func backup(to copy: DatabaseQueue) throws { try database.backup(to: copy) }

  /// A pragma's value, for the tests that hold this class to its word.
  package func pragma(_ name: String) throws(EventLogError) -> String? {
    try Self.mapErrors(path) { try database.inDatabase { try String.fetchOne($0, sql: "PRAGMA \(name)") } }
  }

  static func mapErrors<T>(_ path: String, _ body: () throws -> T) throws(EventLogError) -> T {
    do {
      return try body()
    } catch let error as EventLogError {
      throw error
    } catch let error as DatabaseError {
      throw translate(error, path)
    } catch {
      throw EventLogError(.metadataError, "the metadata database failed: \(error)", file: path)
    }
  }

  private static func translate(_ error: DatabaseError, _ path: String) -> EventLogError {
    let reason = error.message ?? "SQLite's code \(error.extendedResultCode.rawValue)"
    switch error.resultCode {
    case .SQLITE_FULL:
      return EventLogError(
        .diskFull, "no room for the metadata database: \(reason); make room and try again", file: path)
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      return EventLogError(.metadataError, "another program keeps the metadata database locked: \(reason)", file: path)
    case .SQLITE_NOTADB, .SQLITE_CORRUPT:
      return EventLogError(
        .metadataError,
        "the metadata database is damaged: \(reason); restore it from a backup, the logs beside it are "
          + "not touched", file: path)
    case .SQLITE_READONLY:
      return EventLogError(.readOnly, "the metadata database can't be written to: \(reason)", file: path)
    case .SQLITE_CANTOPEN:
      return EventLogError(
        .metadataError, "the metadata database can't be opened: \(reason); check that it exists and its mode",
        file: path)
    case .SQLITE_IOERR:
      return EventLogError(
        .storageError,
        "the disk failed under the metadata database: \(reason); what the last call wrote is in doubt, "
          + "close the broker and open it again", file: path)
    case .SQLITE_MISUSE:
      return EventLogError(.illegalState, "the metadata database is closed", file: path)
    default:
      return EventLogError(.metadataError, "the metadata database failed: \(reason)", file: path)
    }
  }
}
