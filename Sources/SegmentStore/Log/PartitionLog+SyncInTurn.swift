internal import RecordFormat

// Syncs of logs that may be thousands: one after the other, with several of them on their way to the disk at once.

extension PartitionLog {
  /// Makes everything durable that was appended to these logs before this call. What fails is warned of, unless the log was closed
  /// or given up meanwhile.
  package static func flushInTurn(_ logs: [PartitionLog]) {
    syncInTurn(logs) { log throws(EventLogError) in try log.flush() }
  }

  /// Makes durable what a recovery of these logs found, so that it can be seen. What fails is warned of, unless the log was closed
  /// or given up meanwhile.
  package static func syncRecoveredInTurn(_ logs: [PartitionLog]) {
    syncInTurn(logs) { log throws(EventLogError) in try log.waitUntilRecovered() }
  }

  private static func syncInTurn(_ logs: [PartitionLog], _ sync: (PartitionLog) throws(EventLogError) -> Void) {
    guard let context = logs.first?.context else { return }
    context.fileSystem.syncInTurn(logs) { log throws(EventLogError) in
      try log.openUnsyncedFile()
    } sync: { log, _ in
      do throws(EventLogError) {
        try sync(log)
      } catch {
        if !log.state.withLock({ $0.isClosed }) { context.warn(error) }
      }
    }
  }

  /// What is small beside what a commit of the journal takes. Where there is more, several at once would only keep the first of
  /// them, for which somebody may wait, from being there soon.
  private static let fewBytes = 64 << 10

  /// The active segment's file, where the next sync has something to write out, and not much.
  private func openUnsyncedFile() throws(EventLogError) -> FileDescriptor? {
    let path = state.withLock { state -> String? in
      let bytes = state.active.position - state.active.synced
      return state.isClosed || state.failure != nil || bytes == 0 || bytes > Self.fewBytes ? nil : state.active.path
    }
    guard let path else { return nil }
    return try context.fileSystem.open(path, .read)
  }

  /// Makes `partition.metadata` of logs durable that are about to be closed. Where that fails `close` says so; it also tries what
  /// was not tried.
  package static func syncMetadata(of logs: [PartitionLog]) {
    guard let fileSystem = logs.first?.context.fileSystem else { return }
    let unsynced = logs.filter { log in
      log.state.withLock { !$0.isClosed && $0.failure == nil && $0.hasUnsyncedMetadata }
    }
    fileSystem.syncInTurn(unsynced) { log throws(EventLogError) in
      try fileSystem.open(PartitionDirectory.metadataPath(log.directory), .read)
    } sync: { log, file in
      guard let file else { return }
      let result = Result { () throws(EventLogError) in
        try fileSystem.syncData(file, path: PartitionDirectory.metadataPath(log.directory))
      }
      log.state.withLock { state in
        switch result {
        case .success: state.hasUnsyncedMetadata = false
        // Another sync would know nothing of it.
        case .failure(let error): state.metadataFailure = error
        }
      }
    }
  }
}
