internal import RecordFormat

/// What the headers of a log say of its producers and transactions, for the cleaner.
struct CleanerScan {
  /// A producer's last batch, without which its sequence, or its epoch, would be forgotten.
  private struct LastBatch {
    var epoch: Int16
    /// The last offset of its last data batch; nil where its epoch has written only a marker.
    var dataOffset: Int64?
    var timestamp: Int64
    var isInTransaction = false
  }

  private var producers: [Int64: LastBatch] = [:]
  private var open: [Int64: Int64] = [:]
  /// In the order of their first offsets.
  private(set) var aborted: [AbortedTransaction] = []
  /// How many records there are from the first dirty offset on.
  private(set) var dirtyRecords = 0
  private let firstDirtyOffset: Int64
  private let producerExpiration: Int64
  private let producersKept: Set<Int64>

  /// - Parameters:
  ///   - producerExpiration: `producer.id.expiration.ms`
  ///   - producersKept: those that have a name, and with it their sequence numbers for ever.
  init(firstDirtyOffset: Int64, producerExpiration: Int64, producersKept: Set<Int64>) {
    self.firstDirtyOffset = firstDirtyOffset
    self.producerExpiration = producerExpiration
    self.producersKept = producersKept
  }

  mutating func add(_ batch: RecordBatchView) throws(EventLogError) {
    let header = batch.header
    if header.nextOffset > firstDirtyOffset { dirtyRecords += Int(header.recordCount) }
    guard header.hasProducerID else { return }
    let id = header.producerID
    var last = producers[id] ?? LastBatch(epoch: header.producerEpoch, timestamp: header.maxTimestamp)
    last.timestamp = max(last.timestamp, header.maxTimestamp)
    if header.producerEpoch != last.epoch { last.dataOffset = nil }
    last.epoch = header.producerEpoch
    if header.attributes.isControl {
      last.isInTransaction = false
      // An empty one was cleaned before.
      if header.recordCount > 0 {
        let first = open.removeValue(forKey: id)
        if let first, try ControlRecord(decoding: batch).kind == .abort {
          aborted.append(
            AbortedTransaction(
              producerID: id, firstOffset: first, lastOffset: header.lastOffset,
              lastStableOffset: open.values.min() ?? header.nextOffset))
        }
      }
    } else {
      last.dataOffset = header.lastOffset
      if header.attributes.isTransactional {
        last.isInTransaction = true
        if open[id] == nil { open[id] = header.baseOffset }
      }
    }
    producers[id] = last
  }

  mutating func finish() {
    aborted.sort { $0.firstOffset < $1.firstOffset }
  }

  /// Whether the batch is the last of a producer that may still write.
  func isLastOfActiveProducer(_ header: RecordBatchHeader, now: Int64) -> Bool {
    guard header.hasProducerID, let last = producers[header.producerID] else { return false }
    let (age, overflows) = now.subtractingReportingOverflow(last.timestamp)
    let isActive =
      last.isInTransaction || overflows || age < producerExpiration || producersKept.contains(header.producerID)
    guard isActive else { return false }
    if let offset = last.dataOffset { return header.lastOffset == offset }
    return header.attributes.isControl && header.producerEpoch == last.epoch
  }
}

/// Goes along with the batches of a log and says which belong to aborted transactions, and which markers have nothing left
/// to mark (Kafka's `CleanedTransactionMetadata`).
struct TransactionsToClean {
  private let aborted: [AbortedTransaction]
  private var next = 0
  /// Whether a batch of it was seen.
  private var ongoingAborted: [Int64: (transaction: AbortedTransaction, isSeen: Bool)] = [:]
  private var ongoingCommitted: Set<Int64> = []
  /// Those whose markers stay, for the index of the cleaned segment.
  private(set) var kept: [AbortedTransaction] = []

  init(aborted: [AbortedTransaction]) {
    self.aborted = aborted
  }

  mutating func takeKept() -> [AbortedTransaction] {
    defer { kept = [] }
    return kept
  }

  /// Takes in what has begun where `batch` ends. What was over before it, in a part that is not gone along, would make the
  /// producer's later transactions look aborted.
  private mutating func begin(upTo batch: RecordBatchHeader) {
    while next < aborted.count, aborted[next].firstOffset <= batch.lastOffset {
      let transaction = aborted[next]
      if transaction.lastOffset >= batch.baseOffset, ongoingAborted[transaction.producerID] == nil {
        ongoingAborted[transaction.producerID] = (transaction, false)
      }
      next += 1
    }
  }

  /// True where the data batch belongs to an aborted transaction.
  mutating func isAborted(_ header: RecordBatchHeader) -> Bool {
    begin(upTo: header)
    guard header.attributes.isTransactional else { return false }
    if ongoingAborted[header.producerID] != nil {
      ongoingAborted[header.producerID]?.isSeen = true
      return true
    }
    ongoingCommitted.insert(header.producerID)
    return false
  }

  /// True where no batch of the marker's transaction is left.
  mutating func isDispensable(marker batch: RecordBatchView) throws(EventLogError) -> Bool {
    let header = batch.header
    begin(upTo: header)
    guard header.recordCount > 0 else { return true }
    switch try ControlRecord(decoding: batch).kind {
    case .abort:
      guard let ongoing = ongoingAborted.removeValue(forKey: header.producerID), ongoing.isSeen else { return true }
      kept.append(ongoing.transaction)
      return false
    case .commit:
      return ongoingCommitted.remove(header.producerID) == nil
    case .other:
      return false
    }
  }
}
