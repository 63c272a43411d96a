/// Reads records, makes others of them, and writes those together with its own progress: each input counts exactly once,
/// whatever crashes when (Kafka's consume–transform–produce).
///
/// ```swift
/// let pipeline = try ReadProcessWrite(broker, group: "billing", topics: ["orders"], transactionalID: "billing-1")
/// try await pipeline.run { order in
///   [ProducerRecord(topic: "invoices", key: order.keyString, value: invoice(for: order))]
/// }
/// ```
///
/// What one poll returns is one transaction: its results, and the offsets behind its records. So a crash, or an error, leaves
/// nothing of it, and it is read again. Each instance needs a `transactionalID` of its own, the same after a restart: a new
/// one with the same id fences the old. Readers of the results need `isolation.level=read_committed`.
///
/// Only what is written to this broker counts once. What `transform` does elsewhere is done again when its transaction is.
public final class ReadProcessWrite: Sendable {
  /// The consumer that reads: of what is committed, without commits of its own.
  public let consumer: Consumer
  /// The producer that writes.
  public let producer: Producer
  private let retries: Int

  /// - Parameters:
  ///   - consumer: how to read. Its group, isolation and automatic commits are overruled; `maxPollRecords` says how many
  ///     records make a transaction at most.
  ///   - producer: how to write. Its `transactionalID` is overruled.
  ///   - retries: how often a batch is tried again whose transform, or whose sending, failed.
  /// - Throws: as `Broker.consumer` and `Broker.producer`.
  public init(
    _ broker: Broker, group: String, topics: [String], transactionalID: String,
    consumer: ConsumerConfiguration? = nil, producer: ProducerConfiguration = .init(), retries: Int = 3
  ) throws {
    var producerConfiguration = producer
    producerConfiguration.transactionalID = transactionalID
    var consumerConfiguration = consumer ?? ConsumerConfiguration()
    if consumer == nil { consumerConfiguration.autoOffsetReset = .earliest }
    consumerConfiguration.isolation = .readCommitted
    consumerConfiguration.enableAutoCommit = false
    self.retries = max(0, retries)
    self.producer = try broker.producer(producerConfiguration)
    self.consumer = try broker.consumer(group: group, topics: topics, consumerConfiguration)
  }

  /// Goes on until the task is cancelled, or an error can't be mended by another try.
  ///
  /// - Parameter transform: makes records of one. Called again for a record whose transaction was aborted.
  /// - Throws: `CancellationError`; `producerFenced` where another instance with this `transactionalID` was started: close
  ///   this one; what `transform` threw, when it did so once more than `retries`; what polling and committing throw.
  public func run(_ transform: (ConsumerRecord) async throws -> [ProducerRecord]) async throws {
    while true { try await step(timeout: .seconds(1), transform) }
  }

  /// One poll, and the transaction of what it returned.
  ///
  /// - Returns: how many records were read, and count: 0 where there were none, or where the group gave their partitions to
  ///   somebody else meanwhile.
  @discardableResult
  public func step(
    timeout: Duration = .seconds(1), _ transform: (ConsumerRecord) async throws -> [ProducerRecord]
  ) async throws -> Int {
    if producer.needsInitialization { try await producer.initTransactions() }
    let records = try await consumer.poll(timeout: timeout)
    guard !records.isEmpty else { return 0 }
    var attempt = 0
    while true {
      do throws(Failure) {
        try await write(records, transform)
        return records.count
      } catch {
        attempt += 1
        if error.canBeTriedAgain, attempt <= retries { continue }
        // Nothing of it counts. Whoever has the partitions now begins where the last transaction ended, and so does this one.
        rewind(records)
        if error.isLossOfPartitions { return 0 }
        throw error.told
      }
    }
  }

  /// Why a transaction came to nothing.
  private struct Failure: Error {
    var cause: any Error
    /// Of the transform, whose errors say nothing of this producer and this group, whatever they are called.
    var isOfTransform = false
    /// Whether the transaction was ended, so that another can be begun.
    var isAborted = true

    private var code: EventLogError.Code? { isOfTransform ? nil : (cause as? EventLogError)?.code }

    var canBeTriedAgain: Bool {
      guard isAborted, !(cause is CancellationError), !isLossOfPartitions else { return false }
      return isOfTransform || !((cause as? EventLogError)?.isFatal ?? false)
    }

    var isLossOfPartitions: Bool { code == .commitFailed }

    /// A partition knows only that the epoch is an old one.
    var told: any Error {
      guard code == .invalidProducerEpoch || code == .invalidProducerIDMapping else { return cause }
      return EventLogError(
        .producerFenced,
        "another instance with this transactional.id was started, or the transaction took longer than "
          + "transaction.timeout.ms: close this one (\(cause))")
    }
  }

  private func write(
    _ records: ConsumerRecords, _ transform: (ConsumerRecord) async throws -> [ProducerRecord]
  ) async throws(Failure) {
    var isOfTransform = false
    let producer = producer
    do {
      try producer.beginTransaction()
      for record in records {
        isOfTransform = true
        let outputs = try await transform(record)
        isOfTransform = false
        for output in outputs { try await producer.send(output) }
      }
      try producer.sendOffsets(Self.offsets(behind: records), to: try membership())
      // Neither this nor the abort is given up when this task is cancelled: what became of the records has to be known.
      try await Task { try await producer.commitTransaction() }.value
    } catch {
      var failure = Failure(cause: error, isOfTransform: isOfTransform)
      do { try await Task { try await producer.abortTransaction() }.value } catch { failure.isAborted = false }
      throw failure
    }
  }

  /// Ends: leaves the group, and aborts what is open.
  public func close() async throws {
    do {
      try await producer.close()
    } catch {
      // Others are to have its partitions all the same.
      try? await consumer.close()
      throw error
    }
    try await consumer.close()
  }

  private func membership() throws -> ConsumerGroupMetadata {
    guard let metadata = consumer.groupMetadata else {
      throw EventLogError(.illegalState, "the consumer has no group")
    }
    return metadata
  }

  private static func offsets(behind records: ConsumerRecords) -> [TopicPartition: OffsetAndMetadata] {
    var offsets: [TopicPartition: OffsetAndMetadata] = [:]
    for batch in records.batches {
      offsets[batch.topicPartition] = OffsetAndMetadata(batch.nextOffset, leaderEpoch: batch.leaderEpoch)
    }
    return offsets
  }

  /// Has the next poll return the same records. A partition that is somebody else's by now is theirs to read.
  private func rewind(_ records: ConsumerRecords) {
    var first: [TopicPartition: Int64] = [:]
    for record in records where first[record.topicPartition] == nil { first[record.topicPartition] = record.offset }
    for (partition, offset) in first { try? consumer.seek(partition, to: offset) }
  }
}
