internal import MetadataStore
public import RecordFormat
internal import SegmentStore

extension Admin {
  // MARK: Looking

  /// The transactional ids, by name (Kafka's `listTransactions`).
  ///
  /// Works on brokers that were opened read-only too: what is open is found in the logs there.
  ///
  /// - Parameters:
  ///   - states: those that are asked for; all if nil.
  ///   - producerIDs: those that are asked for; all if nil.
  ///   - duration: only transactions that have been open for longer than this (KIP-994).
  public func listTransactions(
    states: Set<TransactionState>? = nil, producerIDs: Set<Int64>? = nil, openLongerThan duration: Duration? = nil
  ) throws -> [TransactionListing] {
    try broker.requireOpen()
    let now = broker.context.time.wallMilliseconds()
    return try descriptions().values.filter { description in
      if let states, !states.contains(description.state) { return false }
      if let producerIDs, !producerIDs.contains(description.producerID) { return false }
      guard let duration else { return true }
      return description.startTime.map { now - $0 > duration.milliseconds } ?? false
    }.map {
      TransactionListing(transactionalID: $0.transactionalID, producerID: $0.producerID, state: $0.state)
    }.sorted { $0.transactionalID < $1.transactionalID }
  }

  /// What is known of a transactional id.
  ///
  /// - Throws: `transactionalIDNotFound`.
  public func describeTransaction(_ transactionalID: String) throws -> TransactionDescription {
    try broker.requireOpen()
    guard let description = try descriptions()[transactionalID] else { throw Self.notFound(transactionalID) }
    return description
  }

  /// What is known of transactional ids; each succeeds or fails by itself (Kafka's `describeTransactions`).
  public func describeTransactions(
    each transactionalIDs: [String]
  ) throws -> [String: Result<TransactionDescription, EventLogError>] {
    try broker.requireOpen()
    let all = try descriptions()
    return results(of: Set(transactionalIDs)) { id throws(EventLogError) in
      guard let description = all[id] else { throw Self.notFound(id) }
      return description
    }
  }

  private static func notFound(_ id: String) -> EventLogError {
    EventLogError(.transactionalIDNotFound, "there is no transactional.id \"\(id)\"")
  }

  /// - Parameter open: what the logs have open, where the caller has looked; only a read-only broker needs it.
  private func descriptions(
    open: [HangingTransaction]? = nil
  ) throws(EventLogError) -> [String: TransactionDescription] {
    guard broker.isReadOnly else { return broker.transactions.descriptions() }
    let open = if let open { open } else { try openTransactions() }
    var result: [String: TransactionDescription] = [:]
    for row in try broker.metadata.transactions() {
      let own = open.filter { $0.producerID == row.producerID }
      // The owner lets a decision go some time after its last marker; until then the logs say whether it is under way.
      let decided = own.filter { isDecided($0, row) }
      var entry = TransactionEntry(row)
      if !own.isEmpty, decided.isEmpty {
        entry.state = .ongoing
        // No row tells when it began. It was before this.
        entry.startedAt = own.map(\.lastTimestamp).min()
      } else if row.state == .prepareCommit, decided.isEmpty {
        entry.state = .completeCommit
      }
      var description = entry.description(row.id)
      description.partitions = Set((decided.isEmpty ? own : decided).map(\.topicPartition))
      result[row.id] = description
    }
    return result
  }

  private func isDecided(_ open: HangingTransaction, _ row: StoredTransaction) -> Bool {
    guard let topic = broker.topicTable.find(open.topicPartition.topic) else { return false }
    return row.decides(on: PartitionID(topic.id, open.topicPartition.partition), from: open.startOffset)
  }

  /// Transactions that partitions have open and that no transactional id of this store can end (KIP-664): of producers that
  /// it does not know, or whose transaction, as it knows it, has nothing on that partition.
  public func findHangingTransactions() throws -> [HangingTransaction] {
    try broker.requireOpen()
    // What is open in the logs first: one that is begun meanwhile is known before it is in a log.
    let open = try openTransactions()
    guard !open.isEmpty else { return [] }
    var known: [Int64: Set<TopicPartition>] = [:]
    for description in try descriptions(open: open).values {
      known[description.producerID, default: []].formUnion(description.partitions)
    }
    let candidates = open.filter { !(known[$0.producerID]?.contains($0.topicPartition) ?? false) }
    guard !candidates.isEmpty else { return [] }
    // One that was ended meanwhile is open no more.
    return try openTransactions(on: Set(candidates.map(\.topicPartition))).filter { open in
      candidates.contains {
        $0.topicPartition == open.topicPartition && $0.producerID == open.producerID
          && $0.startOffset == open.startOffset
      }
    }
  }

