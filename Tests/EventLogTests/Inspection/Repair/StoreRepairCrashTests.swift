import EventLog
import EventLogTesting
import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Synchronization
import Testing

/// Passes calls on to a file system with faults, and cuts the power at the one that it is told: there the process dies.
private final class CrashingFileSystem: FileSystem {
  let disk: FaultyFileSystem
  private let left: Mutex<Int>

  init(root: String, after calls: Int) {
    disk = FaultyFileSystem(root: root, syncs: false)
    left = Mutex(calls)
  }

  /// How many calls were left.
  var callsLeft: Int { left.withLock { $0 } }

  private func step() {
    let isOver = left.withLock { left -> Bool in
      left -= 1
      return left == -1
    }
    if isOver { disk.cutPower() }
  }

  func open(_ path: String, _ mode: OpenMode) throws(EventLogError) -> FileDescriptor {
    if mode != .read { step() }
    return try disk.open(path, mode)
  }
  func close(_ file: FileDescriptor) { disk.close(file) }
  func read(_ file: FileDescriptor, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, path: String)
    throws(EventLogError) -> Int
  { try disk.read(file, into: buffer, at: offset, path: path) }
  func write(_ file: FileDescriptor, _ bytes: UnsafeRawBufferPointer, at offset: Int64, path: String)
    throws(EventLogError)
  {
    step()
    try disk.write(file, bytes, at: offset, path: path)
  }
  func size(of file: FileDescriptor, path: String) throws(EventLogError) -> Int64 {
    try disk.size(of: file, path: path)
  }
  func allocate(_ file: FileDescriptor, from offset: Int64, count: Int64, path: String) throws(EventLogError) {
    step()
    try disk.allocate(file, from: offset, count: count, path: path)
  }
  func truncate(_ file: FileDescriptor, to size: Int64, path: String) throws(EventLogError) {
    step()
    try disk.truncate(file, to: size, path: path)
  }
  func syncData(_ file: FileDescriptor, path: String) throws(EventLogError) {
    step()
    try disk.syncData(file, path: path)
  }
  func startWriteback(_ file: FileDescriptor) { disk.startWriteback(file) }
  func syncDirectory(_ path: String) throws(EventLogError) {
    step()
    try disk.syncDirectory(path)
  }
  func map(_ file: FileDescriptor, count: Int, writable: Bool, path: String) throws(EventLogError)
    -> UnsafeMutableRawPointer
  { try disk.map(file, count: count, writable: writable, path: path) }
  func populate(_ address: UnsafeRawPointer, count: Int, path: String) throws(EventLogError) -> Bool {
    try disk.populate(address, count: count, path: path)
  }
  func rename(_ path: String, to newPath: String) throws(EventLogError) {
    step()
    try disk.rename(path, to: newPath)
  }
  func unlink(_ path: String) throws(EventLogError) {
    step()
    try disk.unlink(path)
  }
  func makeDirectory(_ path: String) throws(EventLogError) {
    step()
    try disk.makeDirectory(path)
  }
  func removeDirectory(_ path: String) throws(EventLogError) {
    step()
    try disk.removeDirectory(path)
  }
  func status(_ path: String) throws(EventLogError) -> FileStatus? { try disk.status(path) }
  func setModified(_ path: String, nanoseconds: Int64) throws(EventLogError) {
    try disk.setModified(path, nanoseconds: nanoseconds)
  }
  func list(_ path: String) throws(EventLogError) -> [String] { try disk.list(path) }
  func lock(_ file: FileDescriptor, path: String) throws(EventLogError) -> Bool { try disk.lock(file, path: path) }
  func unlock(_ file: FileDescriptor, path: String) throws(EventLogError) { try disk.unlock(file, path: path) }
}

