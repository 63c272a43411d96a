import Foundation
import RecordFormat
import SegmentStore
import Synchronization
import Testing

@Suite("A partition's log")
struct PartitionLogTests {
  private func small() -> LogConfiguration {
    var configuration = LogConfiguration()
    configuration.segmentBytes = 2000
    configuration.indexIntervalBytes = 200
    return configuration
  }

  @Test("agrees with a dictionary over random appends, rolls and reopenings", arguments: UInt64(0)..<12)
  func model(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    var generator = SplitMix(seed: seed)
    let test = TestLog(directory.path, small())
    var log = try test.open()
    var model: [Int64: String] = [:]
    for step in 0..<150 {
      switch Int.random(in: 0..<20, using: &generator) {
      case 0:
        try log.rollActiveSegment()
      case 1:
        let checkpoint = try log.close()
        #expect(checkpoint.logEndOffset == Int64(model.count))
        log = try test.open(checkpoint, wasClean: true)
      case 2:
        let from = Int64.random(in: 0...Int64(model.count), using: &generator)
        #expect(
          try log.values(from: from) == model.filter { $0.key >= from }, "seed \(seed), step \(step), from \(from)")
      default:
        let text = String(repeating: "x", count: Int.random(in: 0..<400, using: &generator)) + "\(step)"
        let offset = try log.append(text, durably: Bool.random(using: &generator))
        #expect(offset == Int64(model.count))
        model[offset] = text
      }
    }
    #expect(try log.values() == model, "seed \(seed)")
    #expect(log.segments.count > 1)
    _ = try log.close()
  }

  @Test("tells those who wait for the disk in their order, also who comes while others are being told")
  func orderOfCompletions() throws {
    let directory = try TemporaryDirectory()
    let log = try TestLog(directory.path).open()
    let told = Mutex<[Int]>([])
    let (entered, gate, done) = (Latch(), Latch(), Latch())
    try log.append("a")
    log.whenDurable(upTo: 1) { _ in
      entered.open()
      gate.wait()
      told.withLock { $0.append(0) }
    }
    entered.wait()
    #expect(log.durableOffset == 1)
    log.whenDurable(upTo: 1) { _ in told.withLock { $0.append(1) } }
    try log.append("b")
    log.whenDurable(upTo: 2) { _ in
      told.withLock { $0.append(2) }
      done.open()
    }
    #expect(told.withLock { $0 } == [])
    gate.open()
    done.wait()
    #expect(told.withLock { $0 } == [0, 1, 2])
    _ = try log.close()
  }

  @Test("shows a batch that has to be durable only once it is, and nothing behind it either")
  func highWatermark() throws {
    let directory = try TemporaryDirectory()
    let log = try TestLog(directory.path).open()
    try log.append("a")
    #expect(log.highWatermark == 1)
    let durable = try log.append(record: Record(value: "b"), AppendOptions(isDurable: true))
    try log.append("c")
    #expect(log.logEndOffset == 3)
    #expect(log.highWatermark == 1)
    #expect(try log.values() == [0: "a"])
    try log.waitUntilDurable(upTo: durable.nextOffset)
    #expect(log.highWatermark == 3)
    #expect(log.durableOffset == 3)
    _ = try log.close()
  }

  @Test("finds records by timestamp as a search from the beginning would", arguments: UInt64(0)..<10)
  func timestamps(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    var generator = SplitMix(seed: seed)
    let log = try TestLog(directory.path, small()).open()
    var times: [Int64] = []
    for number in 0..<200 {
      let time = Int64(number * 10) + Int64.random(in: -300...300, using: &generator)
      times.append(max(0, time))
      try log.append("\(number)", timestamp: max(0, time))
    }
    for target in stride(from: Int64(0), to: 2600, by: 37) {
      let expected = times.firstIndex { $0 >= target }.map(Int64.init)
      #expect(try log.offset(forTimestamp: target)?.offset == expected, "seed \(seed), timestamp \(target)")
    }
    let largest = try #require(times.max())
    #expect(try log.offsetOfMaxTimestamp()?.timestamp == largest)
    _ = try log.close()
  }

  @Test("refuses what the configuration does not allow, and goes on")
  func refusals() throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.maxMessageBytes = 200
    configuration.isCompacted = true
    configuration.timestampBeforeMaxMilliseconds = 1000
    configuration.segmentBytes = 150
    let log = try TestLog(directory.path, configuration).open()
    func code(_ record: Record) -> EventLogError.Code? {
      do throws(EventLogError) {
        _ = try log.append(record: record, AppendOptions(isDurable: false))
        return nil
      } catch {
        #expect(error.topic == "t")
        #expect(error.partition == 0)
        return error.code
      }
    }
    #expect(code(Record(key: "k", value: String(repeating: "x", count: 200))) == .messageTooLarge)
    #expect(code(Record(key: "k", value: String(repeating: "x", count: 100))) == .recordListTooLarge)
    #expect(code(Record(value: "no key")) == .invalidRecord)
    #expect(code(Record(key: "k", value: "old", timestamp: 1)) == .invalidTimestamp)
    #expect(code(Record(key: "k", value: "none", timestamp: -1)) == nil)
    #expect(log.logEndOffset == 1)
    #expect(throws: EventLogError.self) { try log.read(from: 2, maxBytes: 1) }
    #expect(throws: EventLogError.self) { try log.read(from: -1, maxBytes: 1) }
    #expect(try log.read(from: 1, maxBytes: 1).batches.isEmpty)
    _ = try log.close()
    #expect(code(Record(key: "k", value: "v")) == .illegalState)
  }

  @Test("stamps records with its own time where the topic says so")
  func logAppendTime() throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.timestampType = .logAppendTime
    let log = try TestLog(directory.path, configuration).open()
    let result = try log.append(record: Record(value: "v", timestamp: 5), AppendOptions(isDurable: false))
    let batch = try #require(try log.read(from: 0, maxBytes: 1).batches.first)
    #expect(batch.header.attributes.timestampType == .logAppendTime)
    #expect(batch.header.maxTimestamp == result.logAppendTime)
    _ = try log.close()
  }

  @Test("rolls by record time, not by the clock: the future rolls, the past does not")
  func rollsByTime() throws {
    let directory = try TemporaryDirectory()
    var configuration = LogConfiguration()
    configuration.segmentMilliseconds = 1000
    let log = try TestLog(directory.path, configuration).open()
    try log.append("a", timestamp: 10_000)
    try log.append("b", timestamp: 11_000)
    try log.append("late", timestamp: 1)
    #expect(log.segments.count == 1)
    try log.append("c", timestamp: 11_001)
    #expect(log.segments.map(\.baseOffset) == [0, 3])
    _ = try log.close()
  }

  @Test("returns the first batch whole, however small the limit, and stops at the limit after it")
  func fetchSizes() throws {
    let directory = try TemporaryDirectory()
    let log = try TestLog(directory.path).open()
    for _ in 0..<5 { try log.append(String(repeating: "x", count: 100)) }
    #expect(try log.read(from: 0, maxBytes: 1).batches.count == 1)
    #expect(try log.read(from: 0, maxBytes: 1, minimumOneBatch: false).batches.isEmpty)
    #expect(try log.read(from: 1, maxBytes: 400).batches.count == 2)
    _ = try log.close()
  }

  @Test("keeps a segment readable to who holds it, though its file is gone")
  func outlivesFiles() throws {
    let directory = try TemporaryDirectory()
    let log = try TestLog(directory.path).open()
    try log.append("still here")
    let batch = try #require(try log.read(from: 0, maxBytes: 1).batches.first)
    log.abandon(EventLogError(.unknownTopicOrPartition, "deleted"))
    try FileManager.default.removeItem(atPath: directory.path + "/t-0")
    #expect(batch.hasValidChecksum)
  }

  @Test("lets many append and read at once, and loses nothing")
  func concurrent() async throws {
    let directory = try TemporaryDirectory()
    let log = try TestLog(directory.path, small()).open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<4 {
        group.addTask { for number in 0..<200 { try log.append("\(writer):\(number)", durably: number % 50 == 0) } }
      }
      for _ in 0..<2 {
        group.addTask {
          var seen = 0
          while seen < 800, !Task.isCancelled {
            let values = try log.values()
            #expect(values.count >= seen)
            seen = values.count
            await Task.yield()
          }
        }
      }
      try await group.waitForAll()
    }
    let values = try log.values()
    for writer in 0..<4 {
      let own = values.sorted { $0.key < $1.key }.map(\.value).filter { $0.hasPrefix("\(writer):") }
      #expect(own == (0..<200).map { "\(writer):\($0)" })
    }
    _ = try log.close()
  }
}
