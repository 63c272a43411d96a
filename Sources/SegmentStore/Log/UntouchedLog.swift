package import RecordFormat

/// A log whose files nobody touched since it was closed in order. A few looks at the disk say so, where opening it takes forty
/// system calls; all else is in the record of that stop. So it need not be made before somebody uses it, and many partitions
/// open quickly, also where a crash ended the session in between: whatever was acknowledged with `acks=all` has made its
/// file longer, on the disk too, and what a power cut took back otherwise is as if it had never been.
package struct UntouchedLog: Sendable {
  /// What the logs of a topic have in common, so that each of many thousands is small.
  package final class Shared: Sendable {
    /// Of the partitions' directories, up to the number.
    private let path: String
    package let topic: String
    package let configuration: LogConfiguration
    let context: StoreContext

    /// - Parameter directory: the data directory.
    package convenience init(
      _ topic: String, in directory: String, configuration: LogConfiguration, context: StoreContext
    ) {
      self.init(topic, path: directory + "/" + topic + "-", configuration, context)
    }

    private init(_ topic: String, path: String, _ configuration: LogConfiguration, _ context: StoreContext) {
      self.path = path
      self.topic = topic
      self.configuration = configuration
      self.context = context
    }

    func with(_ configuration: LogConfiguration) -> Shared { Shared(topic, path: path, configuration, context) }

    package func directory(_ partition: Int) -> String { path + String(partition) }
  }

  private var shared: Shared
  private let partition: Int
  /// As it was written down.
  private let logStartOffset: Int64
  package let logEndOffset: Int64
  private let owesEpoch: Bool
  private let record: CleanShutdown

  /// Nil where there is no record of a clean stop, or where it is not what is there. Else its bytes are counted among
  /// those of all logs from now on.
  ///
  /// - Parameters:
  ///   - checkpoint: of the last clean stop, and nothing was written down of the log since.
  ///   - wasClean: whether that was the store's last stop. Else the names in the directory are looked at as well: a file system
  ///     without a journal may have kept them, and lost the stamp, or the other way round.
  package init?(
    _ partition: Int, of shared: Shared, checkpoint: PartitionCheckpoint, wasClean: Bool
  ) throws(EventLogError) {
    guard let end = checkpoint.logEndOffset, let record = checkpoint.shutdown else { return nil }
    self.shared = shared
    self.partition = partition
    self.record = record
    logEndOffset = end
    logStartOffset = checkpoint.logStartOffset
    owesEpoch = checkpoint.owesEpoch(in: shared.context)
    do throws(EventLogError) {
      guard try isUntouched(looksAtNames: !wasClean) else { return nil }
    } catch {
      throw error.at(topicPartition)
    }
    shared.context.diskBudget.add((0..<record.segmentCount).reduce(0) { $0 + record.segment($1).size })
  }

  private func isUntouched(looksAtNames: Bool) throws(EventLogError) -> Bool {
    let fileSystem = shared.context.fileSystem
    let directory = directory
    guard let status = try fileSystem.status(directory), status.kind == .directory,
      status.modifiedNanoseconds == record.directoryModified,
      let log = try fileSystem.status(SegmentFiles(directory: directory, baseOffset: record.last.baseOffset).log),
      log.kind == .file, log.size == record.last.size, log.modifiedNanoseconds == record.logModified,
      log.linkCount == 1
    else { return false }
    if !looksAtNames { return true }
    return try PartitionDirectory.namesDigest(directory, fileSystem) == record.namesDigest
  }

  package var configuration: LogConfiguration {
    get { shared.configuration }
    set { shared = shared.with(newValue) }
  }

  private var topicPartition: TopicPartition { TopicPartition(shared.topic, partition) }
  private var directory: String { shared.directory(partition) }

  /// Makes the log, once. What it needs to be appended to waits for the first append.
  ///
  /// - Throws: what keeps its producers from being known.
  package func makeLog() throws(EventLogError) -> PartitionLog {
    do throws(EventLogError) {
      // Once it owes an epoch it does so until it begins one: there is no need to write that down.
      let saved = PartitionCheckpoint(
        logStartOffset: logStartOffset, recoveryPoint: logEndOffset,
        uncleanStops: owesEpoch ? PartitionCheckpoint.owesEpoch : shared.context.uncleanStops)
      return try PartitionLog(
        topicPartition, directory: directory, configuration: configuration, try load(),
        leaderEpoch: record.leaderEpoch, epochToBegin: owesEpoch ? .init() : nil, saved: saved,
        context: shared.context)
    } catch {
      throw error.at(topicPartition)
    }
  }

  private func load() throws(EventLogError) -> LogLoader.Result {
    let directory = directory
    let segments = record.segments.map { entry in
      Segment(
        files: SegmentFiles(directory: directory, baseOffset: entry.baseOffset), size: Int(entry.size),
        createdAt: entry.createdAt)
    }
    var result = LogLoader.Result(
      segments: segments,
      activeIndex: IndexBuilder(
        baseOffset: record.last.baseOffset, interval: configuration.indexIntervalBytes,
        maxTimestamp: record.maxTimestamp, offsetOfMaxTimestamp: record.offsetOfMaxTimestamp),
      firstBatchTimestamp: record.firstBatchTimestamp == .min ? nil : record.firstBatchTimestamp,
      nextOffset: logEndOffset, logStartOffset: max(logStartOffset, record.segment(0).baseOffset))
    result.isIndexLoaded = record.last.size == 0
    let loader = ProducerStateLoader(context: shared.context, directory: directory)
    if !record.hasProducers {
      result.snapshotOffset = record.snapshotOffset >= 0 ? record.snapshotOffset : nil
    } else if let producers = try? loader.producers(at: logEndOffset) {
      result.producers = producers
      result.snapshotOffset = record.snapshotOffset >= 0 ? record.snapshotOffset : nil
    } else {
      // The log tells what the snapshot no longer does; a warning says so.
      try loader.load(&result)
    }
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
    var found = try loader.load(to: state.nextOffset, maxTimestamp: state.active.index.maxTimestamp)
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
