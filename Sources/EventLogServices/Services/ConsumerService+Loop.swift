internal import EventLog
internal import Logging
internal import Tracing

extension ConsumerService {
  /// Polls and handles until it is to stop, and closes the consumer then, whatever happened.
  func consume() async -> Result<Void, any Error> {
    var outcome: Result<Void, any Error> = .success(())
    do {
      try await handleAll(telemetry.activeTracer)
      try Task.checkCancellation()
    } catch {
      outcome = .failure(error)
    }
    do {
      try await uncancelled { try await self.close() }
    } catch {
      logger.warning("The last commit failed; what it covered will be handled again", metadata: .of(error))
      if case .success = outcome { outcome = .failure(error) }
    }
    return outcome
  }

  private func handleAll(_ tracer: (any Tracer)?) async throws {
    while mayGoOn {
      let records: ConsumerRecords
      metrics.pollBegins()
      do {
        // Woken for records, the group, commits and the end: nothing ticks meanwhile.
        records = try await consumer.poll(timeout: .seconds(3600))
        metrics.pollEnds()
      } catch let error as EventLogError {
        metrics.pollEnds()
        if error.code == .wakeup { continue }
        try await decide(Failure(error: error, consumer: consumer))
        continue
      }
      try await handle(records.batches, tracer)
      if options.commits == .eachPoll { try await commit() }
    }
  }

  /// Hands over what a poll returned. What is left when it has to stop is not counted as read.
  private func handle(_ batches: [ConsumerBatch], _ tracer: (any Tracer)?) async throws {
    var next: [TopicPartition: Int64] = [:]
    for batch in batches where next[batch.topicPartition] == nil {
      next[batch.topicPartition] = batch.offsets.lowerBound
    }
    let first = next
    unhandled.withLock { $0 = first }
    defer { unhandled.withLock { $0 = [:] } }
    do {
      for batch in batches where mayGoOn {
        let partition = batch.topicPartition
        switch handler {
        case .batch(let body):
          try await handOver(partition, batch.offsets.lowerBound) {
            try await traced(batch, tracer) { try await body(batch) }
          }
          next[partition] = batch.nextOffset
        case .record(let body):
          for record in batch {
            guard mayGoOn else { break }
            try await handOver(partition, record.offset) {
              try await traced(record, tracer) { try await body(record) }
            }
            next[partition] = record.offset + 1
          }
          if mayGoOn { next[partition] = batch.nextOffset }
        }
        metrics.consumed(batch)
        let offset = next[partition]
        unhandled.withLock { $0[partition] = offset }
      }
    } catch {
      goBack(to: next)
      throw error
    }
    if !mayGoOn { goBack(to: next) }
  }

  /// Calls `body` until it succeeds, or the failure is decided upon.
  private func handOver(
    _ topicPartition: TopicPartition, _ offset: Int64, _ body: () async throws -> Void
  ) async throws {
    while true {
      do {
        return try await body()
      } catch {
        metrics.recordErrorTotal.increment()
        let failure = Failure(error: error, topicPartition: topicPartition, offset: offset, consumer: consumer)
        if try await decide(failure) == .skip { return }
      }
    }
  }

  /// - Throws: the error itself, where the service is to end.
  @discardableResult
  private func decide(_ failure: Failure) async throws -> Action {
    let error = failure.error
    if error is CancellationError || (error as? EventLogError)?.isFatal == true { throw error }
    // A closed consumer, or broker, stays closed.
    if failure.topicPartition == nil, (error as? EventLogError)?.code == .illegalState { throw error }
    let action = await options.onFailure(failure)
    guard action != .stop, mayGoOn else { throw error }
    var metadata = Logger.Metadata.of(error)
    if let partition = failure.topicPartition {
      metadata.merge(.of(partition, offset: failure.offset)) { _, new in new }
    }
    logger.warning(
      action == .skip ? "An error is passed over" : "After an error, it is tried again", metadata: metadata)
    return action
  }

  /// So that the positions tell what was handled, and no more.
  private func goBack(to offsets: [TopicPartition: Int64]) {
    for (partition, offset) in offsets {
      // A partition that the closure itself gave up has no position any more.
      try? consumer.seek(partition, to: offset)
    }
  }

  // MARK: Committing

  /// After each poll. What can't be committed now, the next commit covers, unless nothing will ever be committed again.
  private func commit() async throws {
    do {
      try await timedCommit()
    } catch let error as EventLogError where !error.isFatal && error.code != .illegalState {
      logger.warning("A commit failed; a later one covers it", metadata: .of(error))
    }
  }

  private func timedCommit() async throws {
    guard consumer.group != nil, !consumer.assignment.isEmpty else { return }
    let stopwatch = Stopwatch(telemetry.clock)
    do {
      try await consumer.commit()
    } catch let error as EventLogError where error.code == .wakeup {
      // It was woken up to stop, which includes this commit.
      try await consumer.commit()
    }
    metrics.commitTotal.increment()
    metrics.commitLatency.recordNanoseconds(stopwatch.elapsed.nanoseconds)
  }

  /// Commits what was handled, as far as that is asked for, and leaves the group in any case.
  private func close() async throws {
    var failure: (any Error)?
    if options.commits == .eachPoll || consumer.configuration.enableAutoCommit {
      do { try await timedCommit() } catch { failure = error }
    }
    do { try await consumer.close() } catch { failure = failure ?? error }
    if let failure { throw failure }
  }
}
