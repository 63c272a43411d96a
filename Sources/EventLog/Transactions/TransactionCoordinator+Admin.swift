internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

extension TransactionCoordinator {
  func descriptions() -> [String: TransactionDescription] {
    state.withLock { state in
      var result: [String: TransactionDescription] = [:]
      for (id, entry) in state.entries { result[id] = entry.description(id) }
      return result
    }
  }

  /// Aborts what is open under an id, and fences its producer, once what is under way is over.
  func abort(_ id: String) throws(EventLogError) {
    let isKnown = state.withLock { $0.entries[id] != nil }
    guard isKnown else {
      throw EventLogError(.transactionalIDNotFound, "there is no transactional.id \"\(id)\"")
    }
    try fenceAndWait(id)
  }

  /// The same for the id whose producer has a transaction open on a partition; false where there is none.
  func abort(producerID: Int64, on log: PartitionLog) throws(EventLogError) -> Bool {
    let key = ObjectIdentifier(log)
    let id = state.withLock { state in
      // The id alone says nothing: what was imported may have the ids of another store.
      state.entries.first { $0.value.producerID == producerID && $0.value.participants[key] != nil }?.key
    }
    guard let id else { return false }
    try fenceAndWait(id)
    return true
  }

  /// Takes an id over, as a new producer would, and so fences the one that has it. Blocks this thread.
  func fenceAndWait(_ id: String) throws(EventLogError) {
    guard !id.isEmpty else { throw EventLogError(.illegalArgument, "a transactional.id is not empty") }
    let timeout = state.withLock { $0.entries[id]?.timeout } ?? min(60_000, limits.maxTimeout)
    let latch = Latch()
    let failure = FailureBox()
    initialize(id, timeout: min(timeout, limits.maxTimeout)) { result in
      if case .failure(let error) = result { failure.set(error) }
      latch.open()
    }
    latch.wait()
    if let error = failure.get() { throw error }
  }
}

extension TransactionEntry {
  func description(_ id: String) -> TransactionDescription {
    let isOpen = state == .ongoing || state == .prepareCommit || state == .prepareAbort
    return TransactionDescription(
      transactionalID: id, producerID: producerID, producerEpoch: max(epoch, 0), state: state,
      timeout: .milliseconds(timeout), startTime: isOpen ? startedAt : nil,
      partitions: Set(participants.values.map(\.log.topicPartition)))
  }
}
