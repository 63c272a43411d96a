public import RecordFormat
internal import SegmentStore

// The synchronous side: for callers without Swift concurrency, and for hot loops. `linger.ms` does not apply; a call
// appends at once. With acks=all it blocks its thread until the disk has the records.

extension Producer {
  /// Appends a record as a batch of its own.
  ///
  /// - Throws: as `send(_:)`.
  @discardableResult
  public func append(_ record: ProducerRecord) throws -> RecordMetadata {
    let route = try route(record.topic)
    let log = try log(route, partition: record.partition, record.record)
    try checkSize(Self.size(record.record), log.topicPartition)
    let result = try log.append(record: record.record, options)
    if configuration.acks == .all { try log.waitUntilDurable(upTo: result.nextOffset) }
    return metadata(record.record, result, index: 0, log.topicPartition)
  }

  /// Appends a record, given as spans, as a batch of its own: nothing is copied but into the log.
  @discardableResult
  public func append(
    to topicPartition: TopicPartition, key: RawSpan? = nil, value: RawSpan?, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) throws -> BatchMetadata {
    let log = try log(topicPartition)
    let size = RecordBatchHeader.size + 21 + (key?.byteCount ?? 0) + (value?.byteCount ?? 0)
    try checkSize(size, topicPartition)
    let result = try log.append(key: key, value: value, headers: headers, timestamp: timestamp, options)
    if configuration.acks == .all { try log.waitUntilDurable(upTo: result.nextOffset) }
    return batch(result, topicPartition)
  }

  /// Appends records to one partition as one batch: all of them, or none.
  ///
  /// - Throws: `messageTooLarge` where the batch is larger than `max.message.bytes`; else as `send(_:)`.
  @discardableResult
  public func append(_ records: [Record], to topicPartition: TopicPartition) throws -> BatchMetadata {
    let log = try log(topicPartition)
    let result = try log.append(records: records.span, options)
    if configuration.acks == .all { try log.waitUntilDurable(upTo: result.nextOffset) }
    return batch(result, topicPartition)
  }

  /// Sends records to a topic, in as few batches as their partitions and `max.request.size` allow, and waits until all of
  /// them count as written.
  ///
  /// - Returns: where they ended up, in the order of `records`.
  /// - Throws: as `send(_:)`. Batches that came before the one that failed stay written.
  @discardableResult
  public func send(
    _ records: [Record], to topic: String, partition: Int? = nil
  ) async throws -> [RecordMetadata] {
    try Task.checkCancellation()
    let (result, ends) = try appendAll(records, to: topic, partition: partition)
    if configuration.acks == .all { for (log, end) in ends { try await durable(log, upTo: end) } }
    return result
  }

  /// The same, blocking this thread where `acks=all` waits for the disk.
  @discardableResult
  public func append(_ records: [Record], to topic: String, partition: Int? = nil) throws -> [RecordMetadata] {
    let (result, ends) = try appendAll(records, to: topic, partition: partition)
    if configuration.acks == .all { for (log, end) in ends { try log.waitUntilDurable(upTo: end) } }
    return result
  }

  private func appendAll(
    _ records: [Record], to topic: String, partition: Int?
  ) throws(EventLogError) -> (metadata: [RecordMetadata], ends: [(PartitionLog, Int64)]) {
    let route = try route(topic)
    var groups: [Int: (log: PartitionLog, indexes: [Int])] = [:]
    for index in records.indices {
      let log = try log(route, partition: partition, records[index])
      try checkSize(Self.size(records[index]), log.topicPartition)
      groups[log.topicPartition.partition, default: (log, [])].indexes.append(index)
    }
    var metadata: [Int: RecordMetadata] = [:]
    var ends: [(PartitionLog, Int64)] = []
    for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
      let log = group.log.configuration
      let limit = min(configuration.maxRequestSize, log.maxMessageBytes, log.segmentBytes)
      var rest = group.indexes[...]
      while !rest.isEmpty {
        var size = 0
        let chunk = Array(
          rest.prefix { index in
            size += Self.size(records[index])
            return size <= limit
          })
        // A record that is too large for the topic alone is refused by the log, with its reason.
        let indexes = chunk.isEmpty ? [rest[rest.startIndex]] : chunk
        rest = rest.dropFirst(indexes.count)
        let batch = indexes.map { records[$0] }
        let result = try group.log.append(records: batch.span, options)
        for (place, index) in indexes.enumerated() {
          metadata[index] = self.metadata(records[index], result, index: place, group.log.topicPartition)
        }
        if rest.isEmpty { ends.append((group.log, result.nextOffset)) }
      }
    }
    return (records.indices.compactMap { metadata[$0] }, ends)
  }

  private func batch(_ result: AppendResult, _ topicPartition: TopicPartition) -> BatchMetadata {
    BatchMetadata(
      topicPartition: topicPartition, baseOffset: configuration.acks == .none ? -1 : result.baseOffset,
      recordCount: Int(result.lastOffset - result.baseOffset + 1), logAppendTime: result.logAppendTime)
  }
}
