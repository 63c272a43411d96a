package import RecordFormat

extension PartitionLog {
  /// Begins a new segment at the log end. Called under the lock; what fails has changed nothing.
  func roll(_ state: inout State) throws(EventLogError) {
    let files = SegmentFiles(directory: directory, baseOffset: state.nextOffset)
    // Empty, and at this very offset: there is nothing to roll.
    guard state.active.position > 0 else { return }
    try loadIndex(&state)
    let file = try context.fileSystem.open(files.log, .create)
    context.fileSystem.close(file)
    var old = state.active
    old.index.close()
    // What was reserved ahead goes with the trimming.
    context.diskBudget.giveBack(Int64(old.reserved - old.position))
    state.rolled.append(
      RolledSegment(
        segment: old.segment, index: old.index, descriptor: old.descriptor, producers: state.producers.snapshot,
        endOffset: files.baseOffset,
        oldSnapshot: state.snapshotOffset.flatMap { isWithinSegment($0, before: files.baseOffset) ? $0 : nil }))
    state.snapshotOffset = nil
    let segment = Segment(files: files, size: 0, createdAt: context.time.wallMilliseconds())
    state.active = ActiveSegment(
      segment: segment,
      index: IndexBuilder(baseOffset: files.baseOffset, interval: state.configuration.indexIntervalBytes),
      firstBatchTimestamp: nil, rollJitter: Self.jitter(state.configuration, topicPartition, context.random),
      position: 0, reserved: 0, zerosAhead: old.zerosAhead, synced: 0, isIndexDirty: true)
    state.hasNewNames = true
    replaceSegments(segments + [segment])
    // In the background: trimming, indexes, the sync that lets the recovery point move on.
    startSync(&state)
  }

  /// Whether a snapshot at `offset` speaks of no segment's end.
  private func isWithinSegment(_ offset: Int64, before end: Int64) -> Bool {
    offset != end && !segments.contains { $0.baseOffset == offset }
  }

  /// Begins a new segment, if the active one holds anything.
  package func rollActiveSegment() throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      if let failure = state.failure { throw failure }
      do throws(EventLogError) { try roll(&state) } catch { throw error.at(topicPartition) }
    }
  }
}
