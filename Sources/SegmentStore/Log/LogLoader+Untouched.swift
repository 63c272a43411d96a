internal import RecordFormat

// A log whose files nobody touched since it was closed in order is opened by what was noted then: two looks at the disk
// instead of forty system calls, so that many partitions open quickly. What it needs to be appended to waits until then.

extension LogLoader {
  /// Nil where there is no record of a clean stop, or where it is not what is there.
  func loadUntouched() throws(EventLogError) -> Result? {
    guard wasClean, let end = checkpoint.logEndOffset, let record = checkpoint.shutdown,
      let last = record.segments.last,
      let status = try fileSystem.status(directory), status.kind == .directory,
      status.modifiedNanoseconds == record.directoryModified
    else { return nil }
    let segments = record.segments.map { entry in
      Segment(
        files: SegmentFiles(directory: directory, baseOffset: entry.baseOffset), size: Int(entry.size),
        createdAt: entry.createdAt)
    }
    guard let active = segments.last, let log = try fileSystem.status(active.files.log), log.kind == .file,
      log.size == last.size, log.modifiedNanoseconds == record.logModified, log.linkCount == 1
    else { return nil }
    var result = Result(
      segments: segments,
      activeIndex: IndexBuilder(
        baseOffset: last.baseOffset, interval: configuration.indexIntervalBytes, maxTimestamp: record.maxTimestamp,
        offsetOfMaxTimestamp: record.offsetOfMaxTimestamp),
      firstBatchTimestamp: record.firstBatchTimestamp == .min ? nil : record.firstBatchTimestamp, nextOffset: end,
      logStartOffset: logStart(record.segments[0].baseOffset))
    result.isIndexLoaded = last.size == 0
    result.leaderEpoch = Int32(truncatingIfNeeded: record.leaderEpoch)
    if record.hasProducers {
      let loader = ProducerStateLoader(context: context, directory: directory)
      guard let producers = loader.producers(at: end) else { return nil }
      result.producers = producers
    }
    result.snapshotOffset = record.snapshotOffset >= 0 ? record.snapshotOffset : nil
    return result
  }
}

extension PartitionLog {
  /// Loads the active segment's index, which an opening by record has left on the disk. Called under the lock.
  ///
  /// - Throws: `corruptMessage` where the log is not what it was when it was closed, and takes no appends until it was
  ///   opened once more, which then looks closely.
  func loadIndex(_ state: inout State) throws(EventLogError) {
    guard !state.active.isIndexLoaded else { return }
    let file = try state.active.openFile(context)
    defer { if state.active.descriptor == nil { context.fileSystem.close(file) } }
    let loader = CleanSegment(
      context: context, segment: state.active.segment, file: file, configuration: state.configuration)
    var found = try loader.load(to: state.nextOffset)
    if found == nil { found = try loader.rebuild(to: state.nextOffset) }
    guard let contents = found else {
      let failure = EventLogError(
        .corruptMessage,
        "the log does not end where it did when it was closed: something outside of EventLog changed it, or the disk "
          + "did. Close the broker and open it again, so that it is recovered", offset: state.nextOffset,
        file: state.active.files.log)
      state.failure = state.failure ?? failure.at(topicPartition)
      throw failure
    }
    state.active.index = contents.index
    state.active.isIndexDirty = contents.isIndexDirty
    state.active.isIndexLoaded = true
  }
}
