package import RecordFormat
internal import Synchronization

/// Which transactions of a log are open and which were aborted, from the batches themselves.
///
/// It goes over the headers of what was appended since it was last asked, so that a log without transactional readers
/// pays nothing.
final class TransactionScan: Sendable {
  struct State {
    var scannedTo: Int64?
    /// The first offset of each producer's open transaction.
    var open: [Int64: Int64] = [:]
    var aborted: [AbortedTransaction] = []
  }

  let state = Mutex(State())
}

extension PartitionLog {
  /// The first offset of the earliest transaction that is still open, or the high watermark. Nothing from it on is
  /// shown to a reader with `isolation.level=read_committed`.
  package func lastStableOffset() throws(EventLogError) -> Int64 {
    let end = highWatermark
    return try transactions.state.withLock { scan throws(EventLogError) -> Int64 in
      try catchUp(&scan, to: end)
      let firstOpen = scan.open.values.min() ?? end
      return max(min(firstOpen, end), logStartOffset)
    }
  }

  /// The transactions that were aborted, in the order in which they ended.
  package func abortedTransactions() throws(EventLogError) -> [AbortedTransaction] {
    _ = try lastStableOffset()
    return transactions.state.withLock { $0.aborted }
  }

  /// Takes out the batches that belong to aborted transactions.
  func dropAborted(_ batches: inout [RecordBatchView]) {
    let aborted = transactions.state.withLock { $0.aborted }
    guard !aborted.isEmpty else { return }
    batches.removeAll { batch in
      batch.header.attributes.isTransactional
        && aborted.contains { transaction in
          transaction.producerID == batch.header.producerID && transaction.firstOffset <= batch.header.baseOffset
            && batch.header.baseOffset <= transaction.lastOffset
        }
    }
  }

  private func catchUp(_ scan: inout TransactionScan.State, to end: Int64) throws(EventLogError) {
    var next = scan.scannedTo ?? segments.first?.baseOffset ?? 0
    while next < end {
      let segments = segments
      guard let segment = Self.floor(segments, next) ?? segments.first, segment.size > 0 else { break }
      let size = segment.size
      let contents = try segment.loadedContents(context)
      var position = contents.position(ofRelativeOffset: next - segment.baseOffset)
      let before = next
      while position < size, next < end {
        let bytes = contents.region.bytes(position..<(position + min(size - position, RecordBatchHeader.size)))
        guard case .batch(let header) = RecordBatchCheck.header(bytes, available: size - position) else {
          throw EventLogError(
            .corruptMessage, "what lies here is no batch", file: segment.files.log, position: Int64(position)
          ).at(topicPartition)
        }
        if header.baseOffset >= next, header.attributes.isTransactional {
          try note(header, RecordBatchView(region: contents.region, start: position, header: header), &scan)
        }
        position += header.sizeInBytes
        next = max(next, header.nextOffset)
      }
      scan.scannedTo = next
      if next == before {
        // The rest of the segment was compacted away.
        guard let following = segments.first(where: { $0.baseOffset > next }) else { break }
        next = following.baseOffset
      }
    }
  }

  private func note(
    _ header: RecordBatchHeader, _ batch: RecordBatchView, _ scan: inout TransactionScan.State
  ) throws(EventLogError) {
    guard header.attributes.isControl else {
      if scan.open[header.producerID] == nil { scan.open[header.producerID] = header.baseOffset }
      return
    }
    // Compaction leaves an empty batch where nothing of the transaction is left.
    guard header.recordCount > 0 else { return }
    let marker = try ControlRecord(decoding: batch)
    guard let first = scan.open.removeValue(forKey: header.producerID), marker.kind == .abort else { return }
    let stable = scan.open.values.min() ?? header.nextOffset
    scan.aborted.append(
      AbortedTransaction(
        producerID: header.producerID, firstOffset: first, lastOffset: header.lastOffset, lastStableOffset: stable))
  }
}
