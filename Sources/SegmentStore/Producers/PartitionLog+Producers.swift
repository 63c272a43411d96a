package import RecordFormat

extension PartitionLog {
  // MARK: Within an append, under the lock

  @inline(always)
  func check(
    _ state: inout State, _ producer: ProducerStamp, count: Int
  ) throws(EventLogError) -> ProducerStateManager.Verdict {
    do throws(EventLogError) {
      return try state.producers.check(producer, count: count)
    } catch {
      throw error.at(topicPartition)
    }
  }

  /// Where the batch is that came before.
  func duplicate(_ batch: ProducerEntry.Batch, isAppendTime: Bool) -> AppendResult {
    AppendResult(
      baseOffset: batch.firstOffset, lastOffset: batch.lastOffset, now: batch.timestamp, isAppendTime: isAppendTime)
  }

  @inline(always)
  func take(_ state: inout State, _ header: RecordBatchHeader, now: Int64) {
    state.producers.add(header, now: now)
    if header.attributes.isTransactional { publishFirstUnstable(state) }
  }

  private func publishFirstUnstable(_ state: borrowing State) {
    firstUnstable.store(state.producers.firstUnstable, ordering: .sequentiallyConsistent)
  }

  /// Shows the ends of transactions to whose markers the high watermark has come.
  func showEndedTransactions(_ state: inout State) {
    state.producers.highWatermarkMoved(to: highWatermark)
    publishFirstUnstable(state)
  }

  // MARK: Markers

  /// Ends a producer's transaction on this partition: appends a COMMIT or ABORT marker. One is appended also where the
  /// producer has written nothing.
  ///
  /// - Parameter isDurable: whether it is not to be seen before it is on the disk.
  /// - Throws: `invalidProducerEpoch`, `transactionCoordinatorFenced`; else as `append`.
  @discardableResult
  package func appendMarker(
    _ marker: ControlRecord, producerID: Int64, producerEpoch: Int16, isDurable: Bool = false
  ) throws(EventLogError) -> AppendResult {
    let now = context.time.wallMilliseconds()
    let record = Record(key: marker.key, value: marker.value, timestamp: now)
    var stamp = ProducerStamp(id: producerID, epoch: producerEpoch, isTransactional: true)
    stamp.isControl = true
    let options = AppendOptions(isDurable: isDurable, producer: stamp)
    let result = try state.withLock { state throws(EventLogError) -> AppendResult in
      do throws(EventLogError) {
        try state.producers.checkMarker(
          producerID, epoch: producerEpoch, coordinatorEpoch: marker.coordinatorEpoch ?? 0)
      } catch {
        throw error.at(topicPartition)
      }
      let records = [record]
      let measure = RecordBatchEncoder.measure(records.span, now: now, accepted: .min ... .max)
      switch try begin(&state, measure, now: now, options) {
      case .duplicate(let earlier): return earlier
      case .batch(let batch):
        let end = RecordBatchEncoder.store(records.span, measured: measure, now: now, at: batch.records)
        return finish(&state, batch, end: end, now: now, options, marker: marker)
      }
    }
    try appended(result)
    return result
  }

  /// Takes a marker into the books.
  func take(_ state: inout State, _ header: RecordBatchHeader, _ marker: ControlRecord, now: Int64) {
    guard let aborted = state.producers.end(header, marker, isVisible: false, now: now) else { return }
    let segment = state.active.segment
    segment.add(aborted)
    abortedCount.add(1, ordering: .releasing)
    ProducerFiles(context: context, files: segment.files).append(aborted, at: segment.abortedCount - 1)
  }

  // MARK: Reading

  /// The first offset of the earliest transaction that is open, or whose marker is not yet to be seen; else the high
  /// watermark. Nothing from it on is shown to a reader with `isolation.level=read_committed`.
  package var lastStableOffset: Int64 {
    // In this order: what a transaction hides is noted before the high watermark passes it.
    let highWatermark = highWatermark
    return max(min(firstUnstable.load(ordering: .sequentiallyConsistent), highWatermark), logStartOffset)
  }

