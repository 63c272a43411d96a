internal import Glibc
internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Where a test's broker keeps its files.
public enum TestStorage: Sendable, Hashable {
  /// A directory of its own in memory: on `/dev/shm` where that is a `tmpfs`, else as `temporaryDirectory`. It goes when the
  /// broker is closed. A container may have little room there (Docker's default is 64 MB).
  case memory
  /// A directory of its own in `$TMPDIR`, or in `/tmp`. It goes when the broker is closed.
  case temporaryDirectory
  /// A directory of yours, made if it is missing. It stays.
  case directory(String)

  /// Whether the directory goes with the broker.
  var isTemporary: Bool {
    if case .directory = self { false } else { true }
  }

  private static let prefix = "eventlog-test-"
  private static let number = Atomic<Int>(0)
  private static let swept = Mutex<Set<String>>([])
  private static let hasMemory = isMemory("/dev/shm")

  /// The path of a directory for one broker, which exists.
  func makeDirectory() throws(EventLogError) -> String {
    let parent: String
    switch self {
    case .directory(let path): return path
    case .memory: parent = Self.hasMemory ? "/dev/shm" : Self.temporary
    case .temporaryDirectory: parent = Self.temporary
    }
    if Self.swept.withLock({ $0.insert(parent).inserted }) { Self.sweep(parent) }
    let fileSystem = LocalFileSystem()
    while true {
      let number = Self.number.add(1, ordering: .relaxed).newValue
      let path = "\(parent)/\(Self.prefix)\(getpid())-\(number)"
      // Another process of this number, in another container or before this one, may have left one.
      if try fileSystem.status(path) != nil { continue }
      try fileSystem.makeDirectory(path)
      return path
    }
  }

  private static var temporary: String {
    guard let value = getenv("TMPDIR") else { return "/tmp" }
    let path = String(cString: value)
    return path.isEmpty ? "/tmp" : path.hasSuffix("/") && path != "/" ? String(path.dropLast()) : path
  }

  private static func isMemory(_ path: String) -> Bool {
    // By the process id: /proc/mounts and /proc/self are links, which the store does not follow.
    let mounts = "/proc/\(getpid())/mounts"
    let fileSystem = LocalFileSystem()
    guard access(path, W_OK) == 0, let file = try? fileSystem.open(mounts, .read) else { return false }
    defer { fileSystem.close(file) }
    let bytes = (try? fileSystem.read(file, at: 0, count: 1 << 16, path: mounts)) ?? []
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains { line in
      let parts = line.split(separator: " ")
      return parts.count > 2 && parts[1] == path && parts[2] == "tmpfs"
    }
  }

  /// Removes what tests left behind that crashed an hour ago or earlier: directories that nobody has locked.
  private static func sweep(_ parent: String) {
    let fileSystem = LocalFileSystem()
    let hourAgo = TimeSource.system.wallMilliseconds() - 3_600_000
    for name in (try? fileSystem.list(parent)) ?? [] where name.hasPrefix(prefix) {
      let path = parent + "/" + name
      guard let status = try? fileSystem.status(path), status.kind == .directory, status.modified < hourAgo,
        let lock = try? fileSystem.open(path + "/.lock", .readWrite)
      else { continue }
      defer { fileSystem.close(lock) }
      if (try? fileSystem.lock(lock, path: path)) == true { remove(path) }
    }
  }

  /// Removes a data directory with all that is in it.
  static func remove(_ path: String) {
    let fileSystem = LocalFileSystem()
    for name in (try? fileSystem.list(path)) ?? [] {
      let child = path + "/" + name
      if let status = try? fileSystem.status(child), status.kind == .directory {
        try? fileSystem.removeTree(child)
      } else {
        try? fileSystem.unlink(child)
      }
    }
    try? fileSystem.removeDirectory(path)
  }
}
