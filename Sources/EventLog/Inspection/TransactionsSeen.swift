internal import RecordFormat

/// What the batches of a log say of its aborted transactions, to hold the `.txnindex` files against.
///
/// A log that was compacted has lost the data of what was aborted, and later the markers too. An entry may so name a first
/// offset that is gone; and a marker that has nothing left to mark needs no entry.
struct TransactionsSeen {
  /// A transaction that some producer has open.
  private struct Open {
    var firstOffset: Int64
    /// Whether a batch of it has records: a compacted one may have none.
    var hasRecords: Bool
  }

  /// Whether every batch could be read: else nothing is said of what an index has.
  var isComplete = true
  private let logStart: Int64
  private var open: [Int64: Open] = [:]
  /// The offsets that no batch has, in order.
  private var gaps: [Range<Int64>] = []
  /// By their offsets, the ABORT markers of the segment: whose they are, and what they ended.
  private var markers: [Int64: (producerID: Int64, ended: Open?)] = [:]

  init(logStart: Int64 = 0) {
    self.logStart = logStart
  }

  /// The transactions that ended in this segment and of which the log still has records, in the order of their ends.
  var toBeIndexed: [AbortedTransaction] {
    markers.compactMap { offset, marker in
      guard let ended = marker.ended, ended.hasRecords else { return nil }
      return AbortedTransaction(
        producerID: marker.producerID, firstOffset: ended.firstOffset, lastOffset: offset, lastStableOffset: -1)
    }.sorted { $0.lastOffset < $1.lastOffset }
  }

  mutating func beginSegment() {
    markers.removeAll(keepingCapacity: true)
  }

  /// Between two batches, or at a segment's end: what compaction took whole.
  mutating func noteGap(from end: Int64, to next: Int64) {
    if next > end { gaps.append(end..<next) }
  }

  mutating func note(_ batch: RecordBatchView) throws(EventLogError) {
    let header = batch.header
    guard header.attributes.isTransactional else { return }
    guard header.attributes.isControl else {
      var transaction = open[header.producerID] ?? Open(firstOffset: header.baseOffset, hasRecords: false)
      if header.recordCount > 0 { transaction.hasRecords = true }
      open[header.producerID] = transaction
      return
    }
    guard header.recordCount > 0 else { return }
    let marker = try ControlRecord(decoding: batch)
    let ended = open.removeValue(forKey: header.producerID)
    if marker.kind == .abort { markers[header.lastOffset] = (header.producerID, ended) }
  }

  /// What is wrong with an entry of this segment's index, or nil.
  func contradiction(to entry: AbortedTransaction) -> String? {
    let transaction =
      "the aborted transaction of producer \(entry.producerID) from \(entry.firstOffset) to \(entry.lastOffset)"
    guard let marker = markers[entry.lastOffset], marker.producerID == entry.producerID else {
      return "the log has no marker that ends \(transaction)"
    }
    if let first = marker.ended?.firstOffset {
      if entry.firstOffset == first { return nil }
      guard entry.firstOffset < first, isGone(entry.firstOffset) else {
        return "the entry has \(transaction), but in the log it begins at \(first)"
      }
      return nil
    }
    return isGone(entry.firstOffset) ? nil : "the log has no batch that begins \(transaction)"
  }

  /// Whether retention or compaction took what was at an offset.
  private func isGone(_ offset: Int64) -> Bool {
    if offset < logStart { return true }
    var low = 0
    var high = gaps.count
    while low < high {
      let middle = (low + high) / 2
      if gaps[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
    }
    return low < gaps.count && gaps[low].contains(offset)
  }
}
