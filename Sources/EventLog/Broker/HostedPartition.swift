internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// A partition as its broker keeps it (Kafka's `HostedPartition`).
enum HostedPartition: Sendable {
  /// This process is the owner.
  case online(HostedLog)
  /// Another process may be; this one only reads.
  case reader(PartitionReader)
  /// It could not be opened. The others go on without it.
  indirect case offline(TopicPartition, EventLogError)

  static func online(_ log: PartitionLog) -> Self { .online(HostedLog(log)) }

  /// The partition, to be used: its log is made if it is not yet.
  func partition(_ topicPartition: @autoclosure () -> TopicPartition) -> Partition {
    switch self {
    case .online(let hosted):
      do throws(EventLogError) { return .log(try hosted.log()) } catch { return .offline(topicPartition(), error) }
    case .reader(let reader): return .reader(reader)
    case .offline(let topicPartition, let error): return .offline(topicPartition, error)
    }
  }
}

/// The log of a partition of which this process is the owner. One that the opening found untouched is made when it is first
/// used: until then it has nothing to write down, to flush, or to forget.
final class HostedLog: Sendable {
  private enum State {
    case untouched(UntouchedLog)
    case inUse(PartitionLog)
    /// The broker was closed before anybody used it.
    case closed(EventLogError)
  }

  private let state: Mutex<State>

  init(_ log: PartitionLog) {
    state = Mutex(.inUse(log))
  }

  init(_ untouched: UntouchedLog) {
    state = Mutex(.untouched(untouched))
  }

  /// What the opening has found.
  enum Found {
    case log(PartitionLog)
    case untouched(logEndOffset: Int64)
  }

  /// Nil where the broker is closed.
  var found: Found? {
    state.withLock { state in
      switch state {
      case .untouched(let untouched): .untouched(logEndOffset: untouched.logEndOffset)
      case .inUse(let log): .log(log)
      case .closed: nil
      }
    }
  }

  /// The log, where somebody has used it.
  var logIfUsed: PartitionLog? {
    state.withLock { if case .inUse(let log) = $0 { log } else { nil } }
  }

  /// - Throws: what kept the log from being made; the next call tries again.
  func log() throws(EventLogError) -> PartitionLog {
    try state.withLock { state throws(EventLogError) in
      switch state {
      case .inUse(let log): return log
      case .closed(let error): throw error
      case .untouched(let untouched):
        let log = try untouched.makeLog()
        state = .inUse(log)
        return log
      }
    }
  }

  /// The log's configuration; nil where its broker is closed.
  var configuration: LogConfiguration? {
    state.withLock { state in
      switch state {
      case .untouched(let untouched): untouched.configuration
      case .inUse(let log): log.configuration
      case .closed: nil
      }
    }
  }

  func update(_ configuration: LogConfiguration) {
    state.withLock { state in
      switch state {
      case .untouched(var untouched):
        untouched.configuration = configuration
        state = .untouched(untouched)
      case .inUse(let log): log.update(configuration)
      case .closed: break
      }
    }
  }

  /// Has nobody make the log from now on, because of `reason`.
  ///
  /// - Returns: the log, where somebody has used it.
  func close(_ reason: EventLogError) -> PartitionLog? {
    state.withLock { state in
      if case .inUse(let log) = state { return log }
      state = .closed(reason)
      return nil
    }
  }
}
