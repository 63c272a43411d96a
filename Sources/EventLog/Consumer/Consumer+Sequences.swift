public import RecordFormat

extension Consumer {
  /// The records as they come, without an end: the loop polls.
  ///
  /// Only what the loop has asked to go on from counts as read: a record in whose middle the loop ends, by `break` or by an
  /// error, is not committed by itself, and a later loop over the same consumer goes on with the record after it. A
  /// consumer that nobody holds but the loop leaves its group when the loop ends.
  ///
  /// The sequence throws what `poll` throws. An error that is not fatal (`EventLogError.isFatal`) does not end the
  /// consumer: loop again, or use `results`, which hands such errors out as values.
  public var records: Records { Records(consumer: self) }

  /// The same, by batches.
  public var batches: Batches { Batches(consumer: self) }

  /// The records as they come, and between them the errors that do not end the consumer, such as a damaged batch, at
  /// which the position stays until you seek past it. Throws only what is fatal, and `CancellationError`.
  public var results: Results { Results(consumer: self) }

  public struct Batches: AsyncSequence, Sendable {
    let consumer: Consumer

    public struct AsyncIterator: AsyncIteratorProtocol {
      private let loop: ConsumerLoop

      init(_ consumer: Consumer) { loop = consumer.beginLoop() }

      public mutating func next() async throws -> ConsumerBatch? { try await loop.nextBatch() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(consumer) }
  }

  public struct Records: AsyncSequence, Sendable {
    let consumer: Consumer

    public struct AsyncIterator: AsyncIteratorProtocol {
      private let loop: ConsumerLoop

      init(_ consumer: Consumer) { loop = consumer.beginLoop() }

      public mutating func next() async throws -> ConsumerRecord? { try await loop.nextRecord() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(consumer) }
  }

  public struct Results: AsyncSequence, Sendable {
    let consumer: Consumer

    public struct AsyncIterator: AsyncIteratorProtocol {
      private let loop: ConsumerLoop

      init(_ consumer: Consumer) { loop = consumer.beginLoop() }

      public mutating func next() async throws -> Result<ConsumerRecord, EventLogError>? {
        do {
          return .success(try await loop.nextRecord())
        } catch let error as EventLogError where error.isPassing {
          return .failure(error)
        }
      }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(consumer) }
  }

  func beginLoop() -> ConsumerLoop {
    let loop = ConsumerLoop(self)
    state.withLock { $0.loop = loop }
    return loop
  }

  /// A loop over the consumer ended, maybe in the middle of what a poll had returned.
  ///
  /// - Parameters:
  ///   - unread: the first offset of each partition that the loop was not given.
  ///   - inHand: what it was given last, and may not be done with.
  func loopEnded(unread: [TopicPartition: Int64], inHand: (TopicPartition, Int64)?) {
    state.withLock { state in
      for (topicPartition, offset) in unread where state.positions[topicPartition]?.offset ?? -1 > offset {
        state.positions.update(topicPartition) { $0.seek(to: offset) }
      }
    }
    var read = currentPositions()
    if let (topicPartition, offset) = inHand, read[topicPartition] != nil { read[topicPartition]?.offset = offset }
    startAutoCommit(read)
  }
}

extension EventLogError {
  /// Whether a consumer can go on after it.
  var isPassing: Bool { !isFatal && code != .illegalState }
}
