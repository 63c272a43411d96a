internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Keeps, of every file, the content as it was when the file was last synced, and of every directory the names as they were
/// when that was last synced: what a machine would find after a power cut that takes everything else.
///
/// A machine may have kept some of the rest as well, in any order: `restore(tornBy:)` makes a choice of that.
///
/// Files and directories come back with the time stamps that they had then: who goes by stamps must not be misled by them.
///
/// Files and directories have numbers of their own here, which survive renaming and are never used twice, as inodes are.
final class SimulatedDisk: Sendable {
  /// The content of a file at one moment.
  struct Snapshot: Sendable {
    fileprivate var number: Int
    fileprivate var bytes: [UInt8]
    fileprivate var stamp: Int64?
  }

  private struct State {
    var numbers: [String: Int] = [:]
    var nextNumber = 1
    var contents: [Int: [UInt8]] = [:]
    /// When files and directories were last changed before they were last synced.
    var stamps: [Int: Int64] = [:]
    /// What files held when they lost their names, as long as a power cut may give them back.
    var removed: [Int: [UInt8]] = [:]
    var names = DirectoryNames()
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

  private struct Tree {
    var directories: [(path: String, number: Int)] = []
    /// By path, in order: what is chosen by a seed is chosen alike in every process.
    var files: [(path: String, number: Int)] = []
  }

  private let local = LocalFileSystem()
  private let state = Mutex(State())
  private let root: String

  /// Takes what is there now for durable.
  init(root: String) {
    self.root = root
    adopt()
  }

  func adopt() {
    state.withLock { state in
      let next = state.nextNumber
      state = State()
      state.nextNumber = next
      adopt(root, &state)
    }
  }

  private func adopt(_ directory: String, _ state: inout State) {
    let number = state.number(directory)
    state.directories.insert(number)
    state.stamps[number] = stamp(directory)
    var names: [String: Int] = [:]
    for name in (try? local.list(directory)) ?? [] {
      let path = directory + "/" + name
      switch (try? local.status(path))?.map(\.kind) {
      case .directory: adopt(path, &state)
      case .file where directory != root:
        state.contents[state.number(path)] = content(path)
        state.stamps[state.number(path)] = stamp(path)
      default: continue
      }
      names[name] = state.number(path)
    }
    state.names.adopt(names, in: number)
  }

  private func content(_ path: String) -> [UInt8] { (try? local.contents(of: path, limit: 1 << 31)) ?? [] }
  private func stamp(_ path: String) -> Int64? { (try? local.status(path))?.modifiedNanoseconds }

  private static func split(_ path: String) -> (directory: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    return (String(path[..<slash]), String(path[path.index(after: slash)...]))
  }

  // MARK: What the calls change

  func created(_ path: String, isNew: Bool) {
    let (directory, name) = Self.split(path)
    state.withLock { state in
      guard isNew || state.numbers[path] == nil else { return }
      let number = state.renew(path)
      state.names.create(name, number, in: state.number(directory))
    }
  }

  func createdDirectory(_ path: String) {
    created(path, isNew: true)
    state.withLock { state in _ = state.directories.insert(state.number(path)) }
  }

  /// To be called before a name is taken from a file, by an unlink or by a rename over it.
  func willRemove(_ path: String) {
    guard (try? local.status(path))?.map(\.kind) == .file else { return }
    let snapshot = snapshot(path)
    state.withLock { $0.removed[snapshot.number] = snapshot.bytes }
  }

  func renamed(_ path: String, to newPath: String) {
    let (old, new) = (Self.split(path), Self.split(newPath))
    state.withLock { state in
      let number = state.number(path)
      state.names.rename(
        number, from: old.name, in: state.number(old.directory), to: new.name, in: state.number(new.directory))
      for (old, number) in state.numbers where old == path || old.hasPrefix(path + "/") {
        state.numbers[old] = nil
        state.numbers[newPath + old.dropFirst(path.count)] = number
      }
    }
  }

  func removed(_ path: String) {
    let (directory, name) = Self.split(path)
    state.withLock { state in
      state.names.remove(name, state.number(path), in: state.number(directory))
      state.numbers[path] = nil
    }
  }

  func snapshot(_ path: String) -> Snapshot {
    let number = state.withLock { $0.number(path) }
    return Snapshot(number: number, bytes: content(path), stamp: stamp(path))
  }

  func synced(_ snapshot: Snapshot) {
    state.withLock { state in
      state.contents[snapshot.number] = snapshot.bytes
      state.stamps[snapshot.number] = snapshot.stamp
    }
  }

  /// A file or a directory was given a time stamp, which the machine may write whenever it likes: here at once.
  func stamped(_ path: String) {
    let stamp = stamp(path)
    state.withLock { $0.stamps[$0.number(path)] = stamp }
  }

