import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Synchronization
import Testing

@Suite("The log cleaner against a model")
struct LogCleanerModelTests {
  @Test(
    "random records, tombstones, rolls, passes, clocks and restarts never lose the last value of a key",
    arguments: 0..<12)
  func random(seed: Int) throws {
    var generator = SplitMix(seed: UInt64(seed) + 77)
    let world = try CleanerWorld(segmentBytes: Int.random(in: 300...4000, using: &generator)) {
      $0.deleteRetentionMilliseconds = Int64.random(in: 0...500, using: &generator)
      $0.indexIntervalBytes = 200
    }
    var written: [Int64: CleanerWorld.Survivor] = [:]
    var table: [String: String] = [:]
    let codecs: [CompressionType] = [.none, .none, .gzip, .snappy, .lz4, .zstd]
    for step in 0..<300 {
      switch Int.random(in: 0..<20, using: &generator) {
      case 0...12:
        let records = (0..<Int.random(in: 1...4, using: &generator)).map { index -> (String, String?) in
          let key = "k\(Int.random(in: 0..<15, using: &generator))"
          let isTombstone = Int.random(in: 0..<4, using: &generator) == 0
          return (
            key,
            isTombstone
              ? nil : "\(step).\(index)" + String(repeating: "x", count: Int.random(in: 0..<40, using: &generator))
          )
        }
        let base = try world.put(records, compression: codecs.randomElement(using: &generator) ?? .none)
        for (index, record) in records.enumerated() {
          table[record.0] = record.1
          let offset = base + Int64(index)
          written[offset] = .init(offset: offset, key: record.0, value: record.1, timestamp: world.now)
        }
      case 13...14: try world.roll()
      case 15...17:
        world.options.dedupeBufferBytes = Int.random(in: 0..<3, using: &generator) == 0 ? 24 * 8 : 1 << 16
        let end = world.log.logEndOffset
        let stats = try world.clean()
        #expect(world.log.logEndOffset == end)
        let clean = try world.survivors().filter { $0.offset < stats.cleanedTo }
        let isUnique = Set(clean.map(\.key)).count == clean.count
        #expect(isUnique, "seed \(seed), step \(step)")
      case 18: world.now += Int64.random(in: 0...700, using: &generator)
      default: try world.reopen()
      }
      guard step % 10 == 9 else { continue }
      let read = try world.read()
      #expect(read == (try world.survivors()), "seed \(seed), step \(step)")
      #expect(CleanerWorld.table(read) == table, "seed \(seed), step \(step)")
      let areOriginal = read.allSatisfy { written[$0.offset] == $0 }
      #expect(areOriginal, "seed \(seed), step \(step)")
      #expect(read.map(\.offset) == read.map(\.offset).sorted())
    }
  }

  /// A log whose cleaning goes over several groups.
  private func dirty(_ world: CleanerWorld, records: Int = 60) throws -> [String: String] {
    for number in 0..<records { try world.put("key \(number % 20)", number % 7 == 0 ? nil : "value \(number)") }
    try world.roll()
    try world.put("active", "1")
    try world.log.flush()
    return CleanerWorld.table(try world.read())
  }

  @Test(
    "a crash at any step of a pass loses nothing, and the next pass comes to the same end", arguments: [true, false],
    [false, true])
  func crash(isPowerCut: Bool, isTorn: Bool) throws {
    guard isPowerCut || !isTorn else { return }
    var sawUnfinished = 0
    for step in 0..<200 {
      let world = try CleanerWorld(segmentBytes: 900, tracksDurability: true)
      let table = try dirty(world, records: 24)
      // Every call counts, of whichever kind: from the one with this number on, nothing works any more.
      let left = Mutex(step)
      for call in FaultyFileSystem.Call.allCases {
        world.files.arm(call, after: 0, times: nil, with: .fail(FaultyFileSystem.inputOutput)) { path in
          guard path.contains("/t-0") else { return false }
          return left.withLock { left in
            if left > 0 {
              left -= 1
              return false
            }
            return true
          }
        }
      }
      let isWhole = (try? world.clean()) != nil
      if !isWhole {
        sawUnfinished += 1
        // What is in memory goes on, whatever the disk does.
        world.files.heal()
        #expect(CleanerWorld.table(try world.read()) == table, "step \(step), before the restart")
      }
      world.checkpoint = nil
      try world.reopen(powerCut: isPowerCut, torn: isTorn ? UInt64(step) : nil)
      #expect(CleanerWorld.table(try world.read()) == table, "step \(step)")
      #expect(world.log.logEndOffset == 25)
      #expect(try world.read() == (try world.survivors()))
      let names = try FileManager.default.contentsOfDirectory(atPath: world.test.directory)
      let leftovers = names.filter { name in [".cleaned", ".swap", ".deleted", ".tmp"].contains { name.hasSuffix($0) } }
      #expect(leftovers.isEmpty, "step \(step)")
      try world.clean()
      #expect(CleanerWorld.table(try world.read()) == table, "step \(step), cleaned again")
      let read = try world.read()
      #expect(Set(read.map(\.key)).count == read.count)
      if isWhole { break }
    }
    #expect(sawUnfinished > 20)
  }

