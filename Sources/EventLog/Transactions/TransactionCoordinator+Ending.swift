internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

// From the call that ends a transaction to its last marker.

extension TransactionCoordinator {
  /// Commits or aborts what a producer has open. `completion` may be called on this thread.
  func end(
    _ identity: TransactionalIdentity, commits: Bool, completion: @escaping @Sendable (TransactionEnd) -> Void
  ) {
    let id = identity.transactionalID
    let work: TransactionEntry?
    do throws(EventLogError) {
      work = try state.withLock { state throws(EventLogError) -> TransactionEntry? in
        var entry = try Self.entry(identity, state)
        guard !entry.isBusy else { throw Self.concurrent(id) }
        switch entry.state {
        case .ongoing: break
        // Asked a second time.
        case .completeCommit where commits, .completeAbort where !commits: return nil
        case .prepareCommit where commits, .prepareAbort where !commits: throw Self.markersMissing(id)
        default:
          throw EventLogError(
            .invalidTransactionState,
            "transactional.id \(id) is in state \(entry.state.rawValue): there is nothing to "
              + (commits ? "commit" : "abort"))
        }
        entry.isBusy = true
        entry.state = commits ? .prepareCommit : .prepareAbort
        state.entries[id] = entry
        return entry
      }
    } catch {
      return completion(.failed(error))
    }
    guard let work else { return completion(.done) }
    guard commits else {
      guard finish(id, work, .abort, epoch: work.epoch) else { return completion(.failed(Self.stopped)) }
      release(id) { _ in }
      return completion(.done)
    }
    commit(id, work, completion)
  }

  private func commit(
    _ id: String, _ entry: TransactionEntry, _ completion: @escaping @Sendable (TransactionEnd) -> Void
  ) {
    let decision = entry.decision(id)
    // What was written, and the markers of the decision that this one replaces.
    let needed =
      entry.participants.values.compactMap { participant in
        decision.partitions[participant.id].map { (participant.log, $0.endOffset) }
      } + entry.markers.map { ($0.log, $0.endOffset) }
    guard takesStep() else { return completion(.failed(Self.stopped)) }
    whenDurable(needed) { error in
      if let error {
        self.reopen(id)
        return completion(.stillOpen(error))
      }
      guard self.takesStep() else { return completion(.failed(Self.stopped)) }
      self.decide(id, entry, decision, completion)
    }
  }

  private func decide(
    _ id: String, _ entry: TransactionEntry, _ decision: StoredTransaction,
    _ completion: @escaping @Sendable (TransactionEnd) -> Void
  ) {
    var change = MetadataChange()
    change.offsets = offsets.held(entry.offsets, producerID: entry.producerID)
    change.transactions = [decision]
    do throws(EventLogError) {
      try offsets.write(change, awaitedBy: .another) { error in
        guard let error else {
          self.state.withLock { $0.entries[id]?.markers = [] }
          guard self.finish(id, entry, .commit, epoch: entry.epoch) else { return completion(.failed(Self.stopped)) }
          self.release(id) { _ in }
          // Behind what others have not on the disk yet a marker can't be seen: who has committed is to find it.
          return self.whenDurable(self.hiddenMarkers(id)) { _ in completion(.done) }
        }
        // Refused for want of room, it was not written. Of other errors one can't tell.
        guard error.code == .diskFull else {
          self.release(id) { $0.failure = error }
          return completion(.failed(error))
        }
        self.reopen(id)
        completion(.stillOpen(error))
      }
    } catch {
      reopen(id)
      completion(.stillOpen(error))
    }
  }

  private func reopen(_ id: String) {
    release(id) { $0.state = .ongoing }
  }

  /// Writes the markers that are due, and lets the offsets go. Those that can't be written now are tried again later.
  ///
  /// - Returns: false where a test has the process die here.
  @discardableResult
  func finish(_ id: String, _ entry: TransactionEntry, _ kind: ControlRecord.Kind, epoch: Int16) -> Bool {
    let marker = ControlRecord(kind: kind, coordinatorEpoch: Self.coordinatorEpoch)
    var written: [TransactionEntry.Marker] = []
    var left: [ObjectIdentifier: TransactionEntry.Participant] = [:]
    for (key, participant) in entry.participants {
      guard takesStep() else { return false }
      do throws(EventLogError) {
        let result = try participant.log.appendMarker(marker, producerID: entry.producerID, producerEpoch: epoch)
        written.append(TransactionEntry.Marker(log: participant.log, endOffset: result.nextOffset))
        // What was aborted is not to hold up what others have written behind it; nobody waits for that.
        if kind == .abort { participant.log.whenDurable(upTo: result.nextOffset) { _ in } }
      } catch {
        // A topic that was deleted needs none.
        guard error.code != .unknownTopicOrPartition else { continue }
        left[key] = participant
        context.warn(error)
      }
    }
    offsets.release(entry.offsets, producerID: entry.producerID)
    let now = context.time.wallMilliseconds()
    state.withLock { state in
      state.entries[id]?.participants = left
      state.entries[id]?.offsets = [:]
      state.entries[id]?.deadline = nil
      state.entries[id]?.updatedAt = now
      state.entries[id]?.isRowStale = true
      if kind == .commit { state.entries[id]?.markers += written }
      if left.isEmpty { state.entries[id]?.state = kind == .commit ? .completeCommit : .completeAbort }
    }
    return true
  }

  /// The markers of an id's last commit that the high watermark has not passed.
  private func hiddenMarkers(_ id: String) -> [(log: PartitionLog, offset: Int64)] {
    let markers = state.withLock { $0.entries[id]?.markers ?? [] }
    return markers.filter { $0.log.highWatermark < $0.endOffset }.map { ($0.log, $0.endOffset) }
  }

  private func takesStep() -> Bool {
    guard stepsLeft.load(ordering: .relaxed) < .max else { return true }
    return stepsLeft.subtract(1, ordering: .relaxed).oldValue > 0
  }

  private static var stopped: EventLogError { EventLogError(.illegalState, "the coordinator was stopped by a test") }

  /// Aborts what is open under an id, and raises its epoch, so that whoever had it open is fenced.
  ///
  /// - Returns: whether there was anything.
  @discardableResult
  func fence(_ id: String, if condition: (TransactionEntry) -> Bool = { _ in true }) -> Bool {
    let work = state.withLock { state -> TransactionEntry? in
      guard var entry = state.entries[id], !entry.isBusy, entry.state == .ongoing, condition(entry) else { return nil }
      entry.isBusy = true
      entry.state = .prepareAbort
      if entry.epoch < .max { entry.epoch += 1 }
      state.entries[id] = entry
      return entry
    }
    guard let work else { return false }
    finish(id, work, .abort, epoch: work.epoch)
    release(id) { _ in }
    return true
  }
}
