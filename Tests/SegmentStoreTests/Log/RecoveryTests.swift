import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

@Suite("Recovery after an unclean stop")
struct RecoveryTests {
  /// A log of a few batches, left as a killed process leaves it, and where each batch ends.
  private func killed(_ root: String, count: Int = 6) throws -> (file: String, ends: [Int]) {
    let test = TestLog(root)
    let log = try test.open()
    var ends: [Int] = []
    for number in 0..<count {
      try log.append("value \(number)")
      ends.append(log.segments[0].size)
    }
    log.abandon(EventLogError(.illegalState, "killed"))
    return (try test.activeFile, ends)
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  @Test("finds everything that was appended, though nothing was synced or trimmed")
  func kill() throws {
    let directory = try TemporaryDirectory()
    _ = try killed(directory.path)
    let log = try TestLog(directory.path).open()
    #expect(log.logEndOffset == 6)
    #expect(try log.values().count == 6)
    #expect(!log.wasTruncated)
    try log.append("value 6")
    #expect(try log.values()[6] == "value 6")
    _ = try log.close()
  }

  @Test("keeps all whole batches of a file that was cut at any byte, and no other")
  func truncatedAnywhere() throws {
    let directory = try TemporaryDirectory()
    let (file, ends) = try killed(directory.path)
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file)).prefix(ends.last ?? 0))
    for count in 0...bytes.count {
      try write(Array(bytes[..<count]), to: file)
      let log = try TestLog(directory.path).open()
      let whole = ends.filter { $0 <= count }.count
      #expect(log.logEndOffset == Int64(whole), "cut at \(count)")
      #expect(try log.values().count == whole)
      log.abandon(EventLogError(.illegalState, "killed"))
    }
  }

  @Test("never shows a wrong record, and loses none before it, whichever byte is damaged")
  func damagedAnywhere() throws {
    let directory = try TemporaryDirectory()
    let (file, ends) = try killed(directory.path)
    let good = Array(try Data(contentsOf: URL(fileURLWithPath: file)).prefix(ends.last ?? 0))
    for index in good.indices {
      var bytes = good
      bytes[index] ^= 0x41
      try write(bytes, to: file)
      let log = try TestLog(directory.path).open()
      let before = ends.filter { $0 <= index }.count
      let values = try log.values()
      #expect(values.count >= before, "byte \(index)")
      for (offset, value) in values { #expect(value == "value \(offset)", "byte \(index)") }
      log.abandon(EventLogError(.illegalState, "killed"))
    }
  }

  @Test("cuts nothing that was on the disk already, whichever byte of it is damaged", arguments: [true, false])
  func damagedBelowTheRecoveryPoint(wasClean: Bool) throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.indexIntervalBytes = 100
    let test = TestLog(directory.path, configuration)
    let log = try test.open()
    for number in 0..<6 { try log.append("value \(number)") }
    let checkpoint = try log.close()
    let file = try test.activeFile
    let good = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
    let indexes = try ["index", "timeindex"].map { kind in
      let path = file.replacingOccurrences(of: ".log", with: "." + kind)
      return (path, Array(try Data(contentsOf: URL(fileURLWithPath: path))))
    }
    for index in good.indices {
      var bytes = good
      bytes[index] ^= 0x41
      try write(bytes, to: file)
      for (path, content) in indexes { try write(content, to: path) }
      // Where even the place of the next batch is lost, the partition does not open; but it is never made shorter.
      if let again = try? TestLog(directory.path, configuration).open(checkpoint, wasClean: wasClean) {
        #expect(again.logEndOffset == 6, "byte \(index)")
        for offset in 0..<6 {
          guard let values = try? again.read(from: Int64(offset), maxBytes: 1).batches.first else { continue }
          #expect(values.hasValidChecksum)
        }
        again.abandon(EventLogError(.illegalState, "killed"))
      }
      #expect(Array(try Data(contentsOf: URL(fileURLWithPath: file))).prefix(good.count) == bytes[...], "byte \(index)")
    }
  }

  @Test("cuts garbage behind the last batch, and an old batch that would fit there does not come back")
  func staleTail() throws {
    let directory = try TemporaryDirectory()
    let (file, ends) = try killed(directory.path, count: 3)
    var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file)).prefix(ends[2]))
    // The second batch is damaged; the third stays behind it with a good checksum.
    bytes[ends[0] + 70] ^= 1
    try write(bytes, to: file)
    let log = try TestLog(directory.path).open()
    #expect(log.logEndOffset == 1)
    #expect(log.wasTruncated)
    // A batch of the same size fills the hole, and the next offset is that of the old third batch.
    try log.append("value A")
    log.abandon(EventLogError(.illegalState, "killed"))
    let again = try TestLog(directory.path).open()
    #expect(try again.values() == [0: "value 0", 1: "value A"])
    again.abandon(EventLogError(.illegalState, "killed"))
  }

  @Test("makes indexes anew that are missing, empty, random or of another log", arguments: 0..<4)
  func indexes(kind: Int) throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.segmentBytes = 3000
    configuration.indexIntervalBytes = 100
    let test = TestLog(directory.path, configuration)
    let log = try test.open()
    for number in 0..<100 { try log.append("value \(number)", timestamp: Int64(number)) }
    let checkpoint = try log.close()
    for name in try FileManager.default.contentsOfDirectory(atPath: test.directory) where name.hasSuffix("index") {
      let path = test.directory + "/" + name
      switch kind {
      case 0: try FileManager.default.removeItem(atPath: path)
      case 1: try write([], to: path)
      case 2: try write((0..<48).map { UInt8($0 * 5) }, to: path)
      default: try write([0, 0, 0, 1, 0, 0, 0x10, 0, 0, 0, 0, 2, 0x7f, 0, 0, 0], to: path)
      }
    }
    let again = try TestLog(directory.path, configuration).open(checkpoint, wasClean: true)
    #expect(again.logEndOffset == 100)
    #expect(try again.values().count == 100)
    #expect(try again.values(from: 57)[57] == "value 57")
    #expect(try again.offset(forTimestamp: 42)?.offset == 42)
    _ = try again.close()
  }

  @Test("finishes a segment that was rolled away after the last of it was on the disk")
  func killedBeforeRolledSegmentIsFinished() throws {
    let directory = try TemporaryDirectory()
    let system = FaultyFileSystem(root: directory.path)
    var configuration = LogConfiguration()
    configuration.segmentBytes = 100
    let log = try TestLog(directory.path, configuration, fileSystem: system).open()
    try log.append("a", durably: true)
    let checkpoint = log.checkpoint
    #expect(checkpoint.recoveryPoint == 1)
    let (trimming, begun) = (Gate(), Latch())
    system.arm(.truncate, after: 0, times: 1, with: .hold(trimming)) { $0.hasSuffix(".log") }
    trimming.whenReached { begun.open() }
    try log.append("b")
    begun.wait()
    // The checkpoint says that all of the first segment is on the disk; nobody has trimmed it yet. So a killed process leaves it.
    let copy = try TemporaryDirectory()
    try FileManager.default.copyItem(atPath: directory.path + "/t-0", toPath: copy.path + "/t-0")
    system.heal()
    _ = try log.close()
    let again = try TestLog(copy.path, configuration).open(checkpoint)
    #expect(try again.values() == [0: "a", 1: "b"])
    _ = try again.close()
  }

  @Test("drops a segment that no longer connects to the log before it")
  func missingMiddle() throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    let log = try test.open()
    try log.append("a")
    try log.rollActiveSegment()
    try log.append("b")
    try log.rollActiveSegment()
    try log.append("c")
    log.abandon(EventLogError(.illegalState, "killed"))
    try FileManager.default.removeItem(atPath: test.directory + "/00000000000000000001.log")
    let again = try TestLog(directory.path).open()
    #expect(try again.values() == [0: "a"])
    #expect(again.wasTruncated)
    _ = try again.close()
  }

  @Test("refuses what lies where a segment should be and is none", arguments: ["directory", "link"])
  func strangeFiles(kind: String) throws {
    let directory = try TemporaryDirectory()
    let test = TestLog(directory.path)
    _ = try test.open().close()
    let path = test.directory + "/00000000000000000000.log"
    try FileManager.default.removeItem(atPath: path)
    if kind == "directory" {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    } else {
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/zero")
    }
    #expect(throws: EventLogError.self) { try TestLog(directory.path).open() }
  }
}
