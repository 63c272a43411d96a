public import RecordFormat
internal import SegmentStore

extension Producer {
  /// Sends a record, and waits until it counts as written (`acks`).
  ///
  /// - Returns: where it ended up.
  /// - Throws: `unknownTopicOrPartition`, `illegalArgument` (a negative partition), `messageTooLarge`,
  ///   `recordListTooLarge`, `invalidRecord`, `invalidTimestamp`, `bufferExhausted`, `diskFull`, `storageError`,
  ///   `illegalState` (closed): the record was not written. `CancellationError` where the task was cancelled: before the
  ///   record was appended nothing is written; while it was waited for, it may be.
  @discardableResult
  public func send(_ record: ProducerRecord) async throws -> RecordMetadata {
    if let interceptors { return try await interceptors.around(record) { try await sendAsIs($0) } }
    return try await sendAsIs(record)
  }

  @inline(always)
  private func sendAsIs(_ record: ProducerRecord) async throws -> RecordMetadata {
    try Task.checkCancellation()
    let size = Self.size(record.record)
    let log = try noting { () throws(EventLogError) in
      let log = try self.log(try route(record.topic), partition: record.partition, record.record)
      try checkSize(size, log.topicPartition)
      return log
    }
    guard lingers else {
      if awaitsDisk { try await budget.acquire(size) }
      defer { if awaitsDisk { budget.release(size) } }
      do {
        let result = try append(to: log) { options throws(EventLogError) in
          try log.append(record: record.record, options)
        }
        if awaitsDisk { try await log.untilDurable(upTo: result.nextOffset) }
        return metadata(record.record, result, index: 0, log.topicPartition)
      } catch is EventLogError where configuration.acks == .none {
        return unacknowledged(record.record, log)
      }
    }
    do {
      try await budget.acquire(size)
    } catch let error as EventLogError {
      transaction?.note(error)
      throw error
    }
    let delivery = Delivery()
    submit(record.record, size: size, to: log) { delivery.shot.complete($0) }
    do {
      return try await delivery.metadata
    } catch is EventLogError where configuration.acks == .none {
      return unacknowledged(record.record, log)
    }
  }

  /// Sends a record of texts. See `send(_:)`.
  @discardableResult
  public func send(
    _ topic: String, partition: Int? = nil, key: String? = nil, value: String, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) async throws -> RecordMetadata {
    try await send(
      ProducerRecord(
        topic: topic, partition: partition, key: key, value: value, headers: headers, timestamp: timestamp))
  }

  /// Sends a record of bytes; a value of nil is a tombstone. See `send(_:)`.
  @discardableResult
  public func send(
    _ topic: String, partition: Int? = nil, key: [UInt8]? = nil, value: [UInt8]?, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) async throws -> RecordMetadata {
    try await send(
      ProducerRecord(
        topic: topic, partition: partition, key: key, value: value, headers: headers, timestamp: timestamp))
  }

  /// Sends a record and goes on; `onDelivery` is told the outcome. Blocks this thread only while `buffer.memory` is full,
  /// up to `max.block.ms`.
  ///
  /// - Throws: what is wrong with the call itself; everything else goes to `onDelivery`.
  public func send(_ record: ProducerRecord, onDelivery: @escaping DeliveryCallback) throws {
    guard let interceptors else { return try sendAsIs(record, onDelivery) }
    let changed = interceptors.onSend(record)
    do {
      try sendAsIs(changed) { result in
        interceptors.onAcknowledgement(changed, result)
        onDelivery(result)
      }
    } catch {
      interceptors.onAcknowledgement(changed, .failure(error))
      throw error
    }
  }

  @inline(always)
  private func sendAsIs(_ record: ProducerRecord, _ onDelivery: @escaping DeliveryCallback) throws {
    let log = try noting { () throws(EventLogError) in
      try self.log(try route(record.topic), partition: record.partition, record.record)
    }
    let size = Self.size(record.record)
    do throws(EventLogError) {
      try noting { () throws(EventLogError) in try checkSize(size, log.topicPartition) }
    } catch {
      onDelivery(.failure(error))
      return
    }
    guard lingers || awaitsDisk else {
      // Written when this returns: there is nothing under way that would have to be counted.
      do throws(EventLogError) {
        let result = try append(to: log) { options throws(EventLogError) in
          try log.append(record: record.record, options)
        }
        onDelivery(.success(metadata(record.record, result, index: 0, log.topicPartition)))
      } catch {
        onDelivery(.failure(error))
      }
      return
    }
    try noting { () throws(EventLogError) in try budget.acquireBlocking(size) }
    submit(record.record, size: size, to: log, onDelivery)
  }

  /// Sends a record and goes on; the outcome can be awaited later.
  public func enqueue(_ record: ProducerRecord) throws -> Delivery {
    let delivery = Delivery()
    try send(record) { delivery.shot.complete($0) }
    return delivery
  }

  /// acks=0: nobody waits for the outcome, and so nobody is told of a failure.
  private func unacknowledged(_ record: Record, _ log: PartitionLog) -> RecordMetadata {
    RecordMetadata(
      topicPartition: log.topicPartition, offset: -1, timestamp: record.timestamp ?? -1,
      serializedKeySize: record.key?.count ?? -1, serializedValueSize: record.value?.count ?? -1)
  }

  private var lingers: Bool { configuration.linger > .zero && configuration.batchSize > 0 }

  /// Appends, now or after the linger, and tells `completion` once the record counts as written. `size` bytes of the
  /// budget are held until then.
  private func submit(_ record: Record, size: Int, to log: PartitionLog, _ completion: @escaping DeliveryCallback) {
    let (budget, acks, awaitsDisk) = (budget, configuration.acks, awaitsDisk)
    // What lingers keeps the producer, and so the broker, until it is appended. What waits for the disk keeps neither: the thread
    // that syncs, letting go of the last of both, would have to wait for itself in closing the broker.
    let keeper = lingers ? self : nil
    @Sendable func appended(_ index: Int, _ result: Result<AppendResult, any Error>) {
      defer { withExtendedLifetime(keeper) {} }
      switch result {
      case .failure(let error):
        budget.release(size)
        completion(.failure(error))
      case .success(let result):
        let metadata = Self.metadata(record, result, index: index, log.topicPartition, acks)
        guard awaitsDisk else {
          budget.release(size)
          completion(.success(metadata))
          return
        }
        log.whenDurable(upTo: result.nextOffset) { error in
          budget.release(size)
          completion(error.map { .failure($0) } ?? .success(metadata))
        }
      }
    }
    guard !lingers else { return accumulator.add(record, size: size, to: log, appended: appended) }
    let result: Result<AppendResult, any Error>
    do throws(EventLogError) {
      let appended = try append(to: log) { options throws(EventLogError) in
        try log.append(record: record, options)
      }
      result = .success(appended)
    } catch {
      result = .failure(error)
    }
    appended(0, result)
  }
}