  /// - Parameter partitions: where to look; everywhere if nil.
  private func openTransactions(
    on partitions: Set<TopicPartition>? = nil
  ) throws(EventLogError) -> [HangingTransaction] {
    var found: [HangingTransaction] = []
    for topic in broker.topicTable.all() {
      for (number, hosted) in topic.hosted.enumerated() {
        let topicPartition = TopicPartition(topic.name, number)
        if let partitions, !partitions.contains(topicPartition) { continue }
        switch hosted {
        // What nobody has used was closed with none open.
        case .online(let hosted): if hosted.logIfUsed?.hasOpenTransactions != true { continue }
        case .reader: break
        case .offline: continue
        }
        for producer in try hosted.partition(topicPartition).producers() {
          guard let start = producer.transactionStart else { continue }
          found.append(
            HangingTransaction(
              topicPartition: topicPartition, producerID: producer.producerID, producerEpoch: producer.producerEpoch,
              coordinatorEpoch: producer.coordinatorEpoch ?? -1, startOffset: start,
              lastTimestamp: producer.lastTimestamp))
        }
      }
    }
    return found
  }

  // MARK: Ending

  /// Aborts the transaction that is open under a transactional id, and fences its producer (Kafka's
  /// `forceTerminateTransaction`, KIP-939). Where none is open, it only fences.
  ///
  /// - Throws: `transactionalIDNotFound`, `concurrentTransactions` where the transaction is just being ended, `readOnly`.
  public func abortTransaction(_ transactionalID: String) throws {
    try requireWritable()
    try broker.transactions.abort(transactionalID)
  }

  /// Aborts a transaction on one partition, by a marker, whoever began it (Kafka's `abortTransaction`): one that hangs there.
  ///
  /// - Parameters:
  ///   - epoch: the producer's epoch there; what it is now if nil.
  ///   - coordinatorEpoch: what the marker says; what the last one said if nil.
  /// - Throws: `invalidTransactionState` where this producer has nothing open there; `invalidProducerEpoch`,
  ///   `transactionCoordinatorFenced` for older epochs; `unknownTopicOrPartition`, `readOnly`.
  public func abortTransaction(
    on partition: TopicPartition, producerID: Int64, epoch: Int16? = nil, coordinatorEpoch: Int32? = nil
  ) throws {
    try requireWritable()
    let log = try broker.partition(partition).log()
    guard let producer = log.producers().first(where: { $0.producerID == producerID }),
      producer.transactionStart != nil
    else {
      throw EventLogError(.invalidTransactionState, "producer \(producerID) has no transaction open there").at(
        partition)
    }
    // One of this store ends on all of its partitions.
    if try broker.transactions.abort(producerID: producerID, on: log) { return }
    let marker = ControlRecord(kind: .abort, coordinatorEpoch: coordinatorEpoch ?? producer.coordinatorEpoch ?? 0)
    let result = try log.appendMarker(
      marker, producerID: producerID, producerEpoch: epoch ?? producer.producerEpoch, isDurable: true)
    try log.waitUntilDurable(upTo: result.nextOffset)
  }

  /// Fences the producers of transactional ids: aborts what they have open, and raises the epoch. An id that is not known
  /// is made.
  ///
  /// - Throws: `concurrentTransactions`, `readOnly`. The first error ends it.
  public func fenceProducers(_ transactionalIDs: [String]) throws {
    try requireWritable()
    for id in transactionalIDs { try broker.transactions.fenceAndWait(id) }
  }

  /// Fences producers; each id succeeds or fails by itself (Kafka's `fenceProducers`).
  public func fenceProducers(each transactionalIDs: [String]) throws -> [String: Result<Void, EventLogError>] {
    try requireWritable()
    return results(of: Set(transactionalIDs)) { id throws(EventLogError) in try broker.transactions.fenceAndWait(id) }
  }
}
