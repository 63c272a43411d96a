import RecordFormat
import SegmentStore

/// The small files beside a log: indexes, `leader-epoch-checkpoint`, `partition.metadata`, names.
enum IndexTarget: FuzzTarget {
  static func run(_ bytes: UnsafeRawBufferPointer) {
    let array = Array(bytes)
    if let entries = IndexFile.offsets(array, logSize: 1 << 30) {
      precondition(zip(entries, entries.dropFirst()).allSatisfy { $0.position < $1.position })
    }
    if let entries = IndexFile.times(array) {
      precondition(zip(entries, entries.dropFirst()).allSatisfy { $0.timestamp < $1.timestamp })
    }
    if bytes.count >= AbortedTransaction.size, let base = bytes.baseAddress {
      _ = AbortedTransaction(loadingFrom: base)
    }
    let text = String(decoding: array, as: UTF8.self)
    if let checkpoint = try? LeaderEpochCheckpoint(text: text) {
      precondition((try? LeaderEpochCheckpoint(text: checkpoint.text)) == checkpoint, "it does not read what it wrote")
    }
    if let metadata = try? PartitionMetadataFile(text: text) {
      precondition((try? PartitionMetadataFile(text: metadata.text)) != nil, "it does not read what it wrote")
    }
    _ = SegmentFiles.parse(text)
  }
}
