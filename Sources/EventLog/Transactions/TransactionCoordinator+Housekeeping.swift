internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

extension TransactionCoordinator {
  // MARK: Timeouts

  /// Has the timeouts looked at when the first is due. Called under the lock.
  func scheduleCheck(at deadline: Int64) {
    context.timekeeper.schedule(at: deadline) { [weak self] in
      guard let self else { return }
      // Markers are appended, which may wait for the disk.
      context.syncThreads.submit { self.checkTimeouts() }
    }
  }

  /// Aborts what was open for longer than its `transaction.timeout.ms`, and fences who had it open.
  func checkTimeouts() {
    let now = context.time.monotonicMilliseconds()
    let due = state.withLock { state in
      state.entries.filter { $0.value.state == .ongoing && $0.value.deadline ?? .max <= now }.map(\.key)
    }
    for id in due { fence(id) { $0.deadline ?? .max <= now } }
    state.withLock { state in
      var next = Int64.max
      for entry in state.entries.values {
        guard let deadline = entry.deadline else { continue }
        // What is being committed at this moment may come to be open again.
        next = min(next, deadline > now ? deadline : now + 1000)
      }
      state.nextCheck = next
      if next < .max, !state.isClosed { scheduleCheck(at: next) }
    }
  }

  // MARK: Now and then

  /// Writes markers that could not be written before, and has SQLite say how transactions ended.
  func tidy() {
    for (id, entry, kind) in takeUnfinished() {
      finish(id, entry, kind, epoch: entry.epoch)
      release(id) { _ in }
    }
    let waiting = state.withLock { state -> [TransactionEntry.Marker] in
      guard !state.isClosed else { return [] }
      var change = MetadataChange()
      var waiting: [TransactionEntry.Marker] = []
      for (id, entry) in state.entries where entry.isRowStale && !entry.isBusy && entry.failure == nil {
        let left = entry.markers.filter(\.isNeeded)
        if left.isEmpty, entry.participants.isEmpty || entry.state == .ongoing {
          change.noteEnd(of: id, &state)
        } else {
          waiting += left
        }
      }
      // Under the lock: a decision that comes after this is written after it.
      let warn = context.warn
      do throws(EventLogError) {
        if !change.isEmpty { try offsets.write(change, awaitedBy: .another) { error in if let error { warn(error) } } }
      } catch {
        warn(error)
      }
      return waiting
    }
    // Where a sync has failed the decision stays: the next opening needs it.
    for marker in waiting { marker.log.whenDurable(upTo: marker.endOffset) { _ in } }
  }

  private func takeUnfinished() -> [(String, TransactionEntry, ControlRecord.Kind)] {
    state.withLock { state in
      var taken: [(String, TransactionEntry, ControlRecord.Kind)] = []
      for (id, entry) in state.entries where !entry.isBusy && !entry.participants.isEmpty && !state.isClosed {
        guard entry.state == .prepareCommit || entry.state == .prepareAbort else { continue }
        state.entries[id]?.isBusy = true
        taken.append((id, entry, entry.state == .prepareCommit ? .commit : .abort))
      }
      return taken
    }
  }

  /// Forgets ids with which nothing was done for `transactional.id.expiration.ms`.
  func expireIDs() {
    let now = context.time.wallMilliseconds()
    state.withLock { state in
      guard !state.isClosed else { return }
      var change = MetadataChange()
      for (id, entry) in state.entries
      where !entry.isBusy && entry.markers.isEmpty && now - entry.updatedAt >= limits.idExpiration {
        guard [.empty, .completeCommit, .completeAbort].contains(entry.state) else { continue }
        state.entries[id] = nil
        change.expired.append(id)
      }
      let warn = context.warn
      do throws(EventLogError) {
        if !change.isEmpty { try offsets.write(change, awaitedBy: .another) { error in if let error { warn(error) } } }
      } catch {
        warn(error)
      }
    }
  }

  // MARK: Closing

  /// Takes no more calls, and aborts what is open: who has it open goes with the broker. What is being committed at this
  /// moment is left to the next opening.
  func close() {
    let ongoing = state.withLock { state in
      state.isClosed = true
      return state.entries.filter { $0.value.state == .ongoing }.map(\.key)
    }
    for id in ongoing { fence(id) }
  }

  /// How everything ended, to be written once the logs are on the disk.
  func finalChange() -> MetadataChange {
    state.withLock { state in
      var change = MetadataChange()
      for (id, entry) in state.entries
      where entry.isRowStale && !entry.isBusy && entry.participants.isEmpty && entry.failure == nil
        && !entry.markers.contains(where: \.isNeeded)
      {
        change.noteEnd(of: id, &state)
      }
      return change
    }
  }
}

extension MetadataChange {
  /// Has an id's row say how its last transaction ended. The markers of a decision that stands there have to be on the disk.
  mutating func noteEnd(of id: String, _ state: inout TransactionCoordinator.State) {
    guard let entry = state.entries[id] else { return }
    var row = entry.stored(id)
    // The one that is open now is not stored; the one before it was committed, if there are markers of it.
    if entry.state == .ongoing, !entry.markers.isEmpty { row.state = .completeCommit }
    transactions.append(row)
    state.entries[id]?.isRowStale = false
    state.entries[id]?.markers = []
  }
}