@Suite("A repair that a crash breaks off")
struct StoreRepairCrashTests {
  /// A store with every kind of damage: batches in the middle, the end of the last segment, indexes, leftovers.
  private func damaged(isClean: Bool) throws -> RepairWorld {
    let world = try RepairWorld()
    try world.fill(seed: 4, steps: 80, isClean: isClean)
    let logs = try world.files(".log").filter { $0.contains("/a-0/") }
    try #require(logs.count > 3)
    let first = try RepairWorld.batches(in: logs[0])
    try world.change(logs[0]) { $0[first[2].position + 70] ^= 1 }
    try world.change(logs[1]) { for index in 200..<500 { $0[index] = 0 } }
    let last = try #require(try RepairWorld.batches(in: logs[logs.count - 1]).last)
    try world.change(logs[logs.count - 1]) { $0.removeLast($0.count - last.position - last.bytes.count / 2) }
    let indexes = try world.files(".index").filter { $0.contains("/a-1/") }
    let index = try #require(try indexes.first { try !RepairWorld.read($0).isEmpty })
    try world.change(index) { $0[3] ^= 0x40 }
    for snapshot in try world.files(".snapshot").prefix(1) { try world.change(snapshot) { $0[$0.count - 1] ^= 1 } }
    try RepairWorld.write([1, 2, 3], to: logs[0] + ".cleaned")
    return world
  }

