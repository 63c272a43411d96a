import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting

/// A compacted log, and the cleaner's part of the broker in variables.
final class CleanerWorld {
  let directory: TemporaryDirectory
  let files: FaultyFileSystem
  var configuration: LogConfiguration
  var log: PartitionLog
  var test: TestLog
  var checkpoint: Int64?
  var now: Int64 = 1_000_000
  var options = LogCleaner.Options()

  /// A record as a test sees it.
  struct Survivor: Hashable, CustomStringConvertible {
    var offset: Int64
    var key: String?
    var value: String?
    var timestamp: Int64

    var description: String { "\(offset):\(key ?? "null")=\(value ?? "null")@\(timestamp)" }
  }

  init(
    segmentBytes: Int = 1 << 20, tracksDurability: Bool = false, segments: [[UInt8]] = [],
    _ change: (inout LogConfiguration) -> Void = { _ in }
  ) throws {
    directory = try TemporaryDirectory()
    configuration = LogConfiguration()
    configuration.isCompacted = true
    configuration.isDeleted = false
    configuration.segmentBytes = segmentBytes
    configuration.deleteRetentionMilliseconds = 1000
    configuration.fileDeleteDelayMilliseconds = 0
    change(&configuration)
    let partition = directory.path + "/t-0"
    if !segments.isEmpty {
      try FileManager.default.createDirectory(atPath: partition, withIntermediateDirectories: false)
    }
    for bytes in segments {
      let base = bytes.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
      try Files.write(bytes, to: SegmentFiles(directory: partition, baseOffset: base).log)
    }
    files = FaultyFileSystem(root: directory.path, tracksDurability: tracksDurability)
    test = TestLog(directory.path, configuration, fileSystem: files)
    log = try test.open()
  }

  deinit {
    log.abandon(EventLogError(.illegalState, "over"))
    test.context.shutDown()
  }

  @discardableResult
  func put(_ key: String, _ value: String?, timestamp: Int64? = nil, compression: CompressionType = .none) throws
    -> Int64
  {
    try put([(key, value)], timestamp: timestamp, compression: compression)
  }

  /// As one batch.
  @discardableResult
  func put(
    _ records: [(String, String?)], timestamp: Int64? = nil, compression: CompressionType = .none
  ) throws -> Int64 {
    let list = records.map {
      Record(key: Array($0.0.utf8), value: $0.1.map { Array($0.utf8) }, timestamp: timestamp ?? now)
    }
    return try log.append(records: list.span, AppendOptions(isDurable: false, compression: compression)).baseOffset
  }

  func roll() throws {
    try log.rollActiveSegment()
    try log.flush()
    try log.finishRolledSegments()
  }

  func range() throws -> CleanableRange { try log.cleanableRange(checkpoint: checkpoint, now: now) }

  @discardableResult
  func clean() throws -> CleanerStats {
    let stats = try LogCleaner(options, context: test.context).clean(log, try range(), now: now)
    checkpoint = stats.cleanedTo
    return stats
  }

  /// After a stop that was not clean.
  ///
  /// - Parameter torn: which part of what was not synced a power cut leaves; none where it is nil.
  func reopen(powerCut: Bool = false, torn: UInt64? = nil) throws {
    let known = log.checkpoint
    if powerCut { files.cutPower() } else { files.heal() }
    log.abandon(EventLogError(.illegalState, "killed"))
    test.context.shutDown()
    if powerCut, let torn { try files.restorePower(tornBy: torn) } else if powerCut { try files.restorePower() }
    test = TestLog(directory.path, configuration, fileSystem: files)
    log = try test.open(known)
  }

  func batches() throws -> [RecordBatchView] {
    var result: [RecordBatchView] = []
    for segment in log.segments {
      let file = try LocalFileSystem().open(segment.files.log, .read)
      defer { LocalFileSystem().close(file) }
      var scanner = LogScanner(LocalFileSystem(), file, path: segment.files.log, limit: Int64(segment.size))
      while case .batch(let header, let position, true) = try scanner.next() {
        result.append(try scanner.copy(header, at: position))
      }
    }
    return result
  }

