package import RecordFormat

// Leader epochs (KIP-101): the one that batches are stamped with is one more after an unclean stop, so that what was written
// before it can be told from what was written after. It has to be on the disk before any batch has it: a power cut that takes
// those batches would else take the epoch as well, and the same offsets be given out again under the same one. Nothing else
// needs it, so that it waits for the first append, and an opening of many partitions does not sync each.

extension PartitionLog {
  /// Which epochs wrote what: what the file says, and the one that the next append is to begin.
  package var leaderEpochs: LeaderEpochCheckpoint {
    state.withLock { state in
      var epochs = PartitionDirectory.leaderEpochs(directory, context.fileSystem)
      if let seen = state.epochToBegin { epochs.begin(after: state.leaderEpoch, seen, at: state.nextOffset) }
      return epochs
    }
  }

  /// The latest epoch that is known of a log that ends at `offset`.
  ///
  /// - Parameters:
  ///   - seen: those of the batches that were looked at. The file is not always synced: what it lost, they tell.
  ///   - mayWait: whether an epoch is going to be begun, so that the rest of what is to be said of the end can wait for that.
  /// - Throws: where the disk does not give the file: epochs that are forgotten are given out again.
  static func latestEpoch(
    _ directory: String, at offset: Int64, seen: LeaderEpochCheckpoint, mayWait: Bool,
    _ fileSystem: any FileSystem
  ) throws(EventLogError) -> Int32 {
    let before = try PartitionDirectory.knownLeaderEpochs(directory, fileSystem)
    var epochs = before
    epochs.add(seen)
    let lacksSeen = epochs != before
    // Also where nothing was written in the latest one yet: it never goes back.
    let latest = epochs.latestEpoch
    epochs.truncateEnd(to: offset)
    if epochs.entries.isEmpty || epochs.latestEpoch < latest { epochs.assign(latest, from: offset) }
    if lacksSeen || (!mayWait && epochs != before) {
      try PartitionDirectory.write(epochs, to: directory, durably: !before.entries.isEmpty, fileSystem)
    }
    return latest
  }

  /// Begins an epoch, durably, where the next append has to. Called under the lock.
  ///
  /// - Throws: what the disk says. The next append tries again, unless it was a sync that failed of what was there before.
  func beginEpochIfDue(_ state: inout State) throws(EventLogError) {
    guard let seen = state.epochToBegin else { return }
    if state.hasUnsyncedCut {
      // What is written in its place must not have old batches behind it, should a power cut take the cut back.
      let file = try state.active.openFile(context)
      defer { if state.active.descriptor == nil { context.fileSystem.close(file) } }
      do throws(EventLogError) {
        try context.fileSystem.syncData(file, path: state.active.path)
      } catch {
        throw refuseAppends(&state, after: error)
      }
      state.hasUnsyncedCut = false
    }
    var epochs = try PartitionDirectory.knownLeaderEpochs(directory, context.fileSystem)
    epochs.begin(after: state.leaderEpoch, seen, at: state.nextOffset)
    try PartitionDirectory.write(epochs, to: directory, durably: true, context.fileSystem)
    do throws(EventLogError) {
      try context.fileSystem.syncNames(in: directory)
    } catch {
      throw refuseAppends(&state, after: error)
    }
    state.leaderEpoch = epochs.latestEpoch
    state.epochToBegin = nil
  }

  /// Ends the log's writes where a sync failed. Called under the lock.
  private func refuseAppends(_ state: inout State, after error: EventLogError) -> EventLogError {
    let failure = syncFailure(error)
    state.failure = state.failure ?? failure
    state.syncFailure = state.syncFailure ?? failure
    return failure
  }
}

extension PartitionCheckpoint {
  /// Whether there was an unclean stop of which the log's epoch does not know.
  func owesEpoch(in context: StoreContext) -> Bool {
    uncleanStops.map { $0 != context.uncleanStops } ?? false
  }
}

extension PartitionReader {
  /// Which epochs wrote what, as far as the owner has written it down.
  package var leaderEpochs: LeaderEpochCheckpoint { PartitionDirectory.leaderEpochs(directory, fileSystem) }
}

extension LeaderEpochCheckpoint {
  /// Takes in what batches were seen to have.
  mutating func add(_ seen: Self) {
    for entry in seen.entries { assign(entry.epoch, from: entry.startOffset) }
  }

  /// Has a new epoch write from `offset` on, where the log ends.
  fileprivate mutating func begin(after latest: Int32, _ seen: Self, at offset: Int64) {
    add(seen)
    let latest = max(latest, latestEpoch)
    truncateEnd(to: offset)
    assign(latest < .max ? latest + 1 : latest, from: offset)
  }
}
