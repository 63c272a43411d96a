internal import Glibc
package import RecordFormat

/// An open file, by its descriptor. Whoever opened it closes it.
package struct FileDescriptor: Sendable, Hashable {
  package let number: Int32

  package init(number: Int32) {
    self.number = number
  }
}

/// What kind of thing a path names.
package enum FileKind: Sendable {
  case file
  case directory
  /// A link, device, fifo or socket: nothing that belongs into a data directory.
  case other
}

package struct FileStatus: Sendable {
  package var kind: FileKind
  package var size: Int64
  /// When the content, or a directory's names, were last changed: nanoseconds since 1970, some milliseconds coarse.
  package var modifiedNanoseconds: Int64
  /// The same in milliseconds.
  package var modified: Int64 { modifiedNanoseconds / 1_000_000 }
  /// How many names the file has.
  package var linkCount: Int

  package init(kind: FileKind, size: Int64, modifiedNanoseconds: Int64, linkCount: Int = 1) {
    self.kind = kind
    self.size = size
    self.modifiedNanoseconds = modifiedNanoseconds
    self.linkCount = linkCount
  }
}

package enum OpenMode: Sendable {
  case read
  case readWrite
  /// Fails where the file exists.
  case create
  /// Creates the file, or opens the one that exists.
  case createIfMissing
}

/// The system calls that the store makes, one each: the seam at which tests cut the power, fill the disk or make a
/// sync fail. Nothing here is called for a single record: appends and reads go through mappings.
///
/// Every call that fails throws an `EventLogError` that names the file: `diskFull` for want of room, `inputOutput`
/// otherwise. Links are never followed.
package protocol FileSystem: Sendable {
  func open(_ path: String, _ mode: OpenMode) throws(EventLogError) -> FileDescriptor
  func close(_ file: FileDescriptor)
  /// Reads until `buffer` is full or the file ends; returns how many bytes were read.
  func read(_ file: FileDescriptor, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, path: String)
    throws(EventLogError) -> Int
  func write(_ file: FileDescriptor, _ bytes: UnsafeRawBufferPointer, at offset: Int64, path: String)
    throws(EventLogError)
  func size(of file: FileDescriptor, path: String) throws(EventLogError) -> Int64
  /// Reserves room, so that stores into a mapping of it can't fail for want of it, and grows the file to its end.
  func allocate(_ file: FileDescriptor, from offset: Int64, count: Int64, path: String) throws(EventLogError)
  func truncate(_ file: FileDescriptor, to size: Int64, path: String) throws(EventLogError)
  /// Makes the file's data durable, and its size.
  func syncData(_ file: FileDescriptor, path: String) throws(EventLogError)
  /// Has the system begin to write out the file's data, so that a sync of it has less to wait for: a hint. What fails is told by
  /// that sync.
  func startWriteback(_ file: FileDescriptor)
  /// Makes the names in a directory durable.
  func syncDirectory(_ path: String) throws(EventLogError)
  /// Maps the first `count` bytes; those past the end of the file must not be touched until it has grown.
  func map(_ file: FileDescriptor, count: Int, writable: Bool, path: String) throws(EventLogError)
    -> UnsafeMutableRawPointer
  /// Reads the pages of a mapping in, so that touching them soon can't be a signal; `address` is that of a page. False where
  /// this kernel knows no such call.
  func populate(_ address: UnsafeRawPointer, count: Int, path: String) throws(EventLogError) -> Bool
  func rename(_ path: String, to newPath: String) throws(EventLogError)
  func unlink(_ path: String) throws(EventLogError)
  func makeDirectory(_ path: String) throws(EventLogError)
  func removeDirectory(_ path: String) throws(EventLogError)
  /// Nil where there is nothing of that name.
  func status(_ path: String) throws(EventLogError) -> FileStatus?
  /// Says when a file or directory was changed last, in nanoseconds since 1970.
  func setModified(_ path: String, nanoseconds: Int64) throws(EventLogError)
  /// The names in a directory, without `.` and `..`, in no order.
  func list(_ path: String) throws(EventLogError) -> [String]
  /// Takes the lock on an open file, until it is unlocked or the process ends; false where somebody else has it.
  func lock(_ file: FileDescriptor, path: String) throws(EventLogError) -> Bool
  /// Gives the lock back. Closing the file is not enough: a child that was forked and has not executed anything yet has the
  /// file open too, and with it the lock.
  func unlock(_ file: FileDescriptor, path: String) throws(EventLogError)
}