  private func state(_ path: String) throws -> [String: [UInt8]] {
    var state: [String: [UInt8]] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path)
    where !name.hasPrefix(".lock") && !name.hasPrefix("metadata.sqlite") {
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path + "/" + name, isDirectory: &isDirectory) else { continue }
      if !isDirectory.boolValue { state[name] = try RepairWorld.read(path + "/" + name) }
    }
    return state
  }

  /// What a machine finds after the power came back, in a directory of its own.
  private func afterPowerCut(_ files: [String: [UInt8]], _ path: String, _ target: String) throws {
    try? FileManager.default.removeItem(atPath: target)
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    for name in try FileManager.default.contentsOfDirectory(atPath: path) where name.hasPrefix("metadata.sqlite") {
      try FileManager.default.copyItem(atPath: path + "/" + name, toPath: target + "/" + name)
    }
    for (file, bytes) in files where file.hasPrefix(path + "/") {
      let copy = target + file.dropFirst(path.count)
      let name = copy.dropFirst(target.count + 1)
      guard !name.hasPrefix("metadata.sqlite"), !name.hasPrefix(".lock") else { continue }
      let parent = String(copy[..<(copy.lastIndex(of: "/") ?? copy.startIndex)])
      try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
      try RepairWorld.write(bytes, to: copy)
    }
  }

  /// Once a repair has said that it is done, a power cut takes nothing of it back.
  private func expectDurable(
    _ disk: FaultyFileSystem, _ path: String, _ target: String, _ end: [String: [UInt8]]
  ) throws {
    for seed in 0..<12 as Range<UInt64> {
      try afterPowerCut(disk.tornState(by: seed), path, target)
      let found = try state(target)
      for name in Set(found.keys).union(end.keys) {
        let isSame = found[name] == end[name]
        #expect(isSame, "after the end, torn by \(seed): \(name) is another")
      }
      #expect(try StoreVerifier(path: target).run().isSound, "after the end, torn by \(seed)")
    }
  }

  @Test(
    "at any system call comes to the same end when it is run again, after a power cut too, and one that tears",
    arguments: [true, false])
  func anyCall(isClean: Bool) throws {
    let world = try damaged(isClean: isClean)
    let whole = world.directory("whole")
    try FileManager.default.copyItem(atPath: world.path, toPath: whole)
    let report = try StoreRepair(path: whole).run()
    try #require(report.notRepaired == 0 && report.losses.count >= 2, "\(report.findings)")
    let end = try state(whole)
    try #require(end.keys.contains { $0.hasSuffix(".quarantine") })
    var calls = 0
    while true {
      let path = world.directory("crashed")
      try? FileManager.default.removeItem(atPath: path)
      try FileManager.default.copyItem(atPath: world.path, toPath: path)
      let system = CrashingFileSystem(root: path, after: calls)
      _ = try? StoreRepair(path: path, fileSystem: system).run()
      guard system.callsLeft < 0 else {
        try expectDurable(system.disk, path, world.directory("torn"), end)
        break
      }
      var places: [(what: String, path: String)] = []
      let cut = world.directory("cut")
      try afterPowerCut(system.disk.durableState(), path, cut)
      places.append(("after a power cut", cut))
      for seed in UInt64(calls * 2)..<UInt64(calls * 2 + 2) {
        let torn = world.directory("torn \(seed % 2)")
        try afterPowerCut(system.disk.tornState(by: seed), path, torn)
        places.append(("after a power cut torn by \(seed)", torn))
      }
      places.append(("killed", path))
      for (what, place) in places {
        let again = try StoreRepair(path: place).run()
        #expect(again.notRepaired == 0, "\(what) at call \(calls): \(again.findings)")
        let found = try state(place)
        for name in Set(found.keys).union(end.keys) {
          let isSame = found[name] == end[name]
          #expect(isSame, "\(what) at call \(calls): \(name) is another")
        }
        #expect(try StoreVerifier(path: place).run().isSound, "\(what) at call \(calls)")
      }
      calls += 1
    }
    #expect(calls > 30)
    let broker = try Broker.open(whole, RepairWorld.quiet())
    try broker.close()
    #expect(try StoreVerifier(path: whole).run().isSound)
  }

  @Test("by a failed sync is not gone on with as if nothing had happened: the next one writes anew what was in doubt")
  func failedSync() throws {
    let world = try RepairWorld()
    try world.fill(seed: 4, steps: 80, isClean: false)
    let logs = try world.files(".log").filter { $0.contains("/a-0/") }
    try #require(logs.count > 3)
    let batches = try RepairWorld.batches(in: logs[0])
    try world.change(logs[0]) { $0[batches[2].position + 70] ^= 1 }
    let system = FaultyFileSystem(root: world.path, tracksDurability: false, syncs: false)
    system.arm(.syncData, after: 0, times: 1, with: .fail(FaultyFileSystem.inputOutput)) { $0.hasSuffix(".log") }
    let failed = try StoreRepair(path: world.path, fileSystem: system).run()
    #expect(failed.notRepaired > 0)
    let before = try logs.map(RepairWorld.inode)
    // The disk works again; what it was given may be gone all the same.
    let again = try StoreRepair(path: world.path, fileSystem: system).run()
    #expect(again.notRepaired == 0, "\(again.findings)")
    for (log, inode) in zip(logs, before) { #expect(try RepairWorld.inode(log) != inode, "\(log)") }
    #expect(try StoreVerifier(path: world.path).run().isSound)
  }

  @Test(
    "by an error of any call says so, and leaves nothing that the next one can't repair",
    arguments: [FaultyFileSystem.Call.open, .read, .write, .syncData, .syncDirectory, .rename, .unlink])
  func anyError(call: FaultyFileSystem.Call) throws {
    let world = try damaged(isClean: true)
    for number in 0..<12 {
      let path = world.directory("failed")
      try? FileManager.default.removeItem(atPath: path)
      try FileManager.default.copyItem(atPath: world.path, toPath: path)
      let system = FaultyFileSystem(root: path, tracksDurability: false, syncs: false)
      system.fail(call, after: number, isPermanent: true, with: FaultyFileSystem.inputOutput)
      let report = try? StoreRepair(path: path, fileSystem: system).run()
      #expect(report?.isWhole != true, "\(call) \(number)")
      let again = try StoreRepair(path: path).run()
      #expect(again.notRepaired == 0, "\(call) \(number): \(again.findings)")
      #expect(try StoreVerifier(path: path).run().isSound, "\(call) \(number)")
    }
  }
}
