package import RecordFormat
package import SegmentStore
internal import Synchronization

/// The local file system, with faults: calls that fail or are held, a disk that is full, and power cuts.
///
/// SQLite does not go through it, and neither do reads and writes of mapped segments: those are no calls. The pointers in its
/// calls are `FileSystem`'s: what they lead to is the caller's, and stays valid for the call.
package final class FaultyFileSystem: FileSystem {
  package enum Call: Hashable, Sendable, CaseIterable {
    case open, read, write, allocate, truncate, startWriteback, syncData, syncDirectory, map, rename, unlink
    case makeDirectory
  }

  /// What becomes of a call.
  package enum Effect: Sendable {
    case fail(EventLogError)
    /// It waits until the gate is opened, and then goes on.
    case hold(Gate)
  }

  private struct Fault {
    var call: Call
    /// How many calls come before the first one that it concerns.
    var after: Int
    /// How many calls it concerns; nil for all.
    var remaining: Int?
    var concerns: @Sendable (String) -> Bool
    var effect: Effect
  }

  private struct State {
    var faults: [Fault] = []
    var calls: [Call: Int] = [:]
    var room: (bytes: Int64, concerns: @Sendable (String) -> Bool)?
    var openFiles = 0
    var powerIsCut = false
  }

  private let local = LocalFileSystem()
  private let state = Mutex(State())
  private let disk: SimulatedDisk?
  private let syncs: Bool

  /// - Parameters:
  ///   - root: the directory that power cuts are about.
  ///   - tracksDurability: whether there may be power cuts. It costs a copy of each file with each sync of it.
  ///   - syncs: whether syncs reach the real disk.
  package init(root: String, tracksDurability: Bool = true, syncs: Bool = true) {
    disk = tracksDurability ? SimulatedDisk(root: root) : nil
    self.syncs = syncs
  }

  // MARK: Faults

  /// Has the call after the next `after` ones of this kind fail; for ever if `isPermanent`. Counts anew from now.
  package func fail(_ call: Call, after: Int = 0, isPermanent: Bool = false, with error: EventLogError) {
    state.withLock { $0.calls[call] = 0 }
    arm(call, after: after, times: isPermanent ? nil : 1, with: .fail(error)) { _ in true }
  }

  /// Arms a fault for calls of one kind on paths of the caller's choice, beside those that are armed already.
  ///
  /// - Parameter times: how many calls it is to concern; nil for all from then on.
  package func arm(
    _ call: Call, after: Int, times: Int?, with effect: Effect, where concerns: @escaping @Sendable (String) -> Bool
  ) {
    state.withLock { state in
      state.faults.append(Fault(call: call, after: after, remaining: times, concerns: concerns, effect: effect))
    }
  }

  /// Leaves room for so many bytes more, of what is reserved or written on paths of the caller's choice.
  package func limitRoom(to bytes: Int64, where concerns: @escaping @Sendable (String) -> Bool = { _ in true }) {
    state.withLock { $0.room = (bytes, concerns) }
  }

  /// Everything works again, and what is held goes on.
  package func heal() {
    let faults = state.withLock { state -> [Fault] in
      defer {
        state.faults = []
        state.room = nil
      }
      return state.faults
    }
    for fault in faults { if case .hold(let gate) = fault.effect { gate.open() } }
  }

  /// How many calls of a kind there were, with those that failed.
  package func count(_ call: Call) -> Int { state.withLock { $0.calls[call, default: 0] } }

  /// How many files are open.
  package var openFiles: Int { state.withLock { $0.openFiles } }

  private func check(_ call: Call, _ path: String, bytes: Int64 = 0) throws(EventLogError) {
    let effect = state.withLock { state -> Effect? in
      state.calls[call, default: 0] += 1
      if state.powerIsCut { return .fail(Self.powerIsCut(path)) }
      for index in state.faults.indices where state.faults[index].call == call {
        guard state.faults[index].concerns(path), state.faults[index].remaining != 0 else { continue }
        guard state.faults[index].after == 0 else {
          state.faults[index].after -= 1
          continue
        }
        if let remaining = state.faults[index].remaining { state.faults[index].remaining = remaining - 1 }
        return state.faults[index].effect
      }
      guard bytes > 0, let room = state.room, room.concerns(path) else { return nil }
      guard bytes <= room.bytes else { return .fail(Self.diskFull) }
      state.room?.bytes -= bytes
      return nil
    }
    switch effect {
    case .fail(var error):
      if error.file == nil { error.file = path }
      throw error
    case .hold(let gate):
      gate.pass()
      // What let it go on may be that the power went.
      if state.withLock({ $0.powerIsCut }) { throw Self.powerIsCut(path) }
    case nil: break
    }
  }

  private static func powerIsCut(_ path: String) -> EventLogError {
    EventLogError(.inputOutput, "the power is cut", file: path)
  }

  /// What the system says when there is no room.
  package static var diskFull: EventLogError {
    EventLogError(
      .diskFull, "no space left on device; make room and try again, nothing that was acknowledged is lost", errno: 28)
  }

  /// What the system says when a device fails.
  package static var inputOutput: EventLogError { EventLogError(.inputOutput, "input/output error", errno: 5) }

  // MARK: Power cuts

  /// From now on, until `restorePower`, every call fails and nothing becomes durable any more.
  package func cutPower() {
    state.withLock { $0.powerIsCut = true }
    heal()
  }

  /// Puts the directory into the state that a machine would find after the power came back: what was not synced is gone.
  /// Files directly in the root that never came through here (SQLite's) stay as they are.
  package func restorePower() throws(EventLogError) {
    try disk?.restore()
    state.withLock { $0.powerIsCut = false }
  }

  /// Puts the directory into one of the states that a machine might find: of what was not synced, any part is there, pages and
  /// names each for themselves. Which, the seed says.
  package func restorePower(tornBy seed: UInt64) throws(EventLogError) {
    var random = SplitMix(seed: seed)
    try disk?.restore(tornBy: &random)
    state.withLock { $0.powerIsCut = false }
  }

  /// Everything that was done so far becomes durable, as after some time without a sync too.
  package func writeOut() { disk?.adopt() }

  /// What is durable now, as paths and contents.
  package func durableState() -> [String: [UInt8]] { disk?.durableFiles() ?? [:] }

  /// One of the states that a machine might find, as paths and contents. Which, the seed says.
  package func tornState(by seed: UInt64) -> [String: [UInt8]] {
    var random = SplitMix(seed: seed)
    return disk?.tornFiles(by: &random) ?? [:]
  }

  // MARK: The calls

  package func open(_ path: String, _ mode: OpenMode) throws(EventLogError) -> FileDescriptor {
    try check(.open, path)
    let file = try local.open(path, mode)
    state.withLock { $0.openFiles += 1 }
    if mode == .create || mode == .createIfMissing { disk?.created(path, isNew: mode == .create) }
    return file
  }

  package func close(_ file: FileDescriptor) {
    local.close(file)
    state.withLock { $0.openFiles -= 1 }
  }

  package func read(
    _ file: FileDescriptor, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, path: String
  ) throws(EventLogError) -> Int {
    try check(.read, path)
    return try local.read(file, into: buffer, at: offset, path: path)
  }

  package func write(
    _ file: FileDescriptor, _ bytes: UnsafeRawBufferPointer, at offset: Int64, path: String
  ) throws(EventLogError) {
    try check(.write, path, bytes: Int64(bytes.count))
    try local.write(file, bytes, at: offset, path: path)
  }

  package func size(of file: FileDescriptor, path: String) throws(EventLogError) -> Int64 {
    try local.size(of: file, path: path)
  }

  package func allocate(
    _ file: FileDescriptor, from offset: Int64, count: Int64, path: String
  ) throws(EventLogError) {
    try check(.allocate, path, bytes: count)
    try local.allocate(file, from: offset, count: count, path: path)
  }

  package func truncate(_ file: FileDescriptor, to size: Int64, path: String) throws(EventLogError) {
    try check(.truncate, path)
    try local.truncate(file, to: size, path: path)
  }

  package func syncData(_ file: FileDescriptor, path: String) throws(EventLogError) {
    // What is durable is what was there when the call was made.
    let snapshot = disk?.snapshot(path)
    try check(.syncData, path)
    if syncs { try local.syncData(file, path: path) }
    if let snapshot { disk?.synced(snapshot) }
  }

  package func startWriteback(_ file: FileDescriptor) {
    // A hint, which fails nobody.
    guard (try? check(.startWriteback, "")) != nil else { return }
    if syncs { local.startWriteback(file) }
  }

  package func syncDirectory(_ path: String) throws(EventLogError) {
    try check(.syncDirectory, path)
    if syncs { try local.syncDirectory(path) }
    try disk?.syncedDirectory(path)
  }

  package func map(
    _ file: FileDescriptor, count: Int, writable: Bool, path: String
  ) throws(EventLogError) -> UnsafeMutableRawPointer {
    try check(.map, path)
    return try local.map(file, count: count, writable: writable, path: path)
  }

  package func populate(_ address: UnsafeRawPointer, count: Int, path: String) throws(EventLogError) -> Bool {
    try check(.read, path)
    return try local.populate(address, count: count, path: path)
  }

  package func rename(_ path: String, to newPath: String) throws(EventLogError) {
    try check(.rename, path)
    disk?.willRemove(newPath)
    try local.rename(path, to: newPath)
    disk?.renamed(path, to: newPath)
  }

  package func unlink(_ path: String) throws(EventLogError) {
    try check(.unlink, path)
    disk?.willRemove(path)
    try local.unlink(path)
    disk?.removed(path)
  }

  package func makeDirectory(_ path: String) throws(EventLogError) {
    try check(.makeDirectory, path)
    try local.makeDirectory(path)
    disk?.createdDirectory(path)
  }

  package func removeDirectory(_ path: String) throws(EventLogError) {
    try local.removeDirectory(path)
    disk?.removed(path)
  }

  package func status(_ path: String) throws(EventLogError) -> FileStatus? { try local.status(path) }
  package func setModified(_ path: String, nanoseconds: Int64) throws(EventLogError) {
    try local.setModified(path, nanoseconds: nanoseconds)
    disk?.stamped(path)
  }
  package func list(_ path: String) throws(EventLogError) -> [String] { try local.list(path) }
  package func lock(_ file: FileDescriptor, path: String) throws(EventLogError) -> Bool {
    try local.lock(file, path: path)
  }
  package func unlock(_ file: FileDescriptor, path: String) throws(EventLogError) {
    try local.unlock(file, path: path)
  }
}
