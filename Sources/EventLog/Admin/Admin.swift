internal import RecordFormat

/// Creates, deletes, describes and changes topics and groups: Kafka's `Admin`, without the waiting.
///
/// A method for one topic, partition or group throws. Where Kafka's takes many and answers for each, the method here has
/// the label `each`: it throws only where nothing can be done at all (the broker is closed, or was opened read-only),
/// and else gives a result for each item, which succeeds or fails by itself.
public struct Admin: Sendable {
  let broker: Broker

  func requireWritable() throws(EventLogError) {
    try broker.requireOpen()
    try broker.requireWritable()
  }

  /// The outcome of `body` for each key.
  func results<Key: Hashable, Value>(
    of keys: some Sequence<Key>, _ body: (Key) throws(EventLogError) -> Value
  ) -> [Key: Result<Value, EventLogError>] {
    var results: [Key: Result<Value, EventLogError>] = [:]
    for key in keys {
      do throws(EventLogError) { results[key] = .success(try body(key)) } catch { results[key] = .failure(error) }
    }
    return results
  }

  /// Takes a partition directory in that Kafka, or another store, wrote, under its topic and number (`<topic>-<partition>`),
  /// with its offsets. Every batch is checked on the way; the topic is created, or grown, if need be.
  ///
  /// - Parameter progress: told how many bytes are done, and how many there are.
  /// - Throws: `corruptMessage` or `invalidRecord` with the file and the position of the first batch that is not right;
  ///   `invalidRequest` where there is nothing to import, or the partition holds records already. Nothing is imported then.
  @discardableResult
  public func importPartition(
    from directory: String, progress: @escaping (_ done: Int64, _ total: Int64) -> Void = { _, _ in }
  ) throws -> ImportResult {
    try requireWritable()
    return try broker.importPartition(from: directory, progress: progress)
  }
}
