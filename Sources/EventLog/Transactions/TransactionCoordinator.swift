internal import MetadataStore
internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Leads transactions from their first record to their last marker (KIP-98).
///
/// To commit: the data of all partitions is made durable; then one SQLite transaction writes the decision and the offsets
/// of groups together, which is the point of no return; then each partition gets its COMMIT marker. A crash before the
/// decision leaves an open transaction, which the next opening aborts; a crash after it leaves a decision, whose markers
/// the next opening writes. A marker need not be waited for: the decision stays in SQLite until the markers are on the
/// disk. To abort takes no decision at all, since that is what becomes of a transaction without one.
final class TransactionCoordinator: Sendable {
  struct Limits {
    /// `transaction.max.timeout.ms`
    var maxTimeout: Int64
    /// `transactional.id.expiration.ms`
    var idExpiration: Int64
  }

  struct State {
    var entries: [String: TransactionEntry]
    /// When the timeouts are looked at next.
    var nextCheck = Int64.max
    var isClosed = false
  }

  let state: Mutex<State>
  let offsets: OffsetStore
  let producerIDs: ProducerIDs
  private let topics: TopicTable
  let limits: Limits
  let context: StoreContext
  /// For tests: how many steps of ending transactions are made before the coordinator stops, as if the process had died.
  let stepsLeft = Atomic<Int>(.max)
  /// The coordinator's epoch in markers: there is one coordinator, for ever.
  static let coordinatorEpoch: Int32 = 0
  /// From this epoch on an id gets a new producer id, since the epoch may have to grow once more to fence.
  private static let lastEpoch = Int16.max - 1

  init(
    entries: [String: TransactionEntry], offsets: OffsetStore, producerIDs: ProducerIDs, topics: TopicTable,
    limits: Limits, context: StoreContext
  ) {
    state = Mutex(State(entries: entries))
    self.offsets = offsets
    self.producerIDs = producerIDs
    self.topics = topics
    self.limits = limits
    self.context = context
  }

  // MARK: Beginning

  /// Gives a producer its id and a new epoch, and so fences whoever had the `transactional.id` before; a transaction that
  /// is open is aborted first.
  func initialize(
    _ id: String, timeout: Int64,
    completion: @escaping @Sendable (Result<TransactionalIdentity, EventLogError>) -> Void
  ) {
    guard timeout > 0, timeout <= limits.maxTimeout else {
      return completion(
        .failure(
          EventLogError(
            .invalidTransactionTimeout,
            "transaction.timeout.ms is \(timeout); it has to be from 1 to transaction.max.timeout.ms, \(limits.maxTimeout)"
          )))
    }
    enum Step {
      case wait, fail(EventLogError), abort, save(TransactionalIdentity, [TransactionEntry.Marker])
    }
    let step: Step
    do throws(EventLogError) {
      step = try state.withLock { state throws(EventLogError) -> Step in
        guard !state.isClosed else { throw EventLogError.brokerClosed }
        let now = context.time.wallMilliseconds()
        var entry: TransactionEntry
        if let known = state.entries[id] {
          entry = known
        } else {
          entry = TransactionEntry(producerID: try producerIDs.next(), timeout: timeout, now: now)
        }
        defer { state.entries[id] = entry }
        if let failure = entry.failure { throw failure }
        if entry.isBusy {
          entry.whenIdle.append { self.initialize(id, timeout: timeout, completion: completion) }
          return .wait
        }
        switch entry.state {
        case .ongoing: return .abort
        case .prepareCommit, .prepareAbort: return .fail(Self.markersMissing(id))
        default: break
        }
        if entry.epoch >= Self.lastEpoch {
          entry.producerID = try producerIDs.next()
          entry.epoch = 0
        } else {
          entry.epoch += 1
        }
        entry.state = .empty
        entry.timeout = timeout
        entry.updatedAt = now
        entry.startedAt = nil
        entry.isBusy = true
        return .save(
          TransactionalIdentity(transactionalID: id, producerID: entry.producerID, epoch: entry.epoch), entry.markers)
      }
    } catch {
      return completion(.failure(error))
    }
    switch step {
    case .wait: return
    case .fail(let error): completion(.failure(error))
    case .abort:
      fence(id)
      initialize(id, timeout: timeout, completion: completion)
    case .save(let identity, let markers):
      // The decision that this row replaces is needed until its markers are on the disk.
      whenDurable(markers.map { ($0.log, $0.endOffset) }) { error in
        if let error {
          self.release(id) { $0.failure = $0.failure ?? error }
          return completion(.failure(error))
        }
        self.saveEnded(id) { error in
          self.release(id) { _ in }
          completion(error.map { .failure($0) } ?? .success(identity))
        }
      }
    }
  }

