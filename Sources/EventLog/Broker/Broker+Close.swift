internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

extension Broker {
  /// Makes everything durable, trims the files, and gives the directory back. A second call does nothing. Who waits for records,
  /// for room in a buffer, or for a linger to end, waits no longer.
  ///
  /// - Throws: what kept a partition from being closed in order. The directory is given back all the same; the next
  ///   opening checks it.
  public func close() throws {
    guard markClosed() else { return }
    // Whoever is changing a topic now does so to the end.
    topicChanges.withLock { _ in }
    try BrokerClosing(self).run()
  }
}

/// What is to be done to close a broker, which need not be there any more.
struct BrokerClosing: Sendable {
  private let isReadOnly: Bool
  private let recoveryThreads: Int
  private let context: StoreContext
  private let metadata: MetadataStore
  private let offsets: OffsetStore
  private let producerIDs: ProducerIDs
  private let transactions: TransactionCoordinator
  private let topicTable: TopicTable
  private let cleaner: LogCleanerManager
  private let lock: DirectoryLock?

  init(_ broker: Broker) {
    isReadOnly = broker.isReadOnly
    recoveryThreads = broker.configuration.recoveryThreads(on: broker.context.fileSystem)
    context = broker.context
    metadata = broker.metadata
    offsets = broker.offsets
    producerIDs = broker.producerIDs
    transactions = broker.transactions
    topicTable = broker.topicTable
    cleaner = broker.cleaner
    lock = broker.lock
  }

  /// - Throws: the first thing that could not be done in order; the rest is done all the same.
  func run() throws(EventLogError) {
    if !isReadOnly { transactions.close() }
    offsets.shutDown()
    context.timekeeper.shutDown()
    cleaner.shutDown()
    context.maintenanceThread.shutDown()
    var (checkpoints, failure) = closeLogs()
    context.deletedFiles.sweepAll()
    if !isReadOnly {
      do throws(EventLogError) {
        // How transactions ended is noted only where their markers are on the disk.
        if failure == nil {
          try metadata.write(transactions.finalChange())
          noteFiles(in: &checkpoints)
          try metadata.endSession(checkpoints, unused: producerIDs.unused)
        } else {
          try metadata.save(checkpoints)
        }
      } catch {
        failure = failure ?? error
      }
    }
    do throws(EventLogError) { try metadata.close() } catch { failure = failure ?? error }
    context.shutDown()
    lock?.release()
    if let failure { throw failure }
  }

  /// Closes the logs, `num.recovery.threads.per.data.dir` at a time.
  ///
  /// - Returns: their checkpoints, and the first thing that kept a partition from being closed in order.
  private func closeLogs() -> ([PartitionID: StoredCheckpoint], EventLogError?) {
    var failure: EventLogError?
    var logs: [(id: PartitionID, log: PartitionLog)] = []
    for topic in topicTable.all() {
      for (number, hosted) in topic.hosted.enumerated() {
        switch hosted {
        case .online(let hosted):
          // What nobody has used is as it was noted down the last time.
          if let log = hosted.close(.brokerClosed) { logs.append((PartitionID(topic.id, number), log)) }
        case .offline(_, let error): failure = failure ?? error
        case .reader: continue
        }
      }
    }
    _ = Parallel.map(logs.count, threads: recoveryThreads) { [logs] index in logs[index].log.prepareToClose() }
    PartitionLog.syncMetadata(of: logs.map(\.log))
    let closed = Parallel.map(logs.count, threads: recoveryThreads) { [logs] index in
      Result { () throws(EventLogError) in try logs[index].log.close() }
    }
    var checkpoints: [PartitionID: StoredCheckpoint] = [:]
    for ((id, _), result) in zip(logs, closed) {
      switch result {
      case .success(let checkpoint): checkpoints[id] = StoredCheckpoint(checkpoint)
      case .failure(let error): failure = failure ?? error
      }
    }
    return (checkpoints, failure)
  }

  /// Notes what the files of closed logs are, so that the next opening need not look into them.
  private func noteFiles(in checkpoints: inout [PartitionID: StoredCheckpoint]) {
    let settledTime = CleanShutdown.settledTime()
    for topic in topicTable.all() {
      for (number, log) in topic.logsInUse {
        let id = PartitionID(topic.id, number)
        guard checkpoints[id]?.logEndOffset != nil else { continue }
        checkpoints[id]?.cleanShutdown = log.cleanShutdown(settledTime: settledTime)?.bytes
      }
    }
  }
}
