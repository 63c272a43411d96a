internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Keeps, of every file, the content as it was when the file was last synced, and of every directory the names as they were
/// when that was last synced: what a machine would find after a power cut.
///
/// Files and directories have numbers of their own here, which survive renaming and are never used twice, as inodes are.
final class SimulatedDisk: Sendable {
  /// The content of a file at one moment.
  struct Snapshot: Sendable {
    fileprivate var number: Int
    fileprivate var bytes: [UInt8]
  }

  private struct State {
    var numbers: [String: Int] = [:]
    var nextNumber = 1
    var contents: [Int: [UInt8]] = [:]
    /// For each directory, the names that are durable, and what they name.
    var names: [Int: [String: Int]] = [:]
    var directories: Set<Int> = []

    mutating func number(_ path: String) -> Int {
      if let known = numbers[path] { return known }
      return renew(path)
    }

    mutating func renew(_ path: String) -> Int {
      nextNumber += 1
      numbers[path] = nextNumber
      return nextNumber
    }
  }

  private let local = LocalFileSystem()
  private let state = Mutex(State())
  private let root: String

  /// Takes what is there now for durable.
  init(root: String) {
    self.root = root
    adopt()
  }

  private func adopt() {
    state.withLock { state in
      state.contents = [:]
      state.names = [:]
      state.directories = []
      state.numbers = [:]
      adopt(root, &state)
    }
  }

  private func adopt(_ directory: String, _ state: inout State) {
    let number = state.number(directory)
    state.directories.insert(number)
    var names: [String: Int] = [:]
    for name in (try? local.list(directory)) ?? [] {
      let path = directory + "/" + name
      switch (try? local.status(path))?.map(\.kind) {
      case .directory: adopt(path, &state)
      case .file where directory != root: state.contents[state.number(path)] = content(path)
      default: continue
      }
      names[name] = state.number(path)
    }
    state.names[number] = names
  }

  private func content(_ path: String) -> [UInt8] { (try? local.contents(of: path, limit: 1 << 31)) ?? [] }

  // MARK: What the calls change

  func created(_ path: String, isNew: Bool) {
    state.withLock { state in _ = isNew ? state.renew(path) : state.number(path) }
  }

  func renamed(_ path: String, to newPath: String) {
    state.withLock { state in
      for (old, number) in state.numbers where old == path || old.hasPrefix(path + "/") {
        state.numbers[old] = nil
        state.numbers[newPath + old.dropFirst(path.count)] = number
      }
    }
  }

  func removed(_ path: String) {
    state.withLock { $0.numbers[path] = nil }
  }

  func snapshot(_ path: String) -> Snapshot {
    let number = state.withLock { $0.number(path) }
    return Snapshot(number: number, bytes: content(path))
  }

  func synced(_ snapshot: Snapshot) {
    state.withLock { $0.contents[snapshot.number] = snapshot.bytes }
  }

  func syncedDirectory(_ path: String) throws(EventLogError) {
    let names = try local.list(path)
    let directories = Set(names.filter { (try? local.status(path + "/" + $0))?.map(\.kind) == .directory })
    state.withLock { state in
      var numbers: [String: Int] = [:]
      for name in names {
        let number = state.number(path + "/" + name)
        numbers[name] = number
        if directories.contains(name) { state.directories.insert(number) }
      }
      let number = state.number(path)
      state.directories.insert(number)
      state.names[number] = numbers
    }
  }

  // MARK: Power cuts

  func durableFiles() -> [String: [UInt8]] { durable().files }

  private func durable() -> (directories: [String], files: [String: [UInt8]]) {
    state.withLock { state in
      var directories: [String] = []
      var files: [String: [UInt8]] = [:]
      var waiting = [(root, state.number(root))]
      while let (path, number) = waiting.popLast() {
        for (name, child) in state.names[number] ?? [:] {
          let childPath = path + "/" + name
          if state.directories.contains(child) {
            directories.append(childPath)
            waiting.append((childPath, child))
          } else {
            // A name without content that was ever synced: an empty file.
            files[childPath] = state.contents[child] ?? []
          }
        }
      }
      return (directories, files)
    }
  }

  func restore() throws(EventLogError) {
    let (directories, files) = durable()
    for name in try local.list(root) {
      let path = root + "/" + name
      switch try local.status(path)?.kind {
      case .directory: try local.removeTree(path)
      // A mark that a sync failed speaks of pages that are gone with the power.
      case .file where name.hasSuffix(".sync-failed"): try local.unlink(path)
      default: break
      }
    }
    // Parents come before what lies in them.
    for directory in directories.sorted() { try local.makeDirectory(directory) }
    for (path, bytes) in files where directories.contains(where: { path.hasPrefix($0 + "/") }) {
      let file = try local.open(path, .create)
      defer { local.close(file) }
      try local.write(file, bytes, at: 0, path: path)
    }
    adopt()
  }
}
