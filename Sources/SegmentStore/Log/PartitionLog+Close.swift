package import RecordFormat

extension PartitionLog {
  /// What the metadata store has to know after a crash: everything below the recovery point is on the disk.
  package var checkpoint: PartitionCheckpoint {
    let owesEpoch = state.withLock { $0.epochToBegin != nil }
    return PartitionCheckpoint(
      logStartOffset: logStartOffset, recoveryPoint: durableOffset,
      uncleanStops: owesEpoch ? PartitionCheckpoint.owesEpoch : context.uncleanStops)
  }

  /// The same, where it is not what was written down the last time. Of a log that was opened by the record of a clean stop and
  /// did not change, that record is worth more.
  package var unsavedCheckpoint: PartitionCheckpoint? {
    let checkpoint = checkpoint
    return state.withLock { $0.saved == checkpoint } ? nil : checkpoint
  }

  /// `checkpoint` was written down.
  package func saved(_ checkpoint: PartitionCheckpoint) {
    state.withLock { $0.saved = checkpoint }
  }

  /// Does of `close` what need not wait for the disk, and has the system begin with the rest. Where many logs are closed, this
  /// comes first for all of them: one commit of the file system's journal then serves many syncs.
  package func prepareToClose() {
    state.withLock { state in
      // Where there is no mapping, nothing but a descriptor keeps the system from forgetting the file, and that a write failed.
      guard !state.isClosed, state.failure == nil, state.active.mapping != nil else { return }
      // `close` tries again, and says why where it is in vain.
      guard (try? trimActiveSegment(&state)) != nil, state.active.position > state.active.synced,
        let file = try? state.active.openFile(context)
      else { return }
      context.fileSystem.startWriteback(file)
      if state.active.descriptor == nil { context.fileSystem.close(file) }
    }
  }

  /// Makes everything durable, trims the files to what was written, and ends.
  ///
  /// - Returns: the checkpoint of a clean stop; its log end is nil where a sync had failed before.
  package func close() throws(EventLogError) -> PartitionCheckpoint {
    let needsSync = state.withLock { state -> Bool in
      guard !state.isClosed else { return false }
      state.isClosed = true
      let failed = state.failure != nil
      state.failure = state.failure ?? EventLogError.brokerClosed.at(topicPartition)
      return !failed
    }
    defer {
      // Whom the last sync did not serve.
      giveUpWaiters(.brokerClosed.at(topicPartition))
      letGo()
    }
    var checkpoint = checkpoint
    if needsSync {
      try finish()
      checkpoint = self.checkpoint
      checkpoint.logEndOffset = logEndOffset
    }
    return checkpoint
  }

  private func letGo() {
    waitForRunningSync()
    state.withLock { state in
      state.active.closeFile(context)
      for rolled in state.rolled { rolled.closeFile(context) }
      state.rolled = []
    }
    context.contents.remove(segments)
    // Who waits for records of a closed log waits in vain.
    wakeWaiters()
  }

  /// Ends without touching a file, because they are about to be removed.
  package func abandon(_ reason: EventLogError) {
    state.withLock { state in
      if !state.isClosed {
        context.diskBudget.giveBack(sizeInBytes + Int64(state.active.reserved - state.active.position))
      }
      state.isClosed = true
      state.failure = reason
      isAbandoned.store(true, ordering: .releasing)
    }
    // By another thread: the caller holds locks that those may want who are told.
    giveUpWaiters(reason)
    letGo()
  }

  /// Gives the directory of an abandoned log another name, once nobody is changing the names of files in it: they go by paths,
  /// and would meet those of the next log that is made there.
  package func moveDirectory(to path: String) throws(EventLogError) {
    try fileChanges.withLock { _ throws(EventLogError) in try context.fileSystem.rename(directory, to: path) }
  }

  /// Whether appends are refused, and why.
  package var failure: EventLogError? { state.withLock { $0.failure } }

  private func finish() throws(EventLogError) {
    do throws(EventLogError) {
      try state.withLock { state throws(EventLogError) in try trimActiveSegment(&state) }
      try syncForClosing()
      let (isMetadataUnsynced, failure) = state.withLock { ($0.hasUnsyncedMetadata, $0.metadataFailure) }
      if let failure { throw failure }
      if isMetadataUnsynced { try PartitionDirectory.syncMetadata(directory, context.fileSystem) }
      state.withLock { state in writeSnapshot(&state) }
    } catch {
      throw error.at(topicPartition)
    }
  }

  /// Gives back what was reserved, and writes the indexes.
  private func trimActiveSegment(_ state: inout State) throws(EventLogError) {
    if state.active.reserved > state.active.position {
      let file = try state.active.openFile(context)
      defer { if state.active.descriptor == nil { context.fileSystem.close(file) } }
      try context.fileSystem.truncate(file, to: Int64(state.active.position), path: state.active.files.log)
      context.diskBudget.giveBack(Int64(state.active.reserved - state.active.position))
      state.active.reserved = state.active.position
      state.active.ready = state.active.position
    }
    guard state.active.isIndexDirty else { return }
    state.active.index.close()
    do throws(EventLogError) {
      try IndexFile.overwrite(state.active.files, state.active.index, context.fileSystem)
    } catch {
      // A cache: a full disk is no reason not to close. Older ones that stayed would not go up to the end.
      context.warn(error)
      try? context.fileSystem.unlink(state.active.files.offsetIndex)
      try? context.fileSystem.unlink(state.active.files.timeIndex)
    }
    state.active.isIndexDirty = false
  }
}

extension EventLogError {
  package static var brokerClosed: EventLogError { EventLogError(.illegalState, "the broker is closed") }
}
