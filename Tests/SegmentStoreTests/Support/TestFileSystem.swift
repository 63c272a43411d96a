import RecordFormat
import SegmentStore
import Synchronization

/// The local file system, with faults: a call that fails, a disk that is full, and a power cut.
///
/// For the power cut it keeps, of every file, the content as it was when the file was last synced, and of every directory
/// the names as they were when that was last synced. `restoreDurableState` puts the directory into the state that a machine
/// would find after the power came back: what was not synced is gone.
final class TestFileSystem: FileSystem {
  enum Call: Hashable, Sendable {
    case open, write, allocate, truncate, syncData, syncDirectory, map, rename, unlink, makeDirectory
  }

  struct State {
    /// Which call fails: the kind, how many of it come before, and the error.
    var fault: (call: Call, after: Int, isPermanent: Bool, error: EventLogError)?
    var calls: [Call: Int] = [:]
    /// Content of files as they were last synced, by an identity that survives renaming.
    var synced: [UInt64: [UInt8]] = [:]
    var paths: [Int32: String] = [:]
    /// For each directory, the names that are durable, and which file each is.
    var names: [String: [String: UInt64]] = [:]
  }

  private let local = LocalFileSystem()
  private let state = Mutex(State())
  private let root: String

  init(root: String) {
    self.root = root
  }

  /// Has the call after the next `after` ones of this kind fail; for ever if `isPermanent`.
  func fail(_ call: Call, after: Int = 0, isPermanent: Bool = false, with error: EventLogError) {
    state.withLock { state in
      state.calls[call] = 0
      state.fault = (call, after, isPermanent, error)
    }
  }

  func heal() { state.withLock { $0.fault = nil } }

  func count(_ call: Call) -> Int { state.withLock { $0.calls[call, default: 0] } }

  private func check(_ call: Call) throws(EventLogError) {
    let error = state.withLock { state -> EventLogError? in
      let number = state.calls[call, default: 0]
      state.calls[call] = number + 1
      guard let fault = state.fault, fault.call == call,
        number == fault.after || (fault.isPermanent && number > fault.after)
      else { return nil }
      return fault.error
    }
    if let error { throw error }
  }

  // MARK: Power cuts

  /// What is durable now, as paths and contents.
  func durableState() -> [String: [UInt8]] {
    state.withLock { state in
      var result: [String: [UInt8]] = [:]
      for (directory, names) in state.names {
        // A directory whose own name is not durable is not there.
        guard isDurable(directory, state) else { continue }
        for (name, identity) in names where state.synced[identity] != nil || !isDirectory(directory + "/" + name) {
          result[directory + "/" + name] = state.synced[identity] ?? []
        }
      }
      return result
    }
  }

  private func isDurable(_ directory: String, _ state: borrowing State) -> Bool {
    if directory == root { return true }
    guard let slash = directory.lastIndex(of: "/") else { return false }
    return state.names[String(directory[..<slash])]?[String(directory[directory.index(after: slash)...])] != nil
  }

  private func isDirectory(_ path: String) -> Bool { (try? local.status(path))??.kind == .directory }

  private func content(_ path: String) -> [UInt8] { (try? local.contents(of: path, limit: 1 << 31)) ?? [] }

  private func identity(_ path: String) -> UInt64 { Inode.of(path) }

  // MARK: The calls

  func open(_ path: String, _ mode: OpenMode) throws(EventLogError) -> FileDescriptor {
    try check(.open)
    let file = try local.open(path, mode)
    state.withLock { $0.paths[file.number] = path }
    return file
  }

  func close(_ file: FileDescriptor) { local.close(file) }

  func read(
    _ file: FileDescriptor, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, path: String
  ) throws(EventLogError) -> Int { try local.read(file, into: buffer, at: offset, path: path) }

  func write(_ file: FileDescriptor, _ bytes: UnsafeRawBufferPointer, at offset: Int64, path: String)
    throws(EventLogError)
  {
    try check(.write)
    try local.write(file, bytes, at: offset, path: path)
  }

  func size(of file: FileDescriptor, path: String) throws(EventLogError) -> Int64 {
    try local.size(of: file, path: path)
  }

  func allocate(_ file: FileDescriptor, from offset: Int64, count: Int64, path: String) throws(EventLogError) {
    try check(.allocate)
    try local.allocate(file, from: offset, count: count, path: path)
  }

  func truncate(_ file: FileDescriptor, to size: Int64, path: String) throws(EventLogError) {
    try check(.truncate)
    try local.truncate(file, to: size, path: path)
  }

  func syncData(_ file: FileDescriptor, path: String) throws(EventLogError) {
    // What is durable is what was there when the call was made.
    let bytes = content(path)
    let identity = identity(path)
    try check(.syncData)
    state.withLock { $0.synced[identity] = bytes }
  }

  func syncDirectory(_ path: String) throws(EventLogError) {
    try check(.syncDirectory)
    var names: [String: UInt64] = [:]
    for name in try local.list(path) { names[name] = identity(path + "/" + name) }
    let found = names
    state.withLock { $0.names[path] = found }
  }

  func map(_ file: FileDescriptor, count: Int, writable: Bool, path: String) throws(EventLogError)
    -> UnsafeMutableRawPointer
  {
    try check(.map)
    return try local.map(file, count: count, writable: writable, path: path)
  }

  func rename(_ path: String, to newPath: String) throws(EventLogError) {
    try check(.rename)
    try local.rename(path, to: newPath)
  }

  func unlink(_ path: String) throws(EventLogError) {
    try check(.unlink)
    try local.unlink(path)
  }

  func makeDirectory(_ path: String) throws(EventLogError) {
    try check(.makeDirectory)
    try local.makeDirectory(path)
  }

  func removeDirectory(_ path: String) throws(EventLogError) { try local.removeDirectory(path) }
  func status(_ path: String) throws(EventLogError) -> FileStatus? { try local.status(path) }
  func list(_ path: String) throws(EventLogError) -> [String] { try local.list(path) }
  func lock(_ file: FileDescriptor, path: String) throws(EventLogError) -> Bool { try local.lock(file, path: path) }
}
