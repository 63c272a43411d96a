internal import RecordFormat

/// What a partition knows of one producer (Kafka's `ProducerStateEntry`).
struct ProducerEntry: BitwiseCopyable, Sendable {
  /// A batch that may come a second time.
  struct Batch: BitwiseCopyable, Sendable {
    var lastSequence: Int32 = -1
    /// The last offset less the first, and so the last sequence number less the first.
    var offsetDelta: Int32 = 0
    var lastOffset: Int64 = -1
    /// The batch's largest timestamp, or its append time.
    var timestamp: Int64 = -1

    var firstOffset: Int64 { lastOffset &- Int64(offsetDelta) }
    var firstSequence: Int32 { SequenceNumber.subtract(offsetDelta, from: lastSequence) }
  }

  /// How many batches are remembered.
  static let remembered = 5

  let producerID: Int64
  var epoch: Int16
  private(set) var batchCount = 0
  private var newest = 0
  private var batches = InlineArray<5, Batch>(repeating: Batch())
  /// Of the last batch or marker.
  var lastTimestamp: Int64
  /// When this process last appended for it, by the clock: records may have any timestamp.
  var lastAppend = Int64.min
  /// -1 where no marker was written.
  var coordinatorEpoch: Int32 = -1
  /// The first offset of the open transaction; -1 where none is open.
  var transactionStart: Int64 = -1

  init(producerID: Int64, epoch: Int16, lastTimestamp: Int64 = -1) {
    self.producerID = producerID
    self.epoch = epoch
    self.lastTimestamp = lastTimestamp
  }

  /// The last batch of this epoch.
  var lastBatch: Batch? { batchCount == 0 ? nil : batches[newest] }

  /// Another epoch's batches can't come a second time.
  @inline(always)
  mutating func setEpoch(_ epoch: Int16) {
    guard epoch != self.epoch else { return }
    self.epoch = epoch
    batchCount = 0
  }

  @inline(always)
  mutating func add(_ batch: Batch) {
    newest = newest == Self.remembered - 1 ? 0 : newest + 1
    batches[newest] = batch
    if batchCount < Self.remembered { batchCount += 1 }
  }

  /// The batch that took exactly these sequence numbers, if it is still remembered.
  @inline(always)
  func batch(from first: Int32, to last: Int32) -> Batch? {
    var index = newest
    for _ in 0..<batchCount {
      if batches[index].lastSequence == last, batches[index].firstSequence == first { return batches[index] }
      index = index == 0 ? Self.remembered - 1 : index - 1
    }
    return nil
  }
}

/// Sequence numbers: 31 bits, 0 after the largest.
package enum SequenceNumber {
  @inline(always)
  package static func add(_ count: Int32, to sequence: Int32) -> Int32 {
    Int32(truncatingIfNeeded: (Int64(sequence) + Int64(count)) & Int64(Int32.max))
  }

  @inline(always)
  package static func subtract(_ count: Int32, from sequence: Int32) -> Int32 {
    Int32(truncatingIfNeeded: (Int64(sequence) - Int64(count)) & Int64(Int32.max))
  }
}
