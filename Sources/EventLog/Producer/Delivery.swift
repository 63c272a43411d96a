internal import RecordFormat

/// What becomes of a record that was sent without waiting (Kafka's `Future<RecordMetadata>`).
public final class Delivery: Sendable {
  let shot = OneShot<RecordMetadata>()

  init() {}

  /// Where the record ended up, as soon as it counts as written.
  ///
  /// - Throws: what kept it from that; `CancellationError` where this task was cancelled, which does not take the record
  ///   back.
  public var metadata: RecordMetadata {
    get async throws { try await shot.value() }
  }

  /// The outcome, if there is one yet.
  public var result: Result<RecordMetadata, any Error>? { shot.result }
}
