import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("A power cut that tears")
struct TornPowerCutTests {
  /// A directory with a synced file "a" of three pages of ones.
  private struct World {
    let directory: TemporaryDirectory
    let files: FaultyFileSystem
    var path: String { directory.path + "/t-0" }

    init() throws {
      directory = try TemporaryDirectory()
      files = FaultyFileSystem(root: directory.path)
      try files.makeDirectory(path)
      try files.syncDirectory(directory.path)
      try write([UInt8](repeating: 1, count: 3 * 4096), to: "a", isSynced: true)
      try files.syncDirectory(path)
    }

    func write(_ bytes: [UInt8], to name: String, isSynced: Bool = false) throws {
      let file = try files.open(path + "/" + name, .createIfMissing)
      defer { files.close(file) }
      try files.write(file, bytes, at: 0, path: path + "/" + name)
      if isSynced { try files.syncData(file, path: path + "/" + name) }
    }

    func rename(_ old: String, _ new: String) throws { try files.rename(path + "/" + old, to: path + "/" + new) }

    /// The names that are there afterwards, and what they hold.
    func cut(_ seed: UInt64) throws -> [String: [UInt8]] {
      files.cutPower()
      try files.restorePower(tornBy: seed)
      var found: [String: [UInt8]] = [:]
      for name in try files.list(path) { found[name] = try files.contents(of: path + "/" + name) }
      return found
    }
  }

  /// What the seeds make of what `change` does.
  private func outcomes(seeds: Range<UInt64> = 0..<200, _ change: (World) throws -> Void) throws -> [[String: [UInt8]]]
  {
    try seeds.map { seed in
      let world = try World()
      try change(world)
      return try world.cut(seed)
    }
  }

  @Test("leaves what was synced, and the same for the same seed")
  func synced() throws {
    let ones = [UInt8](repeating: 1, count: 3 * 4096)
    #expect(try outcomes(seeds: 0..<20) { _ in }.allSatisfy { $0 == ["a": ones] })
    let change = { (world: World) in
      try world.write([UInt8](repeating: 2, count: 6 * 4096), to: "a")
      try world.write([3], to: "b")
    }
    #expect(try outcomes(seeds: 0..<20, change) == (try outcomes(seeds: 0..<20, change)))
  }

  @Test("leaves of each page the old or the new, in any order, torn only between sectors, and zeros where none came")
  func pages() throws {
    let found = try outcomes { try $0.write([UInt8](repeating: 2, count: 5 * 4096 + 100), to: "a") }.compactMap {
      $0["a"]
    }
    #expect(found.count == 200)
    var lengths: Set<Int> = []
    var kinds: Set<[UInt8]> = []
    for bytes in found {
      lengths.insert(bytes.count)
      #expect(bytes.count >= 3 * 4096 && bytes.count <= 5 * 4096 + 100)
      for start in stride(from: 0, to: bytes.count, by: 512) {
        let sector = Set(bytes[start..<min(start + 512, bytes.count)])
        #expect(sector.count == 1 && sector.isSubset(of: start < 3 * 4096 ? [1, 2] : [0, 2]))
      }
      kinds.insert(stride(from: 0, to: 3 * 4096, by: 4096).map { bytes[$0] })
    }
    #expect(kinds.count == 8, "each of the three pages by itself")
    #expect(lengths.isSuperset(of: [3 * 4096, 4 * 4096, 5 * 4096, 5 * 4096 + 100]) && lengths.count > 20)
    #expect(found.contains { bytes in Set(bytes[0..<4096]).count == 2 }, "torn inside of a page")
  }

  @Test("keeps stores into a mapping, and files that lost their names")
  func mappings() throws {
    let found = try outcomes { world in
      let file = try world.files.open(world.path + "/a", .readWrite)
      let memory = try world.files.map(file, count: 4096, writable: true, path: world.path + "/a")
      memory.initializeMemory(as: UInt8.self, repeating: 7, count: 4096)
      world.files.close(file)
      try world.files.unlink(world.path + "/a")
    }
    let back = found.compactMap { $0["a"] }
    #expect(!back.isEmpty && back.count < 200, "an unlink that was not synced may be undone")
    #expect(Set(back.map { $0[0] }) == [1, 7])
  }

  @Test("leaves a new name with what it holds, a part of it, zeros, or nothing, or not at all")
  func creations() throws {
    let found = try outcomes { try $0.write([UInt8](repeating: 2, count: 8192), to: "b") }
    #expect(found.contains { $0["b"] == nil })
    #expect(found.contains { $0["b"]?.isEmpty == true })
    #expect(found.contains { $0["b"] == [UInt8](repeating: 0, count: 8192) })
    #expect(found.contains { $0["b"] == [UInt8](repeating: 2, count: 8192) })
    #expect(found.contains { $0["b"].map { Set($0) == [0, 2] } ?? false })
  }

  @Test("undoes a rename as a whole or not at all, and keeps the order of what concerns one name")
  func renames() throws {
    let (ones, twos) = ([UInt8](repeating: 1, count: 3 * 4096), [UInt8](repeating: 2, count: 100))
    let found = try outcomes { world in
      try world.write(twos, to: "b", isSynced: true)
      try world.rename("b", "a")
      try world.write([3], to: "c", isSynced: true)
    }
    let states = Set(found)
    // "b" may be missing as well, where its own creation was lost: then the rename is too.
    for state in states {
      #expect(state["a"] == twos ? state["b"] == nil : state["a"] == ones && (state["b"] ?? twos) == twos)
    }
    #expect(states.count == 6, "three states of a and b, with and without c")
    #expect(
      try outcomes {
        try $0.rename("a", "x"); try $0.rename("x", "y")
      }.allSatisfy { $0.count == 1 })
  }

  @Test("takes nothing of what a directory's sync has made durable")
  func syncedNames() throws {
    let found = try outcomes { world in
      try world.write([2], to: "b", isSynced: true)
      try world.rename("a", "c")
      try world.files.syncDirectory(world.path)
      try world.write([3], to: "d")
    }
    #expect(found.allSatisfy { $0["a"] == nil && $0["b"] == [2] && $0["c"]?.count == 3 * 4096 })
    #expect(Set(found.map { $0["d"] == nil }) == [true, false])
  }
}
