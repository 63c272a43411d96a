internal import Foundation
internal import GRDB

/// SQLite's `-wal` file, made as long as it is going to be.
///
/// A commit that makes a file longer has to sync its new length too, which costs as much again as syncing what was written.
/// SQLite takes zeros behind the last commit for what they are: nothing.
struct WriteAheadLog {
  let path: String
  /// What it holds before it is begun anew.
  let pages: Int

  /// Fills the file up with zeros. To be called on the connection that writes, outside of a transaction. What fails here costs
  /// time and nothing else.
  func reserve(_ db: Database) throws {
    guard let page = try Int.fetchOne(db, sql: "PRAGMA page_size") else { return }
    // A header, and one before each page; and some room for the commit that goes past the limit.
    let wanted = 32 + (pages + 8) * (24 + page)
    // SQLite locks the database's file and the `-shm`, never this one: closing it takes no lock away.
    let descriptor = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    guard let size = try? file.seekToEnd(), size < UInt64(wanted) else { return }
    do {
      try file.write(contentsOf: Data(count: wanted - Int(size)))
    } catch {
      // On a full disk, what was taken is needed elsewhere.
      try? file.truncate(atOffset: size)
    }
  }
}
