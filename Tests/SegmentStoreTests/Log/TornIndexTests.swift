import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

/// A log whose indexes power cuts tear, and what it has to give: each record's timestamp, by its offset.
private final class TornIndexWorld {
  let directory: TemporaryDirectory
  let files: FaultyFileSystem
  let configuration: LogConfiguration
  var random: SplitMix
  var test: TestLog
  var log: PartitionLog
  var timestamps: [Int64] = []
  private var clock: Int64 = 1_000_000

  init(seed: UInt64) throws {
    directory = try TemporaryDirectory()
    random = SplitMix(seed: seed)
    var configuration = LogConfiguration()
    // An entry for each batch but the first, or for some.
    configuration.indexIntervalBytes = [1, 150, 700].randomElement(using: &random) ?? 1
    configuration.segmentBytes = 60_000
    self.configuration = configuration
    files = FaultyFileSystem(root: directory.path)
    test = TestLog(directory.path, configuration, fileSystem: files)
    log = try test.open()
  }

  deinit { end() }

  /// Records whose times go forward, with some that come late.
  func append(_ count: Int) throws {
    for _ in 0..<count {
      clock += Int64.random(in: 0...20, using: &random)
      let late = Int.random(in: 0..<4, using: &random) == 0 ? Int64.random(in: 0..<3000, using: &random) : 0
      let offset = try log.append("value", timestamp: clock - late)
      #expect(offset == Int64(timestamps.count))
      timestamps.append(clock - late)
    }
  }

  private func open(_ checkpoint: PartitionCheckpoint, wasClean: Bool) throws {
    end()
    test = TestLog(directory.path, configuration, fileSystem: files)
    log = try test.open(checkpoint, wasClean: wasClean)
  }

  /// Closed in order, after which the power may be cut; with the record of that stop, or without.
  func stop() throws {
    let isPrepared = Bool.random(using: &random)
    if isPrepared { log.prepareToClose() }
    if isPrepared, Bool.random(using: &random) { try append(Int.random(in: 0..<5, using: &random)) }
    var checkpoint = try log.close()
    if Bool.random(using: &random) { checkpoint.shutdown = log.cleanShutdown(settledTime: .max) }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: try cutPower()
    case 1: files.writeOut()
    default: break
    }
    try open(checkpoint, wasClean: true)
    #expect(log.logEndOffset == Int64(timestamps.count), "a clean stop has all of it on the disk")
  }

  /// The power is cut, or the process killed, in the middle of a stop.
  func breakOff() throws {
    let checkpoint = log.checkpoint
    if Bool.random(using: &random) { log.prepareToClose() }
    if Bool.random(using: &random) { try cutPower() }
    try open(checkpoint, wasClean: false)
    #expect(log.logEndOffset >= checkpoint.recoveryPoint)
    timestamps.removeSubrange(Int(log.logEndOffset)...)
  }

  /// Nothing of it goes on.
  private func end() {
    log.abandon(EventLogError(.illegalState, "killed"))
    test.context.shutDown()
  }

  private func cutPower() throws {
    files.cutPower()
    end()
    try files.restorePower(tornBy: random.next())
  }

  /// What is sought by time is the first record of that time or later, wherever an index leads.
  func check() throws {
    #expect(try log.values().count == timestamps.count)
    for _ in 0..<60 {
      let sought = Int64.random(in: 996_000...(clock + 10), using: &random)
      let expected = timestamps.firstIndex { $0 >= sought }.map(Int64.init)
      #expect(try log.offset(forTimestamp: sought)?.offset == expected)
    }
    #expect(try log.offsetOfMaxTimestamp()?.timestamp == timestamps.max())
  }
}

@Suite("Indexes that a power cut has torn")
struct TornIndexTests {
  @Test("lead nobody past what is sought, whatever was written over what", arguments: UInt64(0)..<150)
  func sought(seed: UInt64) throws {
    let world = try TornIndexWorld(seed: seed)
    for _ in 0..<8 {
      try world.append(Int.random(in: 1..<120, using: &world.random))
      switch Int.random(in: 0..<8, using: &world.random) {
      case 0..<5: try world.stop()
      case 5: try world.log.rollActiveSegment()
      default: try world.breakOff()
      }
      if Bool.random(using: &world.random) { try world.check() }
      // The first append loads the index.
      try world.append(1)
      try world.check()
    }
  }

  /// Two stops of a log of more than one read; between them the largest timestamp, 9000, and behind it batches that come late.
  ///
  /// - Returns: the times of 9999, 10,000 and 10,001 at which retention of 1000 has the segment go.
  private func twoStops(
    isRecorded: Bool, spoil: (_ first: [UInt8], _ second: [UInt8]) -> [UInt8]
  ) throws -> [Int64] {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.indexIntervalBytes = 100
    configuration.retentionMilliseconds = 1000
    let test = TestLog(directory.path, configuration)
    let fileSystem = test.context.fileSystem
    let path = directory.path + "/t-0/00000000000000000000.timeindex"
    var log = try test.open()
    for number in 0..<150 { try log.append("a value of some length", timestamp: Int64(number)) }
    var checkpoint = try log.close()
    let first = try fileSystem.contents(of: path)
    log = try test.open(checkpoint, wasClean: true)
    try log.append("the largest", timestamp: 9000)
    for number in 150..<200 { try log.append("late, and of some length", timestamp: Int64(number) - 100) }
    checkpoint = try log.close()
    #expect(log.sizeInBytes > 16 << 10)
    if isRecorded { checkpoint.shutdown = log.cleanShutdown(settledTime: .max) }
    let spoilt = spoil(first, try fileSystem.contents(of: path))
    // Where it lies: names that change tell of themselves.
    let file = try fileSystem.open(path, .readWrite)
    try fileSystem.write(file, spoilt, at: 0, path: path)
    try fileSystem.truncate(file, to: Int64(spoilt.count), path: path)
    fileSystem.close(file)
    #expect(try test.untouched(checkpoint) != nil || !isRecorded)
    log = try test.open(checkpoint, wasClean: true)
    try log.append("one more", timestamp: 200)
    try log.rollActiveSegment()
    try log.finishRolledSegments()
    return try [9999, 10_000, 10_001].filter { try !log.expiredSegments(now: $0).isEmpty }
  }

  @Test("are found out where the time index is of an earlier stop than the offset index", arguments: [true, false])
  func ofAnEarlierStop(isRecorded: Bool) throws {
    #expect(try twoStops(isRecorded: isRecorded) { first, _ in first } == [10_001])
  }

  @Test("are found out where the time index goes beyond the log's end", arguments: [true, false])
  func beyond(isRecorded: Bool) throws {
    let expired = try twoStops(isRecorded: isRecorded) { _, second in
      // Timestamp 9001 at relative offset 900.
      second + [0, 0, 0, 0, 0, 0, 0x23, 0x29, 0, 0, 0x03, 0x84]
    }
    #expect(expired == [10_001])
  }
}
