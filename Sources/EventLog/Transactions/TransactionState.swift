/// Kafka's states of a `transactional.id`.
public enum TransactionState: String, Sendable, Hashable, CaseIterable {
  /// Known, and no transaction was begun yet.
  case empty = "Empty"
  /// A transaction has written something, or holds offsets.
  case ongoing = "Ongoing"
  /// It is decided, or being decided, that the transaction is committed; the markers are on their way.
  case prepareCommit = "PrepareCommit"
  /// The transaction is being aborted; the markers are on their way.
  case prepareAbort = "PrepareAbort"
  case completeCommit = "CompleteCommit"
  case completeAbort = "CompleteAbort"
  /// Forgotten: nothing was done with the id for `transactional.id.expiration.ms`.
  case dead = "Dead"
}

/// Who a transactional producer is: the id that it keeps, and what `initTransactions` gave it.
struct TransactionalIdentity: Sendable, Hashable {
  var transactionalID: String
  var producerID: Int64
  var epoch: Int16
}

/// How the end of a transaction went.
enum TransactionEnd: Sendable {
  /// As it was asked for.
  case done
  /// Nothing was decided: it is open as before, and can be ended in either way.
  case stillOpen(EventLogError)
  /// It can't be said from here, or not be done: opening the store again decides it.
  case failed(EventLogError)
}
