import Foundation
import RecordFormat
import SegmentStore
import Synchronization

/// Batches with whatever header a test asks for, and a good checksum.
enum CraftedBatch {
  static func bytes(_ header: RecordBatchHeader, payload: [UInt8]) -> [UInt8] {
    var header = header
    let size = RecordBatchHeader.size + payload.count
    header.batchLength = Int32(size - RecordBatchHeader.logOverhead)
    var bytes = [UInt8](repeating: 0, count: RecordBatchHeader.size) + payload
    bytes.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      header.seal(at: base)
    }
    return bytes
  }

  /// A batch of one record.
  static func record(
    _ offset: Int64, _ value: String, attributes: BatchAttributes = .init(), producerID: Int64 = -1, epoch: Int32 = 0
  ) -> [UInt8] {
    let record = [Record(value: value, timestamp: 1000)]
    let measure = RecordBatchEncoder.measure(record.span, now: 0, accepted: .min ... .max)
    var payload = [UInt8](repeating: 0, count: measure.payloadSize)
    payload.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      RecordBatchEncoder.store(record.span, measured: measure, now: 0, at: base)
    }
    return bytes(
      RecordBatchHeader(
        baseOffset: offset, partitionLeaderEpoch: epoch, attributes: attributes, lastOffsetDelta: 0,
        baseTimestamp: 1000, maxTimestamp: 1000, producerID: producerID, recordCount: 1), payload: payload)
  }

  /// A batch whose records compaction removed.
  static func empty(
    _ offset: Int64, lastOffsetDelta: Int32 = 0, attributes: BatchAttributes = .init(), producerID: Int64 = -1
  ) -> [UInt8] {
    bytes(
      RecordBatchHeader(
        baseOffset: offset, attributes: attributes, lastOffsetDelta: lastOffsetDelta, baseTimestamp: -1,
        maxTimestamp: -1, producerID: producerID, recordCount: 0), payload: [])
  }
}

/// Collects what a log warns of.
final class Warnings: Sendable {
  private let messages = Mutex<[String]>([])

  func add(_ error: EventLogError) { messages.withLock { $0.append("\(error)") } }
  var all: [String] { messages.withLock { $0 } }
}

enum Files {
  static func read(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

  static func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  /// The paths of a directory's files of one kind, in order.
  static func list(_ directory: String, _ suffix: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(suffix) }.sorted()
      .map { directory + "/" + $0 }
  }
}
