import Foundation
import RecordFormat
import SegmentStore

/// A whole partition: the input is what a dead process left as its one segment. It is recovered, read, appended to and
/// opened again; the second opening must find what the first one left, and what was appended.
///
/// Where the input has an odd number of bytes, the checksums of its batches are put right first, so that what lies behind
/// them is reached too.
enum LogTarget: FuzzTarget {
  private static let root: String = {
    let memory = "/dev/shm"
    let parent = FileManager.default.fileExists(atPath: memory) ? memory : NSTemporaryDirectory()
    let path = parent + "/eventlog-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }()
  private static let context = StoreContext()
  private static let value: [UInt8] = Array("appended by the fuzzer".utf8)

  static func run(_ bytes: UnsafeRawBufferPointer) {
    let directory = root + "/t-0"
    try? FileManager.default.removeItem(atPath: directory)
    try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let file = URL(fileURLWithPath: directory + "/00000000000000000000.log")
    let contents = bytes.count % 2 == 0 ? Array(bytes) : mended(bytes)
    guard (try? Data(contents).write(to: file)) != nil else { preconditionFailure("\(file.path) can't be written") }
    guard let log = open(directory, PartitionCheckpoint(), wasClean: false) else { return }
    let end = log.logEndOffset
    readAll(log)
    let result = try? log.append(
      records: [Record(key: nil, value: value)].span, AppendOptions(isDurable: false))
    precondition(end == .max || result?.baseOffset == end, "an append came to lie elsewhere than at the end")
    guard let checkpoint = try? log.close() else { preconditionFailure("the log can't be closed") }
    guard let again = open(directory, checkpoint, wasClean: true) else {
      preconditionFailure("what was recovered and closed can't be opened")
    }
    precondition(again.logEndOffset == log.logEndOffset, "an opening changed the end")
    readAll(again)
    _ = try? again.close()
  }

  private static func mended(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var mended = Array(bytes)
    var position = 0
    while case .batch(let header) = RecordBatchCheck.header(
      UnsafeRawBufferPointer(rebasing: bytes[position...]), available: bytes.count - position)
    {
      let end = position + header.sizeInBytes
      let crc = RecordBatchCheck.checksum(UnsafeRawBufferPointer(rebasing: bytes[position..<end]))
      withUnsafeBytes(of: crc.bigEndian) { mended.replaceSubrange((position + 17)..<(position + 21), with: $0) }
      position = end
    }
    return mended
  }

  private static func open(_ directory: String, _ checkpoint: PartitionCheckpoint, wasClean: Bool) -> PartitionLog? {
    try? PartitionLog(
      TopicPartition("t", 0), directory: directory, topicID: "KJpvEw0zRGiHMBFLkACnpQ",
      configuration: LogConfiguration(), checkpoint: checkpoint, wasClean: wasClean, context: context)
  }

  /// Reads as a consumer does; a batch whose checksum holds but whose records don't is an error, not a record.
  private static func readAll(_ log: PartitionLog) {
    var offset = log.logStartOffset
    while offset < log.logEndOffset {
      guard let fetched = try? log.read(from: offset, maxBytes: 1 << 16) else { return }
      precondition(fetched.nextOffset > offset, "a read did not get on")
      for batch in fetched.batches { try? RecordBatchCheck.records(of: batch) }
      offset = fetched.nextOffset
    }
  }
}
