internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// What the coordinator knows of one `transactional.id`.
struct TransactionEntry {
  /// A partition that a transaction has to end on.
  struct Participant {
    var log: PartitionLog
    var id: PartitionID
  }

  /// A marker that a power cut could take back.
  struct Marker {
    var log: PartitionLog
    var endOffset: Int64

    /// Whether the decision has to stay: until the marker is on the disk, or its topic is deleted.
    var isNeeded: Bool {
      log.durableOffset < endOffset && log.failure?.code != .unknownTopicOrPartition
    }
  }

  var producerID: Int64
  var epoch: Int16
  var state: TransactionState
  /// `transaction.timeout.ms`
  var timeout: Int64
  /// Milliseconds since 1970, of the transaction that is open or was last.
  var startedAt: Int64?
  /// Monotonic milliseconds, of the transaction that is open.
  var deadline: Int64?
  /// Milliseconds since 1970.
  var updatedAt: Int64
  var participants: [ObjectIdentifier: Participant] = [:]
  var offsets: [String: [PartitionID: CommittedOffset]] = [:]
  /// Whether somebody is at work on it, on some thread: others wait, or are told to come again.
  var isBusy = false
  /// Called, once, when nobody is any more.
  var whenIdle: [@Sendable () -> Void] = []
  /// Whether SQLite says something older. Nothing depends on its being brought up to date, but that others can look.
  var isRowStale = false
  /// Those of the decision that SQLite holds. It has to hold it until they are on the disk.
  var markers: [Marker] = []
  /// Why nothing can be done with it before the store is opened again.
  var failure: EventLogError?

  init(_ stored: StoredTransaction) {
    producerID = stored.producerID
    epoch = stored.epoch
    timeout = stored.timeout
    startedAt = stored.startedAt
    updatedAt = stored.updatedAt
    switch stored.state {
    case .empty: state = .empty
    case .prepareCommit: state = .prepareCommit
    case .completeCommit: state = .completeCommit
    case .completeAbort: state = .completeAbort
    }
  }

  init(producerID: Int64, timeout: Int64, now: Int64) {
    self.producerID = producerID
    epoch = -1
    state = .empty
    self.timeout = timeout
    updatedAt = now
  }

  /// As it is stored once it has ended.
  func stored(_ id: String) -> StoredTransaction {
    let state: StoredTransaction.State =
      switch self.state {
      case .completeCommit: .completeCommit
      case .completeAbort: .completeAbort
      default: .empty
      }
    return StoredTransaction(
      id: id, producerID: producerID, epoch: max(epoch, 0), state: state, timeout: timeout, startedAt: startedAt,
      updatedAt: updatedAt)
  }

  /// The decision to commit.
  func decision(_ id: String) -> StoredTransaction {
    var decision = stored(id)
    decision.state = .prepareCommit
    for participant in participants.values {
      // Where nothing was written, a marker has nothing to end.
      guard let first = participant.log.transactionStart(of: producerID) else { continue }
      decision.partitions[participant.id] = .init(firstOffset: first, endOffset: participant.log.logEndOffset)
    }
    return decision
  }
}
