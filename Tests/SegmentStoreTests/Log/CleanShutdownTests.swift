import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("The record of a clean stop")
struct CleanShutdownTests {
  private func small() -> LogConfiguration {
    var configuration = LogConfiguration()
    configuration.segmentBytes = 2000
    configuration.indexIntervalBytes = 100
    return configuration
  }

  /// Closes the log, and takes a record however fresh the files are.
  private func close(_ log: PartitionLog) throws -> PartitionCheckpoint {
    var checkpoint = try log.close()
    checkpoint.shutdown = log.cleanShutdown(settledTime: .max)
    return checkpoint
  }

  /// A log that was closed, with its record and with stamps that can be put back.
  private func filled(_ test: TestLog, count: Int = 40) throws -> PartitionCheckpoint {
    let log = try test.open()
    for number in 0..<count { try log.append("value \(number)", timestamp: Int64(number) * 10) }
    var checkpoint = try log.close()
    try stamp(test)
    checkpoint.shutdown = log.cleanShutdown(settledTime: .max)
    #expect(checkpoint.shutdown != nil)
    return checkpoint
  }

  /// Has the files say that they were changed last at a certain time, whatever was done to them since.
  private func stamp(_ test: TestLog, seconds: TimeInterval = 1_000_000_000) throws {
    for path in [try test.activeFile, test.directory] {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: seconds)], ofItemAtPath: path)
    }
  }

  /// Changes bytes of a file where they are.
  private func overwrite(_ path: String, at position: Int, with bytes: [UInt8]) throws {
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    defer { try? handle.close() }
    try handle.seek(toOffset: UInt64(position))
    try handle.write(contentsOf: bytes)
  }

  @Test("opens a log without a look into any of its files")
  func nothingIsRead() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, small(), fileSystem: files)
    let checkpoint = try filled(test)
    files.fail(.open, isPermanent: true, with: FaultyFileSystem.inputOutput)
    let log = try test.open(checkpoint, wasClean: true)
    files.heal()
    #expect(log.logEndOffset == 40)
    #expect(try log.values().count == 40)
    #expect(try log.append("one more", timestamp: 1000) == 40)
    #expect(try log.values(from: 39) == [39: "value 39", 40: "one more"])
    #expect(try log.offset(forTimestamp: 1000)?.offset == 40)
    #expect(try log.offsetOfMaxTimestamp()?.offset == 40)
    #expect(test.warnings.all.isEmpty)
  }

  @Test("takes appends where a batch in the middle is damaged: who reads it is told", arguments: [8, 16, 30, 80])
  func damagedBatch(place: Int) throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.indexIntervalBytes = 100
    let test = TestLog(directory.path, configuration)
    var log = try test.open()
    for number in 0..<40 { try log.append("value \(number)", timestamp: Int64(number)) }
    let size = try #require(try log.read(from: 0, maxBytes: 1).batches.first).header.sizeInBytes
    var checkpoint = try log.close()
    #expect(log.sizeInBytes < 16 << 10)
    let path = try test.activeFile
    try overwrite(path, at: 5 * size + place, with: [0xee, 0xee])
    try stamp(test)
    checkpoint.shutdown = log.cleanShutdown(settledTime: .max)
    log = try test.open(checkpoint, wasClean: true)
    #expect(try log.append("one more", timestamp: 40) == 40)
    #expect(try log.values(from: 39) == [39: "value 39", 40: "one more"])
    #expect(throws: EventLogError.self) { try log.values() }
    #expect(try log.close().logEndOffset == 41)
  }

  @Test("is taken again, the same, of a log that nobody used", arguments: [0, 40])
  func unused(count: Int) throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path, small())
    let first = try filled(test, count: count)
    let second = try close(try test.open(first, wasClean: true))
    #expect(second == first)
  }

  @Test("makes no difference: two logs with one history have the same files", arguments: UInt64(0)..<12)
  func twins(seed: UInt64) throws {
    let directories = [try TemporaryDirectory(), try TemporaryDirectory()]
    let time = ManualTime(wallMilliseconds: 1_000_000)
    let tests = directories.map { TestLog($0.path, small(), time: .manual(time)) }
    defer { for test in tests { test.context.shutDown() } }
    var random = SplitMix(seed: seed)
    var logs = try tests.map { try $0.open() }
    var sequences: [Int64: Int32] = [:]
    var records = 0
    var kills = 0
    for step in 0..<120 {
      switch Int.random(in: 0..<24, using: &random) {
      case 0..<4:
        let checkpoints = try logs.map(close)
        let different = try difference(directories, of: kills == 0 ? nil : lasting)
        #expect(different == [], "seed \(seed), step \(step)")
        #expect(checkpoints[0].logEndOffset == checkpoints[1].logEndOffset)
        // An aborted transaction is more than a record tells.
        if checkpoints[0].shutdown != nil { records += 1 }
        var plain = checkpoints[1]
        plain.shutdown = nil
        logs = [try tests[0].open(checkpoints[0], wasClean: true), try tests[1].open(plain, wasClean: true)]
        // Sessions in which nobody used it, and which end by kills.
        for _ in 0..<max(0, Int.random(in: -2..<3, using: &random)) {
          for log in logs { log.abandon(EventLogError(.illegalState, "killed")) }
          for test in tests { test.context.uncleanStops += 1 }
          let untouched = try tests[0].untouched(checkpoints[0], wasClean: false)
          #expect((untouched != nil) == (checkpoints[0].shutdown != nil), "seed \(seed), step \(step)")
          logs = [
            try untouched?.makeLog() ?? tests[0].open(checkpoints[0], wasClean: false),
            try tests[1].open(plain, wasClean: false),
          ]
          kills += 1
        }
      case 4:
        for log in logs { try log.rollActiveSegment() }
      case 5:
        let start = Int64.random(in: 0...logs[0].highWatermark, using: &random)
        for log in logs { try log.advanceLogStart(to: start) }
      case 6:
        let timestamp = Int64.random(in: 0..<2000, using: &random)
        let found = try logs.map { try $0.offset(forTimestamp: timestamp)?.offset }
        #expect(found[0] == found[1], "seed \(seed), step \(step)")
      case 7:
        let expired = try logs.map { try $0.expiredSegments(now: 1_000_000).map(\.baseOffset) }
        #expect(expired[0] == expired[1], "seed \(seed), step \(step)")
      case 8..<14:
        let producer = Int64.random(in: 1...3, using: &random)
        let sequence = sequences[producer, default: 0]
        sequences[producer] = sequence + 1
        for log in logs { try log.append(["\(step)"], by: producer, sequence: sequence, timestamp: Int64(step)) }
      default:
        let timestamp = Int64.random(in: 0..<2000, using: &random)
        let value = String(repeating: "x", count: Int.random(in: 0..<300, using: &random))
        for log in logs { try log.append(value, timestamp: timestamp) }
      }
    }
    let from = logs[0].logStartOffset
    #expect(try logs[0].values(from: from) == logs[1].values(from: from), "seed \(seed)")
    _ = try logs.map(close)
    let different = try difference(directories, of: kills == 0 ? nil : lasting)
    #expect(different == [], "seed \(seed)")
    #expect(records > 0)
    for test in tests { #expect(test.warnings.all == [], "seed \(seed)") }
  }

  /// An index that was loaded has other entries than one that was made anew: the rest has to be the same all the same.
  private let lasting = ["log", "txnindex", "snapshot", "metadata", "leader-epoch-checkpoint"]

  /// The files in which the logs differ.
  private func difference(
    _ directories: [TemporaryDirectory], of endings: [String]? = nil
  ) throws -> [String] {
    let files = try directories.map { directory -> [String: [UInt8]] in
      let names = try FileManager.default.contentsOfDirectory(atPath: directory.path + "/t-0")
      return Dictionary(uniqueKeysWithValues: try names.map { ($0, try Files.read(directory.path + "/t-0/" + $0)) })
    }
    return Set(files[0].keys).union(files[1].keys).filter { name in
      files[0][name] != files[1][name] && endings?.contains(where: name.hasSuffix) ?? true
    }.sorted()
  }

  enum Touch: CaseIterable {
    case newName, otherTime, longer, otherName
  }

  @Test("is not believed of files that were touched", arguments: Touch.allCases, [false, true])
  func touched(_ touch: Touch, wasClean: Bool) throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, small(), fileSystem: files)
    let checkpoint = try filled(test)
    let active = try test.activeFile
    switch touch {
    case .newName: try Files.write([1], to: test.directory + "/00000000000000000007.log.deleted")
    case .otherTime: try overwrite(active, at: 0, with: [0])
    case .longer: try Files.write(try Files.read(active) + [0, 0, 0, 0], to: active)
    case .otherName: try FileManager.default.linkItem(atPath: active, toPath: directory.path + "/elsewhere.log")
    }
    #expect(try test.untouched(checkpoint, wasClean: wasClean) == nil)
    files.fail(.open, isPermanent: true, with: FaultyFileSystem.inputOutput)
    #expect(throws: EventLogError.self) { try test.open(checkpoint, wasClean: wasClean) }
    files.heal()
    #expect(try test.open(checkpoint, wasClean: wasClean).values().count == 40)
  }

  @Test("is not believed after an unclean stop where there are other names, whatever the directory's stamp says")
  func otherNames() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path, small())
    let checkpoint = try filled(test)
    #expect(try test.untouched(checkpoint, wasClean: false)?.logEndOffset == 40)
    for name in ["00000000000000000040.log", "00000000000000000077.snapshot", "00000000000000000000.txnindex"] {
      let path = test.directory + "/" + name
      try Files.write([], to: path)
      try stamp(test)
      #expect(try test.untouched(checkpoint, wasClean: false) == nil, "\(name) more")
      try FileManager.default.removeItem(atPath: path)
    }
    let first = test.directory + "/00000000000000000000.log"
    try FileManager.default.moveItem(atPath: first, toPath: directory.path + "/elsewhere")
    try stamp(test)
    #expect(try test.untouched(checkpoint, wasClean: false) == nil, "one fewer")
  }

  @Test("is believed after a power cut that took all that came later, and not where something was acknowledged")
  func powerCut() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path)
    let test = TestLog(directory.path, small(), fileSystem: files)
    let checkpoint = try filled(test)
    files.writeOut()
    let cutPower = { (log: PartitionLog) in
      files.cutPower()
      log.abandon(EventLogError(.illegalState, "the power was cut"))
      try files.restorePower()
      test.context.uncleanStops += 1
    }
    let first = try #require(try test.untouched(checkpoint)).makeLog()
    #expect(try first.append("taken back") == 40)
    try cutPower(first)
    let second = try #require(try test.untouched(checkpoint, wasClean: false)).makeLog()
    #expect(try second.append("taken back") == 40)
    #expect(try second.append("acknowledged", durably: true) == 41)
    try cutPower(second)
    #expect(try test.untouched(checkpoint, wasClean: false) == nil)
    let third = try test.open(checkpoint)
    #expect(try third.values(from: 39) == [39: "value 39", 40: "taken back", 41: "acknowledged"])
  }

  @Test("does not have an index believed that is damaged: the first append makes it anew", arguments: [false, true])
  func damagedIndex(isMissing: Bool) throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path, small())
    let checkpoint = try filled(test)
    let index = try #require(try Files.list(test.directory, ".index").last)
    if isMissing {
      try FileManager.default.removeItem(atPath: index)
    } else {
      try overwrite(index, at: 0, with: [0xff, 0xff, 0xff])
    }
    try stamp(test)
    let log = try test.open(checkpoint, wasClean: true)
    #expect(try log.append("one more", timestamp: 1000) == 40)
    #expect(try log.values().count == 41)
    #expect(try log.offset(forTimestamp: 1000)?.offset == 40)
    let closed = try close(log)
    #expect(try test.open(closed, wasClean: true).values().count == 41)
  }

  @Test("does not have a log appended to that ends elsewhere: it says so, and the next opening looks closely")
  func damagedLog() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path, small())
    let checkpoint = try filled(test)
    let active = try test.activeFile
    let last = try #require(lastBatch(try Files.read(active)))
    // Where the last batch ends is not known any more.
    try overwrite(active, at: last + 8, with: [0x7f])
    try stamp(test)
    let log = try test.open(checkpoint, wasClean: true)
    for _ in 0..<2 {
      let failure = #expect(throws: EventLogError.self) { try log.append("one more") }
      #expect(failure?.code == .corruptMessage)
    }
    #expect(throws: EventLogError.self) { try log.rollActiveSegment() }
    #expect(throws: EventLogError.self) { try log.values() }
    let closed = try log.close()
    #expect(closed.logEndOffset == nil)
  }

  private func lastBatch(_ bytes: [UInt8]) -> Int? {
    var position = 0
    var last: Int?
    while position + RecordBatchHeader.size <= bytes.count {
      let length = bytes[(position + 8)..<(position + 12)].reduce(0) { $0 << 8 | Int($1) }
      last = position
      position += RecordBatchHeader.logOverhead + length
    }
    return last
  }

  @Test("tells of every later change, also of files that were changed a moment before it was taken")
  func fresh() throws {
    let directory = try TemporaryDirectory()
    let files = FaultyFileSystem(root: directory.path, tracksDurability: false)
    let test = TestLog(directory.path, small(), fileSystem: files)
    let log = try test.open()
    try log.append("a")
    #expect(log.cleanShutdown(settledTime: .max) == nil, "it is open")
    var checkpoint = try log.close()
    checkpoint.shutdown = log.cleanShutdown(settledTime: CleanShutdown.settledTime())
    #expect(checkpoint.shutdown != nil)
    files.fail(.open, isPermanent: true, with: FaultyFileSystem.inputOutput)
    #expect(try test.open(checkpoint, wasClean: true).logEndOffset == 1)
    // At once, and with the bytes that were there before.
    try overwrite(try test.activeFile, at: 0, with: [0])
    #expect(throws: EventLogError.self) { try test.open(checkpoint, wasClean: true) }
  }

  @Test("reads back from its bytes, and is none where they are cut or of another version")
  func bytes() throws {
    let directory = try TemporaryDirectory()
    let record = try #require(try filled(TestLog(directory.path, small())).shutdown)
    let bytes = record.bytes
    #expect(CleanShutdown(bytes: bytes) == record)
    for count in 0..<bytes.count where (bytes.count - count) % 24 != 0 {
      #expect(CleanShutdown(bytes: Array(bytes[..<count])) == nil, "\(count) bytes")
    }
    #expect(CleanShutdown(bytes: [1] + bytes[1...]) == nil)
  }
}
