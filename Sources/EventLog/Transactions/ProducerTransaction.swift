internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// The transactional side of one producer: what it may do next, and the gate through which its appends go.
///
/// Appends hold the lock, so that no record can come behind the marker that ends its transaction.
final class ProducerTransaction: Sendable {
  /// Kafka's states of a `TransactionManager`.
  enum Phase {
    case uninitialized
    case initializing
    case ready
    case inTransaction
    /// Something could not be sent: the transaction can only be aborted.
    case abortable(EventLogError)
    case ending
    /// The producer can do nothing more.
    case fatal(EventLogError)
  }

  struct State {
    var phase = Phase.uninitialized
    var identity: TransactionalIdentity?
    var options: AppendOptions
    /// The partitions that the transaction has, and the one that came last.
    var logs: Set<ObjectIdentifier> = []
    var last: ObjectIdentifier?
    var hasOffsets = false

    var isEmpty: Bool { logs.isEmpty && !hasOffsets }
  }

  private let state: Mutex<State>
  private let coordinator: TransactionCoordinator
  private let transactionalID: String
  private let timeout: Int64

  init(_ coordinator: TransactionCoordinator, _ transactionalID: String, timeout: Int64, options: AppendOptions) {
    state = Mutex(State(options: options))
    self.coordinator = coordinator
    self.transactionalID = transactionalID
    self.timeout = timeout
  }

  // MARK: Appending

  /// Has `body` append to a log within the transaction.
  func append(
    to log: PartitionLog, _ body: (AppendOptions) throws(EventLogError) -> AppendResult
  ) throws(EventLogError) -> AppendResult {
    try state.withLock { state throws(EventLogError) -> AppendResult in
      let identity = try requireOpen(state)
      do throws(EventLogError) {
        let key = ObjectIdentifier(log)
        if state.last != key {
          if !state.logs.contains(key) {
            try coordinator.add(log, to: identity)
            state.logs.insert(key)
          }
          state.last = key
        }
        return try body(state.options)
      } catch {
        note(error, &state)
        throw error
      }
    }
  }

  /// Makes offsets part of the transaction.
  ///
  /// - Parameter check: called when they are held; what it throws lets them go, and the transaction can only be aborted.
  func add(
    _ offsets: [TopicPartition: OffsetAndMetadata], of group: String, check: () throws(EventLogError) -> Void
  ) throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      let identity = try requireOpen(state)
      do throws(EventLogError) {
        try coordinator.add(offsets, of: group, to: identity, check: check)
        state.hasOffsets = true
      } catch {
        note(error, &state)
        throw error
      }
    }
  }

  /// Takes note of what kept a record from being sent: its transaction must not be committed without it.
  func note(_ error: EventLogError) {
    state.withLock { note(error, &$0) }
  }

  private func note(_ error: EventLogError, _ state: inout State) {
    guard case .inTransaction = state.phase else { return }
    state.phase = Self.isFencing(error) ? .fatal(error) : .abortable(error)
  }

  private static func isFencing(_ error: EventLogError) -> Bool {
    let codes: [EventLogError.Code] = [
      .producerFenced, .invalidProducerEpoch, .invalidProducerIDMapping, .transactionCoordinatorFenced,
    ]
    return codes.contains(error.code)
  }

  private func requireOpen(_ state: borrowing State) throws(EventLogError) -> TransactionalIdentity {
    switch state.phase {
    case .inTransaction: break
    case .abortable(let cause): throw Self.abortOnly(cause)
    case .fatal(let error): throw error
    case .uninitialized, .initializing: throw Self.wrongOrder("call initTransactions and beginTransaction first")
    case .ready:
      throw Self.wrongOrder("a transactional producer sends within transactions: call beginTransaction first")
    case .ending: throw Self.wrongOrder("the transaction is just being ended")
    }
    guard let identity = state.identity else { throw Self.wrongOrder("call initTransactions first") }
    return identity
  }

  private static func abortOnly(_ cause: EventLogError) -> EventLogError {
    EventLogError(
      .transactionAbortable,
      "something of this transaction could not be sent (\(cause.code.name): \(cause.message)): abort it")
  }

  private static func wrongOrder(_ message: String) -> EventLogError { EventLogError(.illegalState, message) }

  // MARK: The course of a transaction

  var isInitialized: Bool {
    state.withLock { state in
      if case .uninitialized = state.phase { false } else { true }
    }
  }

  /// Whether a transaction is open, whatever became of it.
  var isOpen: Bool {
    state.withLock { state in
      switch state.phase {
      case .inTransaction, .abortable: true
      default: false
      }
    }
  }

  func initialize(_ completion: @escaping @Sendable (EventLogError?) -> Void) {
    let refusal = state.withLock { state -> EventLogError? in
      switch state.phase {
      case .uninitialized:
        state.phase = .initializing
        return nil
      case .fatal(let error): return error
      default: return Self.wrongOrder("initTransactions was called before")
      }
    }
    if let refusal { return completion(refusal) }
    coordinator.initialize(transactionalID, timeout: timeout) { result in
      self.state.withLock { state in
        switch result {
        case .success(let identity):
          state.identity = identity
          state.options.producer = ProducerStamp(
            id: identity.producerID, epoch: identity.epoch, isTransactional: true)
          state.phase = .ready
        case .failure(let error): state.phase = error.isFatal ? .fatal(error) : .uninitialized
        }
      }
      if case .failure(let error) = result { completion(error) } else { completion(nil) }
    }
  }

  func begin() throws(EventLogError) {
    try state.withLock { state throws(EventLogError) in
      switch state.phase {
      case .ready: state.phase = .inTransaction
      case .uninitialized, .initializing: throw Self.wrongOrder("call initTransactions first")
      case .inTransaction, .abortable: throw Self.wrongOrder("a transaction is open: commit or abort it first")
      case .ending: throw Self.wrongOrder("the transaction before is just being ended")
      case .fatal(let error): throw error
      }
    }
  }

  /// Commits or aborts. What lingers has been appended, or given up, before.
  func end(commits: Bool, _ completion: @escaping @Sendable (EventLogError?) -> Void) {
    enum Step { case refuse(EventLogError), nothing, end(TransactionalIdentity) }
    let step = state.withLock { state -> Step in
      switch state.phase {
      case .inTransaction: break
      case .abortable(let cause): if commits { return .refuse(Self.abortOnly(cause)) }
      case .fatal(let error): return .refuse(error)
      case .ending: return .refuse(Self.wrongOrder("the transaction is just being ended"))
      case .uninitialized, .initializing, .ready: return .refuse(Self.wrongOrder("no transaction is open"))
      }
      guard let identity = state.identity, !state.isEmpty else {
        state.phase = .ready
        return .nothing
      }
      state.phase = .ending
      return .end(identity)
    }
    switch step {
    case .refuse(let error): completion(error)
    case .nothing: completion(nil)
    case .end(let identity):
      coordinator.end(identity, commits: commits) { outcome in
        let error = self.state.withLock { state -> EventLogError? in
          switch outcome {
          case .done:
            state.phase = .ready
            state.logs = []
            state.last = nil
            state.hasOffsets = false
            return nil
          case .stillOpen(let error):
            state.phase = error.isRetriable ? .inTransaction : .abortable(error)
            return error
          case .failed(let error):
            state.phase = error.isFatal ? .fatal(error) : .abortable(error)
            return error
          }
        }
        completion(error)
      }
    }
  }
}
