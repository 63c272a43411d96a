public import RecordFormat
internal import SegmentStore

// Transactions (KIP-98): what is sent between `beginTransaction` and `commitTransaction`, to any number of partitions, is
// seen by readers with `isolation.level=read_committed` as a whole or not at all, together with the offsets that
// `sendOffsets` gives it. Each call comes twice: for tasks, and for callers without Swift concurrency, who are blocked.

extension Producer {
  /// Gets ready for transactions: takes over the `transactional.id`, so that whoever had it before is fenced, and aborts
  /// what that one left open. To be called once, before all else.
  ///
  /// - Throws: `illegalState` without a `transactional.id`, and a second time; `invalidTransactionTimeout`;
  ///   `concurrentTransactions` where the last transaction of the id can't be finished yet; `timeout` after `max.block.ms`.
  public func initTransactions() async throws {
    let transaction = try requireTransactional()
    let shot = OneShot<Void>()
    transaction.initialize { shot.complete($0) }
    let timekeeper = broker.context.timekeeper
    let timer = timekeeper.schedule(at: blockingDeadline, for: .endOfWait) {
      shot.complete(.failure(Self.initTimedOut))
    }
    defer { timekeeper.cancel(timer) }
    try await shot.value()
  }

  /// The same, blocking this thread.
  public func initTransactions() throws {
    let transaction = try requireTransactional()
    let outcome = BlockingOutcome()
    transaction.initialize { outcome.complete($0) }
    let timekeeper = broker.context.timekeeper
    let timer = timekeeper.schedule(at: blockingDeadline, for: .endOfWait) { outcome.complete(Self.initTimedOut) }
    defer { timekeeper.cancel(timer) }
    try outcome.wait()
  }

  private var blockingDeadline: Int64 {
    broker.context.time.deadline(in: configuration.maxBlock.milliseconds)
  }

  private static var initTimedOut: EventLogError {
    EventLogError(.timeout, "the transactional.id could not be taken over within max.block.ms")
  }

  /// Begins a transaction. Costs nothing before something is sent; `transaction.timeout.ms` counts from then on.
  ///
  /// - Throws: `illegalState` before `initTransactions`, and while a transaction is open.
  public func beginTransaction() throws {
    try requireTransactional().begin()
  }

  /// Makes everything that was sent in the transaction count, with the offsets, once and for all. When this returns, it is
  /// on the disk, and survives a power cut as a whole.
  ///
  /// Await, or have returned, all sends of the transaction before. A task that is cancelled stops waiting; the commit goes
  /// on.
  ///
  /// - Throws: `illegalState` where no transaction is open; `transactionAbortable` where something could not be sent, so
  ///   that it can only be aborted; `producerFenced` where another producer took the `transactional.id` over, or the
  ///   transaction took longer than its timeout; `diskFull`: nothing was decided, and it can be called again.
  public func commitTransaction() async throws {
    let transaction = try requireTransactional()
    await accumulator.flush()
    let shot = OneShot<Void>()
    transaction.end(commits: true) { shot.complete($0) }
    try await shot.value()
  }

  /// The same, blocking this thread.
  public func commitTransaction() throws {
    let transaction = try requireTransactional()
    accumulator.flush()
    let outcome = BlockingOutcome()
    transaction.end(commits: true) { outcome.complete($0) }
    try outcome.wait()
  }

  /// Ends the transaction as if nothing had been sent: readers with `read_committed` never see it, and the offsets are
  /// dropped. What lingers is given up.
  ///
  /// - Throws: `illegalState` where no transaction is open; `producerFenced`.
  public func abortTransaction() async throws {
    let shot = OneShot<Void>()
    try startAbort { shot.complete($0) }
    try await shot.value()
  }

  /// The same, blocking this thread.
  public func abortTransaction() throws {
    let outcome = BlockingOutcome()
    try startAbort { outcome.complete($0) }
    try outcome.wait()
  }

  private func startAbort(_ completion: @escaping @Sendable (EventLogError?) -> Void) throws {
    let transaction = try requireTransactional()
    if transaction.isOpen {
      accumulator.abort(EventLogError(.transactionAbortable, "the transaction was aborted before the record was sent"))
    }
    transaction.end(commits: false, completion)
  }

