package import RecordFormat
internal import SegmentStore

// What tests may do to a broker, and nobody else: EventLogTesting gives it a public face.

extension Broker {
  /// Opens a data directory in a world of the caller's making.
  package static func open(
    _ path: String, _ configuration: BrokerConfiguration, in environment: BrokerEnvironment
  ) throws(EventLogError) -> Broker {
    try Broker(path: path, configuration: configuration, isReadOnly: false, environment: environment)
  }

  /// Ends as a killed process does: nothing is trimmed, synced or noted down. What was appended stays in the page cache.
  package func abandon() {
    guard markClosed() else { return }
    cleaner.shutDown()
    context.maintenanceThread.shutDown()
    let reason = EventLogError(.illegalState, "the broker was killed")
    for topic in topicTable.all() {
      for case .online(let hosted) in topic.hosted { hosted.close(reason)?.abandon(reason) }
    }
    // What lingered finds its log gone.
    context.timekeeper.shutDown()
    offsets.shutDown()
    try? metadata.close()
    context.shutDown()
    lock?.release()
  }

  /// Calls `callback` once nothing is under way on the broker's own threads. What waits for an append, for the clock or for
  /// its group is not under way.
  package func whenIdle(_ callback: @escaping @Sendable () -> Void) {
    whenIdle(after: [cleaner.threads, context.maintenanceThread, context.syncThreads][...], callback)
  }

  private func whenIdle(after pools: ArraySlice<WorkerPool>, _ callback: @escaping @Sendable () -> Void) {
    if let pool = pools.first { return pool.whenIdle { self.whenIdle(after: pools.dropFirst(), callback) } }
    offsets.whenIdle {
      // Each may have given another something to do.
      let pools = [self.cleaner.threads, self.context.maintenanceThread, self.context.syncThreads]
      if pools.allSatisfy(\.isIdle), self.offsets.isIdle { callback() } else { self.whenIdle(callback) }
    }
  }

  /// Has the transaction coordinator stop as if the process died there, after so many steps of ending transactions: the
  /// data's sync, the decision, and each marker is one.
  package func stopTransactions(after steps: Int) {
    transactions.stepsLeft.store(steps, ordering: .relaxed)
  }

  /// Puts a member out of its group, as if it had not polled for `max.poll.interval.ms`. It finds out at its next poll or
  /// commit.
  package func evict(member: String, group: String) {
    groups.leave(group, member)
  }

  /// Has all members of a group join again.
  package func rebalance(group: String) {
    guard let topics = groups.describe(group)?.members.flatMap(\.topics) else { return }
    groups.topicsChanged(Set(topics))
  }

  /// Where the batch lies that holds the record at `offset`: its file, and its first byte and length there.
  ///
  /// - Throws: `offsetOutOfRange` where no batch does.
  package func locate(_ topicPartition: TopicPartition, offset: Int64) throws(EventLogError) -> BatchLocation {
    let log = try partition(topicPartition).log()
    let fileSystem = LocalFileSystem()
    for segment in log.segments.reversed() where segment.baseOffset <= offset {
      let path = segment.files.log
      let file = try fileSystem.open(path, .read)
      defer { fileSystem.close(file) }
      var scanner = LogScanner(fileSystem, file, path: path, limit: Int64(segment.size))
      while case .batch(let header, let position, _) = try scanner.next() {
        guard header.nextOffset > offset else { continue }
        guard header.baseOffset <= offset else { break }
        return BatchLocation(
          file: path, position: position, sizeInBytes: header.sizeInBytes,
          offsets: header.baseOffset..<header.nextOffset)
      }
      break
    }
    throw EventLogError(.offsetOutOfRange, "no batch of the log holds this offset", offset: offset).at(topicPartition)
  }
}

/// A batch in its file.
package struct BatchLocation: Sendable, Hashable {
  package var file: String
  package var position: Int64
  package var sizeInBytes: Int
  package var offsets: Range<Int64>
}

extension Consumer {
  /// Calls `callback` once a poll of this consumer has nothing to do and waits.
  package func whenWaiting(_ callback: @escaping @Sendable () -> Void) {
    signal.whenWaiting(callback)
  }
}