  /// The aborted transactions that have records from `start` up to `end`, in the order of their markers; perhaps some more.
  package func abortedTransactions(from start: Int64, below end: Int64) -> [AbortedTransaction] {
    guard start < end, abortedCount.load(ordering: .acquiring) > 0 else { return [] }
    let segments = segments
    var found: [AbortedTransaction] = []
    let first = segments.lastIndex { $0.baseOffset <= start } ?? segments.startIndex
    for segment in segments[first...] {
      guard let aborted = segment.aborted else { continue }
      let count = aborted.count
      var index = aborted.partitionPoint { $0.lastOffset < start }
      while index < count {
        let entry = aborted[index]
        if entry.firstOffset < end { found.append(entry) }
        // Whatever ended later began later, too.
        if entry.lastStableOffset >= end { return found }
        index += 1
      }
    }
    return found
  }

  /// Takes out the batches that belong to aborted transactions.
  func dropAborted(_ result: inout FetchedBatches, from offset: Int64) {
    guard let first = result.batches.first?.header.baseOffset else { return }
    let aborted = abortedTransactions(from: min(first, offset), below: result.nextOffset)
    result.drop(aborted)
  }

  // MARK: Producers

  /// The producers that have ids, as far as they are remembered.
  package func producers() -> [ProducerState] { state.withLock { $0.producers.states } }

  /// The epoch of a producer here, and the sequence number that is due; nil where it is not known.
  package func nextSequence(of id: Int64) -> (epoch: Int16, sequence: Int32)? {
    state.withLock { $0.producers.next(of: id) }
  }

  /// Whether any producer has a transaction open.
  package var hasOpenTransactions: Bool { firstUnstable.load(ordering: .acquiring) < .max }

  /// Where the open transaction of a producer begins; nil where none is open.
  package func transactionStart(of id: Int64) -> Int64? {
    state.withLock { $0.producers.transactionStart(of: id) }
  }

  /// Forgets the producers that have not written for `producer.id.expiration.ms`.
  package func expireProducers() {
    let now = context.time.wallMilliseconds()
    let kept = context.producersKept
    state.withLock { state in
      guard !state.producers.isEmpty else { return }
      state.producers.expire(now: now, after: context.producerIDExpiration, keeping: kept)
    }
  }

  // MARK: Closing

  /// Leaves a snapshot of the producers at the log end, so that the next opening need not read the log for them.
  func writeSnapshot(_ state: inout State) {
    let end = state.nextOffset
    guard state.snapshotOffset != end, !state.active.segment.isEmptyLog(segments) else { return }
    ProducerFiles(context: context, files: state.active.files).write(
      state.active.segment, state.producers.snapshot, at: end)
    // The one of an earlier stop speaks of no segment's end.
    if let old = state.snapshotOffset, !segments.contains(where: { $0.baseOffset == old }) {
      try? context.fileSystem.unlink(SegmentFiles(directory: directory, baseOffset: old).producerSnapshot)
    }
    state.snapshotOffset = end
  }
}

extension Segment {
  /// Whether this is all there is of a log, and nothing is in it.
  fileprivate func isEmptyLog(_ segments: [Segment]) -> Bool { segments.count == 1 && size == 0 }
}

extension FetchedBatches {
  /// Takes out what belongs to aborted transactions.
  mutating func drop(_ aborted: [AbortedTransaction]) {
    guard !aborted.isEmpty else { return }
    batches.removeAll { batch in
      batch.header.attributes.isTransactional
        && aborted.contains { transaction in
          transaction.producerID == batch.header.producerID && transaction.firstOffset <= batch.header.baseOffset
            && batch.header.baseOffset <= transaction.lastOffset
        }
    }
  }
}
