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
    if let interceptors { return try interceptors.around(record) { try appendAsIs($0) } }
    return try appendAsIs(record)
  }

  @inline(always)
  private func appendAsIs(_ record: ProducerRecord) throws -> RecordMetadata {
    let log = try noting { () throws(EventLogError) in
      let log = try self.log(try route(record.topic), partition: record.partition, record.record)
      try checkSize(Self.size(record.record), log.topicPartition)
      return log
    }
    let result = try append(to: log) { options throws(EventLogError) in
      try log.append(record: record.record, options)
    }
    if awaitsDisk { try log.waitUntilDurable(upTo: result.nextOffset) }
    return metadata(record.record, result, index: 0, log.topicPartition)
  }

  /// Appends a record, given as spans, as a batch of its own: nothing is copied but into the log.
  @discardableResult
  public func append(
    to topicPartition: TopicPartition, key: RawSpan? = nil, value: RawSpan?, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) throws -> BatchMetadata {
    if interceptors != nil {
      let record = Record(copying: key, value, headers: headers, timestamp: timestamp)
      return try append([record], to: topicPartition)
    }
    let result = try withLog(topicPartition) { log throws(EventLogError) in
      try append(key, value, headers, timestamp, to: log)
    }
    return batch(result, topicPartition)
  }

  private func append(
    _ key: RawSpan?, _ value: RawSpan?, _ headers: [RecordHeader], _ timestamp: Int64?, to log: PartitionLog
  ) throws(EventLogError) -> AppendResult {
    let size = Self.size(key: key?.byteCount ?? 0, value: value?.byteCount ?? 0, headers)
    try noting { () throws(EventLogError) in try checkSize(size, log.topicPartition) }
    let result = try append(to: log) { options throws(EventLogError) in
      try log.append(key: key, value: value, headers: headers, timestamp: timestamp, options)
    }
    if awaitsDisk { try log.waitUntilDurable(upTo: result.nextOffset) }
    return result
  }

  /// Appends records to one partition as one batch: all of them, or none.
  ///
  /// - Throws: `messageTooLarge` where the batch is larger than `max.message.bytes`, or a record than `max.request.size`; else as
  ///   `send(_:)`.
  @discardableResult
  public func append(_ records: [Record], to topicPartition: TopicPartition) throws -> BatchMetadata {
    if let interceptors {
      return try interceptors.around(records, to: topicPartition) { try appendAsIs($0, topicPartition) }
    }
    return try appendAsIs(records, topicPartition)
  }

  @inline(always)
  private func appendAsIs(_ records: [Record], _ topicPartition: TopicPartition) throws -> BatchMetadata {
    batch(try withLog(topicPartition) { log throws(EventLogError) in try append(records, to: log) }, topicPartition)
  }

  private func append(_ records: [Record], to log: PartitionLog) throws(EventLogError) -> AppendResult {
    let result = try append(to: log) { options throws(EventLogError) in
      try log.append(records: records.span, options)
    }
    if awaitsDisk { try log.waitUntilDurable(upTo: result.nextOffset) }
    return result
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
    guard let interceptors else { return try await sendAsIs(records, topic, partition) }
    return try await interceptors.around(records, to: topic, partition: partition) {
      try await sendAsIs($0, topic, partition)
    }
  }

  private func sendAsIs(_ records: [Record], _ topic: String, _ partition: Int?) async throws -> [RecordMetadata] {
    try Task.checkCancellation()
    let (result, ends) = try appendAll(records, to: topic, partition: partition)
    if awaitsDisk { for (log, end) in ends { try await log.untilDurable(upTo: end) } }
    return result
  }

  /// The same, blocking this thread where `acks=all` waits for the disk.
  @discardableResult
  public func append(_ records: [Record], to topic: String, partition: Int? = nil) throws -> [RecordMetadata] {
    guard let interceptors else { return try appendAsIs(records, topic, partition) }
    return try interceptors.around(records, to: topic, partition: partition) {
      try appendAsIs($0, topic, partition)
    }
  }

  private func appendAsIs(_ records: [Record], _ topic: String, _ partition: Int?) throws -> [RecordMetadata] {
    let (result, ends) = try appendAll(records, to: topic, partition: partition)
    if awaitsDisk { for (log, end) in ends { try log.waitUntilDurable(upTo: end) } }
    return result
  }

  private func appendAll(
    _ records: [Record], to topic: String, partition: Int?
  ) throws(EventLogError) -> (metadata: [RecordMetadata], ends: [(PartitionLog, Int64)]) {
    var groups: [Int: (log: PartitionLog, indexes: [Int])] = [:]
    try noting { () throws(EventLogError) in
      let route = try route(topic)
      for index in records.indices {
        let log = try self.log(route, partition: partition, records[index])
        try checkSize(Self.size(records[index]), log.topicPartition)
        groups[log.topicPartition.partition, default: (log, [])].indexes.append(index)
      }
    }
    var metadata: [Int: RecordMetadata] = [:]
    var ends: [(PartitionLog, Int64)] = []
    for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
      let limit = min(configuration.maxRequestSize, group.log.configuration.fillableBytes)
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
        let result = try append(to: group.log) { options throws(EventLogError) in
          try group.log.append(records: batch.span, options)
        }
        for (place, index) in indexes.enumerated() {
          metadata[index] = self.metadata(records[index], result, index: place, group.log.topicPartition)
        }
        if rest.isEmpty { ends.append((group.log, result.nextOffset)) }
      }
    }
    return (records.indices.compactMap { metadata[$0] }, ends)
  }

  func batch(_ result: AppendResult, _ topicPartition: TopicPartition) -> BatchMetadata {
    BatchMetadata(
      topicPartition: topicPartition, baseOffset: configuration.acks == .none ? -1 : result.baseOffset,
      recordCount: Int(result.lastOffset - result.baseOffset + 1), logAppendTime: result.logAppendTime)
  }
}