  @Test(
    "a full disk stops a pass, takes nothing, and is no hindrance once there is room", arguments: [0, 100, 1000, 3000])
  func fullDisk(room: Int64) throws {
    let world = try CleanerWorld(segmentBytes: 900)
    let table = try dirty(world)
    world.files.limitRoom(to: room) { $0.contains(".cleaned") }
    let error = #expect(throws: EventLogError.self) { while true { try world.clean(); world.checkpoint = nil } }
    #expect(error?.code == .diskFull)
    #expect(CleanerWorld.table(try world.read()) == table)
    let names = try FileManager.default.contentsOfDirectory(atPath: world.test.directory)
    let leftovers = names.filter { $0.hasSuffix(".cleaned") || $0.hasSuffix(".swap") }
    #expect(leftovers.isEmpty)
    try world.put("another", "1")
    world.files.heal()
    try world.clean()
    #expect(CleanerWorld.table(try world.read()) == table.merging(["another": "1"]) { $1 })
  }

  @Test("a damaged batch stops it before anything is changed, wherever the damage is", arguments: [-3, 0, 7, 40])
  func damage(at byte: Int) throws {
    let world = try CleanerWorld(segmentBytes: 900)
    _ = try dirty(world)
    let path = world.log.segments[0].files.log
    var bytes = try Files.read(path)
    // From the second batch on: its base offset, which no checksum covers, or what one does.
    let second = try #require(try world.batches().first?.header.sizeInBytes)
    bytes[second + byte] ^= 1
    let file = try LocalFileSystem().open(path, .readWrite)
    try LocalFileSystem().write(file, bytes, at: 0, path: path)
    LocalFileSystem().close(file)
    let before = world.log.segments.map(\.baseOffset)
    let error = #expect(throws: EventLogError.self) { try world.clean() }
    #expect(error?.code == .corruptMessage)
    #expect(world.log.segments.map(\.baseOffset) == before)
  }

  @Test("readers read through passes, and so do those of other processes; appends go on")
  func readers() throws {
    let world = try CleanerWorld(segmentBytes: 2000)
    for number in 0..<200 { try world.put("key \(number % 20)", "value \(number)") }
    try world.roll()
    let log = world.log
    let isOver = Atomic(false)
    let failures = Mutex<[String]>([])
    let rounds = Atomic<Int>(0)
    let group = DispatchGroup()
    let partition = TopicPartition("t", 0)
    let directory = world.test.directory
    for isForeign in [false, true] {
      DispatchQueue.global().async(group: group) {
        while !isOver.load(ordering: .relaxed) {
          do {
            let reader = PartitionReader(
              partition, directory: directory, logStartOffset: 0, fileSystem: LocalFileSystem())
            var next: Int64 = 0
            var position: ReadPosition?
            var all: [CleanerWorld.Survivor] = []
            // Up to the end as it is then: what was superseded meanwhile may be gone, and what supersedes it lies there.
            while next < log.logEndOffset {
              let fetched =
                isForeign
                ? try reader.read(from: next, maxBytes: 500) : try log.read(from: next, maxBytes: 500, after: position)
              all += try CleanerWorld.survivors(fetched.batches).filter { $0.offset >= next }
              guard fetched.nextOffset > next else { break }
              next = fetched.nextOffset
              position = fetched.position
            }
            let table = CleanerWorld.table(all)
            if (0..<20).contains(where: { table["key \($0)"] == nil }) {
              failures.withLock { $0.append("a key is missing: \(isForeign) \(all.count)") }
            }
            if all.map(\.offset) != all.map(\.offset).sorted() { failures.withLock { $0.append("out of order") } }
            rounds.add(1, ordering: .relaxed)
          } catch {
            failures.withLock { $0.append("\(isForeign): \(error)") }
          }
        }
      }
    }
    // At least 25, and on until the readers have got somewhere, which other tests may keep them from for long.
    var round = 0
    while round < 25 || (rounds.load(ordering: .relaxed) <= 2 && round < 5000) {
      defer { round += 1 }
      for number in 0..<40 { try world.put("key \(number % 20)", "round \(round).\(number)") }
      try world.roll()
      try world.clean()
    }
    isOver.store(true, ordering: .relaxed)
    group.wait()
    #expect(failures.withLock { $0 }.prefix(3) == [])
    #expect(rounds.load(ordering: .relaxed) > 2)
  }
}
