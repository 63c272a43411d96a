internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// Ends, at opening, what the last process left open: what was decided is committed, and everything else aborted, with an
/// epoch that fences whoever wrote it. (Kafka leaves open what is not decided, until its timeout: there the producer lives
/// on when the broker dies. Here both were one process.)
///
/// Doing it again changes nothing, so that a crash in the middle does no harm.
struct TransactionRecovery {
  let metadata: MetadataStore
  let context: StoreContext

  /// A transaction that a log has open.
  private struct Open {
    var log: PartitionLog
    var id: PartitionID
    var producer: ProducerState
    var start: Int64
  }

  func run(_ topics: [Topic]) throws(EventLogError) -> [String: TransactionEntry] {
    let rows = try metadata.transactions()
    guard !rows.isEmpty else { return [:] }
    let open = openTransactions(topics)
    let isOffline = offlinePartitions(topics)
    var entries: [String: TransactionEntry] = [:]
    var touched: [(marker: TransactionEntry.Marker, id: String)] = []
    var ended: Set<String> = []
    for row in rows {
      var entry = TransactionEntry(row)
      let own = open[row.producerID] ?? []
      for transaction in own where !row.decides(on: transaction.id, from: transaction.start) {
        entry.epoch = max(entry.epoch, transaction.producer.producerEpoch)
      }
      let hasUndecided = own.contains { !row.decides(on: $0.id, from: $0.start) }
      if hasUndecided, entry.epoch < .max { entry.epoch += 1 }
      var failed: ControlRecord.Kind?
      for transaction in own {
        let isDecided = row.decides(on: transaction.id, from: transaction.start)
        let kind: ControlRecord.Kind = isDecided ? .commit : .abort
        let epoch = isDecided ? transaction.producer.producerEpoch : entry.epoch
        do throws(EventLogError) {
          let result = try transaction.log.appendMarker(
            ControlRecord(kind: kind, coordinatorEpoch: TransactionCoordinator.coordinatorEpoch),
            producerID: row.producerID, producerEpoch: epoch)
          touched.append((.init(log: transaction.log, endOffset: result.nextOffset), row.id))
        } catch {
          context.warn(error)
          failed = kind
          entry.participants[ObjectIdentifier(transaction.log)] = .init(log: transaction.log, id: transaction.id)
        }
      }
      if row.state == .prepareCommit, row.partitions.keys.contains(where: { isOffline.contains($0) }) {
        // Its marker has to wait until the partition can be opened; the decision stays.
        failed = .commit
      }
      switch failed {
      case .commit?: entry.state = .prepareCommit
      case .abort?: entry.state = .prepareAbort
      default:
        entry.state = hasUndecided ? .completeAbort : row.state == .prepareCommit ? .completeCommit : entry.state
        if hasUndecided || row.state == .prepareCommit { ended.insert(row.id) }
      }
      entries[row.id] = entry
    }
    // Decisions are let go only once all of their markers are on the disk.
    for (marker, id) in touched {
      do throws(EventLogError) {
        try marker.log.waitUntilDurable(upTo: marker.endOffset)
      } catch {
        context.warn(error)
        ended.remove(id)
        entries[id]?.isRowStale = true
      }
    }
    for (marker, id) in touched where !ended.contains(id) { entries[id]?.markers.append(marker) }
    var change = MetadataChange()
    change.transactions = ended.sorted().compactMap { id in entries[id]?.stored(id) }
    try metadata.write(change)
    return entries
  }

  private func openTransactions(_ topics: [Topic]) -> [Int64: [Open]] {
    var open: [Int64: [Open]] = [:]
    for topic in topics {
      for (number, log) in topic.logsInUse where log.hasOpenTransactions {
        for producer in log.producers() {
          guard let start = producer.transactionStart else { continue }
          open[producer.producerID, default: []].append(
            Open(log: log, id: PartitionID(topic.id, number), producer: producer, start: start))
        }
      }
    }
    return open
  }

  private func offlinePartitions(_ topics: [Topic]) -> Set<PartitionID> {
    var offline: Set<PartitionID> = []
    for topic in topics {
      for (number, hosted) in topic.hosted.enumerated() {
        if case .offline = hosted { offline.insert(PartitionID(topic.id, number)) }
      }
    }
    return offline
  }
}