  func syncedDirectory(_ path: String) throws(EventLogError) {
    let count = state.withLock { $0.names.pendingCount }
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
      state.stamps[number] = stamp(path)
      state.names.sync(number, as: numbers, count: count)
    }
  }

  // MARK: Power cuts

  func durableFiles() -> [String: [UInt8]] {
    let known = state.withLock { $0 }
    var files: [String: [UInt8]] = [:]
    // A name without content that was ever synced: an empty file.
    for (path, number) in tree(known.names.durable, known).files { files[path] = known.contents[number] ?? [] }
    return files
  }

  private func tree(_ names: [Int: [String: Int]], _ known: State) -> Tree {
    var result = Tree()
    var waiting: [(path: String, number: Int)] = []
    if let number = known.numbers[root] { waiting.append((root, number)) }
    while let (path, number) = waiting.popLast() {
      for (name, child) in (names[number] ?? [:]).sorted(by: { $0.key < $1.key }) {
        let childPath = path + "/" + name
        if known.directories.contains(child) {
          result.directories.append((childPath, child))
          waiting.append((childPath, child))
        } else {
          result.files.append((childPath, child))
        }
      }
    }
    return result
  }

  /// Has the directory be what was synced.
  func restore() throws(EventLogError) {
    let known = state.withLock { $0 }
    try write(tree(known.names.durable, known), known.contents, known.stamps)
  }

  /// Has the directory be what was synced, and any part of what was done since: of names as `DirectoryNames.torn` says, of
  /// files as `TornFile`.
  func restore(tornBy random: inout SplitMix) throws(EventLogError) {
    let torn = torn(by: &random) { Self.split($0).directory != root }
    try write(torn.tree, torn.contents, torn.stamps)
  }

  /// What that would be, with the files directly in the root, and without doing it.
  func tornFiles(by random: inout SplitMix) -> [String: [UInt8]] {
    let torn = torn(by: &random) { _ in true }
    var files: [String: [UInt8]] = [:]
    for (path, number) in torn.tree.files { files[path] = torn.contents[number] ?? [] }
    return files
  }

  private func torn(
    by random: inout SplitMix, where concerns: (String) -> Bool
  ) -> (tree: Tree, contents: [Int: [UInt8]], stamps: [Int: Int64]) {
    let known = state.withLock { $0 }
    // As the page cache has them, stores into mappings included, before anything is thrown away.
    var written = known.removed
    var writtenStamps: [Int: Int64] = [:]
    for (path, number) in known.numbers where concerns(path) {
      writtenStamps[number] = stamp(path)
      if (try? local.status(path))?.map(\.kind) == .file { written[number] = content(path) }
    }
    let chance = TornFile.chance(by: &random)
    let names = known.names.torn(chance: chance, by: &random)
    let tree = tree(names, known)
    var stamps: [Int: Int64] = [:]
    // Of their own, so that a seed makes of names and contents what it always did.
    var stampRandom = SplitMix(seed: ~UInt64(known.nextNumber))
    // Without a journal, names and the stamp of their directory are written each for itself.
    for (_, number) in tree.directories {
      let isAsSynced = names[number] == known.names.durable[number]
      let keepsOld = Int.random(in: 0..<4, using: &stampRandom) > 0 ? isAsSynced : !isAsSynced
      stamps[number] = keepsOld ? known.stamps[number] : writtenStamps[number]
    }
    var contents: [Int: [UInt8]] = [:]
    for (_, number) in tree.files where contents[number] == nil {
      let synced = known.contents[number] ?? []
      let bytes = TornFile(synced: synced, written: written[number] ?? synced).bytes(by: &random)
      contents[number] = bytes
      // A file's length and its stamp are written in one go; not so what it holds.
      let keepsOld = bytes.count == synced.count && Int.random(in: 0..<4, using: &stampRandom) > 0
      stamps[number] = keepsOld ? known.stamps[number] : writtenStamps[number]
    }
    return (tree, contents, stamps)
  }

  private func write(
    _ tree: Tree, _ contents: [Int: [UInt8]], _ stamps: [Int: Int64]
  ) throws(EventLogError) {
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
    for (path, _) in tree.directories.sorted(by: { $0.path < $1.path }) { try local.makeDirectory(path) }
    for (path, number) in tree.files where Self.split(path).directory != root {
      let file = try local.open(path, .create)
      defer { local.close(file) }
      try local.write(file, contents[number] ?? [], at: 0, path: path)
    }
    // Last: to make a file changes the stamp of its directory.
    for (path, number) in tree.files.filter({ Self.split($0.path).directory != root }) + tree.directories {
      if let stamp = stamps[number] { try local.setModified(path, nanoseconds: stamp) }
    }
    adopt()
  }
}
