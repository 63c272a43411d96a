package import RecordFormat

// A process that only looks has no books of its own: it makes them up from the batches, and goes on where it stopped.

/// What a reader has found out of a log's transactions.
struct ReaderTransactions {
  var producers = ProducerStateManager()
  var aborted: [AbortedTransaction] = []
  /// Up to where; nil before the first look.
  var nextOffset: Int64?
}

extension PartitionReader {
  /// The producers with an id, by a scan of what came since the last one.
  package func producers() throws(EventLogError) -> [ProducerState] {
    let end = try logEndOffset()
    return try withTransactions(upTo: end) { $0.producers.states }
  }

  /// The first offset of the earliest transaction that is still open, or the log end.
  package func lastStableOffset() throws(EventLogError) -> Int64 {
    let end = try logEndOffset()
    let firstOpen = try withTransactions(upTo: end) { $0.producers.firstUnstable }
    return max(min(firstOpen, end), try logStartOffset())
  }

  /// Takes out the batches that belong to aborted transactions.
  func dropAborted(_ result: inout FetchedBatches) throws(EventLogError) {
    let end = result.nextOffset
    let aborted = try withTransactions(upTo: end) { $0.aborted }
    result.drop(aborted)
  }

  private func withTransactions<R>(
    upTo end: Int64, _ body: (borrowing ReaderTransactions) -> R
  ) throws(EventLogError) -> R {
    try transactions.withLock { transactions throws(EventLogError) -> R in
      try catchUp(&transactions, to: end)
      return body(transactions)
    }
  }

  private func catchUp(_ transactions: inout ReaderTransactions, to end: Int64) throws(EventLogError) {
    let bases = try bases()
    if transactions.nextOffset == nil, let first = bases.first {
      // What was deleted lives on in the snapshot at the log's beginning.
      let path = SegmentFiles(directory: directory, baseOffset: first).producerSnapshot
      if let bytes = try? fileSystem.contents(of: path), let snapshot = try? ProducerSnapshot(bytes: bytes) {
        transactions.producers = ProducerStateManager(snapshot)
      }
    }
    guard (transactions.nextOffset ?? .min) < end else { return }
    try forEachBatch(from: transactions.nextOffset ?? .min) { header, batch throws(EventLogError) in
      guard header.baseOffset >= transactions.nextOffset ?? .min else { return true }
      guard header.baseOffset < end else { return false }
      if header.hasProducerID, let aborted = transactions.producers.replay(try batch()) {
        transactions.aborted.append(aborted)
      }
      transactions.nextOffset = header.nextOffset
      return true
    }
  }
}
