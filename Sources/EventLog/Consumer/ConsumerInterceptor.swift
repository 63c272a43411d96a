public import RecordFormat

/// Sees what a consumer reads and commits (Kafka's `ConsumerInterceptor`): to count, to trace, to leave records out.
///
/// Interceptors form a chain, in the order of ``ConsumerConfiguration/interceptors``: each gets what the one before it
/// returned. What one throws is warned of, and the chain goes on as if it were not there. The methods run on the task that
/// polls or commits, and so are to be short; they may not call the consumer.
public protocol ConsumerInterceptor: Sendable {
  /// Called with what a poll is about to return, and returns what it is to return instead. The position moves past all
  /// records, also those that are left out (``ConsumerRecords/filter(_:)``).
  func onConsume(_ records: ConsumerRecords) throws -> ConsumerRecords
  /// Called when offsets are on the disk that the consumer committed.
  func onCommit(_ offsets: [TopicPartition: OffsetAndMetadata]) throws
  /// Called once, when the consumer is closed or gone.
  func close()
}

extension ConsumerInterceptor {
  public func onConsume(_ records: ConsumerRecords) throws -> ConsumerRecords { records }
  public func onCommit(_ offsets: [TopicPartition: OffsetAndMetadata]) throws {}
  public func close() {}
}

/// A consumer's chain of interceptors.
final class ConsumerInterceptors: Sendable {
  private let chain: [any ConsumerInterceptor]
  private let warn: @Sendable (EventLogError) -> Void
  private let ending = Once()

  /// nil for a consumer without any, which then does not pay for them.
  init?(_ chain: [any ConsumerInterceptor], _ warn: @escaping @Sendable (EventLogError) -> Void) {
    guard !chain.isEmpty else { return nil }
    self.chain = chain
    self.warn = warn
  }

  func onConsume(_ records: ConsumerRecords) -> ConsumerRecords {
    guard !records.isEmpty else { return records }
    var records = records
    for interceptor in chain {
      do { records = try interceptor.onConsume(records) } catch { warn(.interceptor(interceptor, "onConsume", error)) }
    }
    return records
  }

  func onCommit(_ offsets: [TopicPartition: OffsetAndMetadata]) {
    for interceptor in chain {
      do { try interceptor.onCommit(offsets) } catch { warn(.interceptor(interceptor, "onCommit", error)) }
    }
  }

  func close() {
    guard ending.isFirst() else { return }
    for interceptor in chain { interceptor.close() }
  }
}

extension EventLogError {
  /// What an interceptor threw, which nobody but the log hears of.
  static func interceptor(_ interceptor: Any, _ method: String, _ error: any Error) -> EventLogError {
    EventLogError(
      .illegalState, "\(method) of the interceptor \(type(of: interceptor)) threw, and was passed over: \(error)")
  }
}