extension FileSystem {
  /// The whole of a small file. One that is larger than `limit` is refused.
  package func contents(of path: String, limit: Int = 64 << 20) throws(EventLogError) -> [UInt8] {
    let file = try open(path, .read)
    defer { close(file) }
    let size = try size(of: file, path: path)
    guard size <= Int64(limit) else {
      throw EventLogError(.corruptMessage, "the file has \(size) bytes, more than the \(limit) it may have", file: path)
    }
    return try read(file, at: 0, count: Int(size), path: path)
  }

  /// The same; nil where there is nothing of that name.
  func contentsIfPresent(of path: String, limit: Int = 64 << 20) throws(EventLogError) -> [UInt8]? {
    do throws(EventLogError) {
      return try contents(of: path, limit: limit)
    } catch {
      if error.errno == ENOENT { return nil }
      throw error
    }
  }

  /// Up to `count` bytes from `offset`; fewer at the end of the file.
  package func read(_ file: FileDescriptor, at offset: Int64, count: Int, path: String) throws(EventLogError) -> [UInt8]
  {
    // For no bytes the standard library writes into the one empty array that all threads share.
    guard count > 0 else { return [] }
    var failure: EventLogError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      do throws(EventLogError) {
        filled = try read(file, into: UnsafeMutableRawBufferPointer(buffer), at: offset, path: path)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  package func write(_ file: FileDescriptor, _ bytes: [UInt8], at offset: Int64, path: String) throws(EventLogError) {
    var failure: EventLogError?
    bytes.withUnsafeBytes { buffer in
      do throws(EventLogError) { try write(file, buffer, at: offset, path: path) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Replaces a small file as a whole: written beside it, synced where `durably`, renamed over it. The caller syncs the
  /// directory.
  package func replace(_ path: String, with bytes: [UInt8], durably: Bool) throws(EventLogError) {
    let temporary = path + ".tmp"
    let file = try createAnew(temporary)
    do throws(EventLogError) {
      defer { close(file) }
      try write(file, bytes, at: 0, path: temporary)
      if durably { try syncData(file, path: temporary) }
    } catch {
      try? unlink(temporary)
      throw error
    }
    try rename(temporary, to: path)
  }

  /// Has a file hold `bytes`, for less than `replace` takes. What a crash leaves of it, or a power cut until it is synced, may be cut
  /// off or have zeros in it, but bytes of before stand behind new ones or before them only where those were as few as a disk
  /// writes in one go: where there are more, and `bytes` does not begin with them, another file takes its place.
  package func overwrite(_ path: String, with bytes: [UInt8]) throws(EventLogError) {
    var kept = 0
    if let status = try status(path) {
      // One that has another name is a backup's too.
      guard status.kind == .file, status.linkCount == 1 else { return try replace(path, with: bytes, durably: false) }
      if status.size > Self.sectorSize {
        guard let old = try? contents(of: path), bytes.starts(with: old) else {
          return try replace(path, with: bytes, durably: false)
        }
        kept = old.count
      }
    }
    let file = try open(path, .createIfMissing)
    defer { close(file) }
    try write(file, Array(bytes[kept...]), at: Int64(kept), path: path)
    guard try size(of: file, path: path) > Int64(bytes.count) else { return }
    try truncate(file, to: Int64(bytes.count), path: path)
  }

  private static var sectorSize: Int64 { 512 }

  /// A new file, in place of one that is there.
  private func createAnew(_ path: String) throws(EventLogError) -> FileDescriptor {
    do throws(EventLogError) {
      return try open(path, .create)
    } catch {
      guard error.errno == EEXIST else { throw error }
      try unlink(path)
      return try open(path, .create)
    }
  }

  /// Makes the names in a directory durable, and its own in the one above it.
  package func syncNames(in directory: String) throws(EventLogError) {
    try syncDirectory(directory)
    if let slash = directory.lastIndex(of: "/") { try syncDirectory(String(directory[..<slash])) }
  }

  /// Removes a directory and the files in it. Directories within it are not expected and stop it.
  package func removeTree(_ path: String) throws(EventLogError) {
    for name in try list(path) { try unlink(path + "/" + name) }
    try removeDirectory(path)
  }
}
