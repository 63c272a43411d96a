package import RecordFormat

extension PartitionLog {
  /// Enough that one commit of the file system's journal serves many logs; so few that the first has not long to wait, and that
  /// their descriptors are spared.
  private static let logsWrittenOutAtOnce = 64

  /// Syncs logs, which may be thousands, one after the other. Before, the system is told of several of them what is going to be
  /// asked of it: a journaling file system then commits once for many. What fails is warned of.
  package static func syncInTurn(_ logs: [PartitionLog], _ sync: (PartitionLog) throws(EventLogError) -> Void) {
    for start in stride(from: 0, to: logs.count, by: logsWrittenOutAtOnce) {
      let next = logs[start..<min(start + logsWrittenOutAtOnce, logs.count)]
      let files = next.count > 1 ? next.map { ($0, $0.startWriteback()) } : []
      for log in next {
        do throws(EventLogError) { try sync(log) } catch { log.context.warn(error) }
      }
      for case (let log, let file?) in files { log.context.fileSystem.close(file) }
    }
  }

  /// Has the system begin to write out what the next sync would have to wait for.
  ///
  /// - Returns: what has to stay open until that sync: a file that nobody holds the system may forget, and with it that it could
  ///   not be written. Nil where there is nothing to write.
  private func startWriteback() -> FileDescriptor? {
    let path = state.withLock { state -> String? in
      guard !state.isClosed, state.failure == nil, state.active.position > state.active.synced else { return nil }
      return state.active.path
    }
    // What keeps it from being opened is told by the sync.
    guard let path, let file = try? context.fileSystem.open(path, .read) else { return nil }
    context.fileSystem.startWriteback(file)
    return file
  }
}