  static func survivors(_ batches: [RecordBatchView]) throws -> [Survivor] {
    var result: [Survivor] = []
    for batch in batches where !batch.header.attributes.isControl {
      let records = try batch.records()
      var cursor = records.makeCursor()
      while cursor.advance() {
        let record = cursor.record
        func text(_ start: Int, _ count: Int) -> String? {
          count < 0 ? nil : String(decoding: records.region.bytes(start..<(start + count)), as: UTF8.self)
        }
        result.append(
          Survivor(
            offset: batch.header.baseOffset + Int64(record.offsetDelta), key: text(record.keyStart, record.keyCount),
            value: text(record.valueStart, record.valueCount),
            timestamp: batch.header.baseTimestamp + record.timestampDelta))
      }
      if cursor.isBroken { throw records.brokenError() }
    }
    return result
  }

  /// What is on the disk, of data.
  func survivors() throws -> [Survivor] { try Self.survivors(try batches()) }

  /// What a reader gets.
  func read() throws -> [Survivor] {
    var result: [Survivor] = []
    var next = log.logStartOffset
    var position: ReadPosition?
    while next < log.highWatermark {
      let fetched = try log.read(from: next, maxBytes: 1000, after: position)
      result += try Self.survivors(fetched.batches).filter { $0.offset >= next }
      guard fetched.nextOffset > next else { break }
      next = fetched.nextOffset
      position = fetched.position
    }
    return result
  }

  func offsets() throws -> [Int64] { try survivors().map(\.offset) }

  /// The last value of each key.
  static func table(_ records: [Survivor]) -> [String: String] {
    var table: [String: String] = [:]
    for record in records { if let key = record.key { table[key] = record.value } }
    return table
  }
}

/// Batches of producers with ids.
enum ProducerBatch {
  static func data(
    _ base: Int64, _ records: [(String, String?)], producer: Int64, epoch: Int16 = 0, sequence: Int32 = 0,
    isTransactional: Bool = false, timestamp: Int64 = 1_000_000
  ) -> [UInt8] {
    let list = records.map { Record(key: Array($0.0.utf8), value: $0.1.map { Array($0.utf8) }, timestamp: timestamp) }
    let measure = RecordBatchEncoder.measure(list.span, now: 0, accepted: .min ... .max)
    var payload = [UInt8](repeating: 0, count: measure.payloadSize)
    payload.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      RecordBatchEncoder.store(list.span, measured: measure, now: 0, at: base)
    }
    return CraftedBatch.bytes(
      RecordBatchHeader(
        baseOffset: base, attributes: BatchAttributes(isTransactional: isTransactional),
        lastOffsetDelta: Int32(records.count - 1), baseTimestamp: timestamp, maxTimestamp: timestamp,
        producerID: producer, producerEpoch: epoch, baseSequence: sequence, recordCount: Int32(records.count)),
      payload: payload)
  }

  static func marker(
    _ offset: Int64, _ isCommit: Bool, producer: Int64, epoch: Int16 = 0, timestamp: Int64 = 1_000_000
  ) -> [UInt8] {
    let record = [
      Record(key: [0, 0, 0, isCommit ? 1 : 0], value: [0, 0, 0, 0, 0, 0] as [UInt8]?, timestamp: timestamp)
    ]
    let measure = RecordBatchEncoder.measure(record.span, now: 0, accepted: .min ... .max)
    var payload = [UInt8](repeating: 0, count: measure.payloadSize)
    payload.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      RecordBatchEncoder.store(record.span, measured: measure, now: 0, at: base)
    }
    return CraftedBatch.bytes(
      RecordBatchHeader(
        baseOffset: offset, attributes: BatchAttributes(isTransactional: true, isControl: true), lastOffsetDelta: 0,
        baseTimestamp: timestamp, maxTimestamp: timestamp, producerID: producer, producerEpoch: epoch, recordCount: 1),
      payload: payload)
  }
}