  /// Takes a partition into a producer's transaction, which begins with the first.
  func add(_ log: PartitionLog, to identity: TransactionalIdentity) throws(EventLogError) {
    guard let topic = topics.find(log.topicPartition.topic) else {
      throw EventLogError(.unknownTopicOrPartition, "there is no such topic").at(log.topicPartition)
    }
    try change(identity) { entry in
      entry.participants[ObjectIdentifier(log)] = TransactionEntry.Participant(
        log: log, id: PartitionID(topic.id, log.topicPartition.partition))
    }
  }

  /// Takes offsets of a group into a producer's transaction.
  ///
  /// - Parameter check: called when they are held; what it throws lets them go.
  func add(
    _ new: [TopicPartition: OffsetAndMetadata], of group: String, to identity: TransactionalIdentity,
    check: () throws(EventLogError) -> Void
  ) throws(EventLogError) {
    // Held first: whoever asks for them meanwhile must not get those of before.
    let stored = try offsets.hold(new, group, producerID: identity.producerID)
    do throws(EventLogError) {
      try check()
      try change(identity) { entry in entry.offsets[group, default: [:]].merge(stored) { $1 } }
    } catch {
      offsets.release([group: stored], producerID: identity.producerID)
      throw error
    }
  }

  private func change(
    _ identity: TransactionalIdentity, _ body: (inout TransactionEntry) -> Void
  ) throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      var entry = try Self.entry(identity, state)
      defer { state.entries[identity.transactionalID] = entry }
      guard !entry.isBusy else { throw Self.concurrent(identity.transactionalID) }
      switch entry.state {
      case .ongoing: break
      case .prepareCommit, .prepareAbort: throw Self.markersMissing(identity.transactionalID)
      case .empty, .completeCommit, .completeAbort, .dead: begin(&entry, &state)
      }
      body(&entry)
    }
  }

  private func begin(_ entry: inout TransactionEntry, _ state: inout State) {
    let now = context.time.wallMilliseconds()
    entry.state = .ongoing
    entry.startedAt = now
    entry.updatedAt = now
    let deadline = context.time.deadline(in: entry.timeout)
    entry.deadline = deadline
    guard deadline < state.nextCheck else { return }
    state.nextCheck = deadline
    scheduleCheck(at: deadline)
  }

  // MARK: For the other parts of the coordinator

  /// Ends a piece of work on an id, and calls those who waited for that.
  func release(_ id: String, _ change: (inout TransactionEntry) -> Void) {
    let calls = state.withLock { state -> [@Sendable () -> Void] in
      guard var entry = state.entries[id] else { return [] }
      change(&entry)
      entry.isBusy = false
      let calls = entry.whenIdle
      entry.whenIdle = []
      state.entries[id] = entry
      return calls
    }
    for call in calls { call() }
  }

  /// Has an id's row written as it is now, that has no transaction under way. The markers of a decision that stands in the
  /// row have to be on the disk.
  private func saveEnded(_ id: String, _ completion: @escaping @Sendable (EventLogError?) -> Void) {
    var failure: EventLogError?
    state.withLock { state in
      var change = MetadataChange()
      change.noteEnd(of: id, &state)
      // Under the lock: what is decided later is written later.
      do throws(EventLogError) { try offsets.write(change, awaitedBy: .another, completion: completion) } catch {
        failure = error
      }
    }
    if let failure { completion(failure) }
  }

  /// Calls `completion` once each log is on the disk up to its offset, or with the first reason why one will not be.
  func whenDurable(
    _ needed: [(log: PartitionLog, offset: Int64)], _ completion: @escaping @Sendable (EventLogError?) -> Void
  ) {
    let left = needed.filter { $0.log.durableOffset < $0.offset }
    let countdown = Countdown(left.count, completion)
    for (log, offset) in left {
      // Of a topic that was deleted nothing has to last.
      log.whenDurable(upTo: offset) { countdown.count($0?.code == .unknownTopicOrPartition ? nil : $0) }
    }
  }

  static func entry(
    _ identity: TransactionalIdentity, _ state: borrowing State
  ) throws(EventLogError) -> TransactionEntry {
    guard !state.isClosed else { throw EventLogError.brokerClosed }
    guard let entry = state.entries[identity.transactionalID], entry.producerID == identity.producerID else {
      throw EventLogError(
        .invalidProducerIDMapping,
        "transactional.id \(identity.transactionalID) does not belong to producer id \(identity.producerID) any more")
    }
    guard entry.epoch == identity.epoch else {
      throw EventLogError(
        .producerFenced,
        "transactional.id \(identity.transactionalID) is at epoch \(entry.epoch), this producer at \(identity.epoch): "
          + "another one took it over, or its transaction took longer than transaction.timeout.ms")
    }
    if let failure = entry.failure { throw failure }
    return entry
  }

  static func concurrent(_ id: String) -> EventLogError {
    EventLogError(.concurrentTransactions, "a transaction of transactional.id \(id) is just being ended")
  }

  static func markersMissing(_ id: String) -> EventLogError {
    EventLogError(
      .concurrentTransactions,
      "the last transaction of transactional.id \(id) is decided, but a partition of it can't be written to; it is tried "
        + "again, and at the latest when the store is opened again")
  }
}