  /// Makes a group's offsets part of the transaction: they are committed with it, or not at all (Kafka's
  /// `sendOffsetsToTransaction`). Until it ends, consumers of the group with `read_committed` wait for the outcome.
  ///
  /// - Parameters:
  ///   - offsets: the next offset to read of each partition.
  ///   - group: `Consumer.groupMetadata` of who has read them. Without a member, nobody looks whether the group has gone on.
  /// - Throws: `illegalState` where no transaction is open; `commitFailed` where the group went on without that member,
  ///   `fencedInstanceID`: abort the transaction, others have these partitions now; `offsetMetadataTooLarge` where some
  ///   metadata has more than `offset.metadata.max.bytes`: the transaction can only be aborted then;
  ///   `unknownTopicOrPartition`, `producerFenced`.
  public func sendOffsets(
    _ offsets: [TopicPartition: OffsetAndMetadata], to group: ConsumerGroupMetadata
  ) throws {
    let transaction = try requireTransactional()
    guard !offsets.isEmpty else { return }
    try noting { () throws(EventLogError) in try checkMember(group) }
    let fitting = FittingOffsets(offsets, limit: broker.configuration.offsetMetadataMaxBytes)
    if !fitting.offsets.isEmpty {
      // Once more when they are held: who gets the partitions from then on waits for the outcome, and who had them before is
      // noticed now.
      try transaction.add(fitting.offsets, of: group.group) { () throws(EventLogError) in try checkMember(group) }
    }
    // After the others, which are held until the transaction is aborted.
    if let refusal = fitting.refusal { try noting { () throws(EventLogError) in throw refusal } }
  }

  private func checkMember(_ metadata: ConsumerGroupMetadata) throws(EventLogError) {
    // As in Kafka, where producers once knew no more of a group than its name.
    guard metadata.memberID != nil || metadata.instanceID != nil || metadata.generation >= 0 else { return }
    do throws(EventLogError) {
      try broker.groups.validateCommit(
        metadata.group, memberID: metadata.memberID, instanceID: metadata.instanceID, generation: metadata.generation)
    } catch {
      guard metadata.memberID != nil, error.code != .fencedInstanceID else { throw error }
      throw EventLogError(
        .commitFailed,
        "the group went on without this member (\(error.code.name): \(error.message)): abort the transaction, others "
          + "may have read these records too")
    }
  }

  /// Runs `body` in a transaction: commits it when `body` returns, and aborts it when `body` throws, or the commit does.
  /// Calls `initTransactions` first where nobody has.
  ///
  /// ```swift
  /// try await producer.withTransaction { producer in
  ///   try await producer.send("payments", value: "42")
  ///   try await producer.send("ledger", value: "-42")
  /// }
  /// ```
  ///
  /// - Throws: what `body` throws; else as `beginTransaction` and `commitTransaction`.
  @discardableResult
  public func withTransaction<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Producer) async throws -> Result
  ) async throws -> Result {
    if try !requireTransactional().isInitialized { try await initTransactions() }
    try beginTransaction()
    do {
      let result = try await body(self)
      try await commitTransaction()
      return result
    } catch {
      // Nobody hears of a failure here: the first one counts. A commit that is under way is left alone.
      try? await abortTransaction()
      throw error
    }
  }

  /// Whether `initTransactions` is still to be called.
  var needsInitialization: Bool { !(transaction?.isInitialized ?? true) }

  private func requireTransactional() throws(EventLogError) -> ProducerTransaction {
    try requireOpen()
    guard let transaction else {
      throw EventLogError(.illegalState, "the producer has no transactional.id")
    }
    return transaction
  }
}

extension OneShot<Void> {
  fileprivate func complete(_ error: EventLogError?) {
    if let error { complete(.failure(error)) } else { complete(.success(())) }
  }
}

/// What a blocked thread waits for; the first outcome counts.
private final class BlockingOutcome: Sendable {
  private let shot = OneShot<Void>()
  private let latch = Latch()

  func complete(_ error: EventLogError?) {
    shot.complete(error)
    latch.open()
  }

  func wait() throws {
    latch.wait()
    try shot.result?.get()
  }
}
