import Foundation
import RecordFormat
import SegmentStore

/// What tells two files apart, whatever they are called.
enum Inode {
  static func of(_ path: String) -> UInt64 {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.systemFileNumber] as? NSNumber)?.uint64Value ?? 0
  }
}

/// A directory of a test's own, removed when the last reference goes.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("eventlog-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }
}

/// A log in a directory, opened as a broker opens it.
struct TestLog {
  let root: String
  let context: StoreContext
  let warnings = Warnings()
  var configuration = LogConfiguration()
  var directory: String { root + "/t-0" }

  init(
    _ root: String, _ configuration: LogConfiguration = .init(), fileSystem: (any FileSystem)? = nil,
    time: TimeSource = .system, budget: DiskBudget = DiskBudget()
  ) {
    self.root = root
    self.configuration = configuration
    context = StoreContext(
      fileSystem: fileSystem ?? LocalFileSystem(), time: time, closedSegmentsKept: 2, diskBudget: budget,
      warn: warnings.add)
  }

  func open(_ checkpoint: PartitionCheckpoint = .init(), wasClean: Bool = false) throws -> PartitionLog {
    if wasClean, let untouched = try untouched(checkpoint) { return try untouched.makeLog() }
    return try PartitionLog(
      TopicPartition("t", 0), directory: directory, topicID: "KJpvEw0zRGiHMBFLkACnpQ", configuration: configuration,
      checkpoint: checkpoint, wasClean: wasClean, context: context)
  }

  /// The log by the record of its last stop, if that is what is there.
  func untouched(_ checkpoint: PartitionCheckpoint, wasClean: Bool = true) throws -> UntouchedLog? {
    try UntouchedLog(
      0, of: .init("t", in: root, configuration: configuration, context: context), checkpoint: checkpoint,
      wasClean: wasClean)
  }

  var activeFile: String {
    get throws {
      let names = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".log") }
      return directory + "/" + (names.max() ?? "")
    }
  }
}

extension PartitionLog {
  /// Appends one record of a text, and waits for the disk if that is asked for.
  @discardableResult
  func append(_ text: String, durably: Bool = false, timestamp: Int64? = nil) throws -> Int64 {
    let result = try append(
      record: Record(key: "k", value: text, timestamp: timestamp), AppendOptions(isDurable: durably))
    if durably { try waitUntilDurable(upTo: result.nextOffset) }
    return result.baseOffset
  }

  /// All values from `offset` on, by their offsets.
  func values(from offset: Int64? = nil) throws -> [Int64: String] {
    var result: [Int64: String] = [:]
    var next = offset ?? logStartOffset
    var position: ReadPosition?
    while next < highWatermark {
      let fetched = try read(from: next, maxBytes: 4096, after: position)
      for batch in fetched.batches {
        let records = try batch.records()
        var cursor = records.makeCursor()
        while cursor.advance() {
          let offset = batch.header.baseOffset + Int64(cursor.record.offsetDelta)
          guard offset >= next else { continue }
          let start = cursor.record.valueStart
          result[offset] = String(
            decoding: records.region.bytes(start..<(start + max(0, cursor.record.valueCount))), as: UTF8.self)
        }
      }
      guard fetched.nextOffset > next else { break }
      next = fetched.nextOffset
      position = fetched.position
    }
    return result
  }
}
