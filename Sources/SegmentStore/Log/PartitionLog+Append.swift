internal import CEventLog
package import RecordFormat

extension PartitionLog {
  /// Appends `records` as one batch.
  ///
  /// - Returns: the offsets. With `isDurable` the batch is not yet on the disk, and not yet visible: wait for
  ///   `nextOffset` with `whenDurable` or `waitUntilDurable`.
  /// - Throws: `invalidRecord`, `invalidTimestamp`, `messageTooLarge`, `recordListTooLarge` for what the topic's
  ///   configuration refuses; `diskFull`, `inputOutput`, `storageError`. Nothing is appended then.
  package func append(records: Span<Record>, _ options: AppendOptions) throws(EventLogError) -> AppendResult {
    guard !records.isEmpty else {
      throw EventLogError(.illegalArgument, "there is no record to append").at(topicPartition)
    }
    let now = context.time.wallMilliseconds()
    let compression = effectiveCompression(options)
    guard compression.type == .none else {
      let accepted = state.withLock { $0.configuration.acceptedTimestamps(now: now) }
      let measure = RecordBatchEncoder.measure(records, now: now, accepted: accepted)
      if measure.batchSize > options.largestRecord { try checkSizes(records, now: now, options) }
      return try appendCompressed(measure, now: now, options, compression) { target in
        RecordBatchEncoder.store(records, measured: measure, now: now, at: target)
      }
    }
    let result = try appending { state throws(EventLogError) in
      let measure = RecordBatchEncoder.measure(
        records, now: now, accepted: state.configuration.acceptedTimestamps(now: now))
      if measure.batchSize > options.largestRecord { try checkSizes(records, now: now, options) }
      switch try begin(&state, measure, now: now, options) {
      case .duplicate(let earlier): return earlier
      case .batch(let batch):
        let end = RecordBatchEncoder.store(records, measured: measure, now: now, at: batch.records)
        return finish(&state, batch, end: end, now: now, options)
      }
    }
    try appended(result)
    return result
  }

  /// Refuses a record that is larger than its producer may send. Only where the batch is, so that no other pays for it.
  @inline(never)
  private func checkSizes(_ records: Span<Record>, now: Int64, _ options: AppendOptions) throws(EventLogError) {
    for index in records.indices {
      let alone = RecordBatchEncoder.measure(
        records.extracting(index..<index + 1), now: now, accepted: Int64.min...Int64.max)
      guard alone.batchSize <= options.largestRecord else {
        throw EventLogError(
          .messageTooLarge,
          "record \(index) has \(alone.batchSize) bytes with its batch; max.request.size, or buffer.memory where that is less, "
            + "allows \(options.largestRecord)"
        ).at(topicPartition)
      }
    }
  }

  /// Appends one record as a batch of its own.
  package func append(record: Record, _ options: AppendOptions) throws(EventLogError) -> AppendResult {
    // A span over one value: the pointer does not outlive the call.
    try withUnsafePointer(to: record) { pointer throws(EventLogError) in
      try append(records: Span(_unsafeStart: pointer, count: 1), options)
    }
  }

  /// Appends one record, given in parts, as a batch of its own.
  package func append(
    key: RawSpan?, value: RawSpan?, headers: [RecordHeader], timestamp: Int64?, _ options: AppendOptions
  ) throws(EventLogError) -> AppendResult {
    let now = context.time.wallMilliseconds()
    let compression = effectiveCompression(options)
    guard compression.type == .none else {
      let accepted = state.withLock { $0.configuration.acceptedTimestamps(now: now) }
      let measure = RecordBatchEncoder.measure(
        key: key, value: value, headers: headers, timestamp: timestamp, now: now, accepted: accepted)
      return try appendCompressed(measure, now: now, options, compression) { target in
        RecordBatchEncoder.store(key: key, value: value, headers: headers, at: target)
      }
    }
    let result = try appending { state throws(EventLogError) in
      let measure = RecordBatchEncoder.measure(
        key: key, value: value, headers: headers, timestamp: timestamp, now: now,
        accepted: state.configuration.acceptedTimestamps(now: now))
      switch try begin(&state, measure, now: now, options) {
      case .duplicate(let earlier): return earlier
      case .batch(let batch):
        let end = RecordBatchEncoder.store(key: key, value: value, headers: headers, at: batch.records)
        return finish(&state, batch, end: end, now: now, options)
      }
    }
    try appended(result)
    return result
  }

  // MARK: Compressed batches

  @inline(always)
  private func effectiveCompression(_ options: AppendOptions) -> (type: CompressionType, level: Int32?) {
    // A topic that says how it is compressed overrules the producer; the lock is taken only where one could.
    if let topic = topicCompression { return topic }
    return (options.compression, options.compressionLevel)
  }

  private var topicCompression: (type: CompressionType, level: Int32?)? {
    guard overridesCompression.load(ordering: .relaxed) else { return nil }
    return state.withLock { state in
      state.configuration.compression.map { ($0, state.configuration.compressionLevel) }
    }
  }

  /// Encodes and compresses without the lock, then copies the batch to its place.
  private func appendCompressed(
    _ measure: RecordBatchEncoder.Measure, now: Int64, _ options: AppendOptions,
    _ compression: (type: CompressionType, level: Int32?), store: (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer
  ) throws(EventLogError) -> AppendResult {
    guard measure.payloadSize <= Int(Int32.max) else {
      throw EventLogError(.messageTooLarge, "the batch has \(measure.payloadSize) bytes, more than 2 GiB")
        .at(topicPartition)
    }
    let compressed: [UInt8]
    do throws(EventLogError) {
      let plain = MemoryRegion(capacity: measure.payloadSize) { target in
        if let base = target.baseAddress { _ = store(base) }
        return measure.payloadSize
      }
      defer { withExtendedLifetime(plain) {} }
      compressed = try Codec.compress(plain.bytes, compression.type, level: compression.level)
    } catch {
      throw error.at(topicPartition)
    }
    var small = measure
    small.payloadSize = compressed.count
    let result = try appending { state throws(EventLogError) in
      switch try begin(&state, small, now: now, options, compression: compression.type) {
      case .duplicate(let earlier): return earlier
      case .batch(let batch):
        compressed.withUnsafeBytes { bytes in
          if let base = bytes.baseAddress { batch.records.copyMemory(from: base, byteCount: bytes.count) }
        }
        return finish(&state, batch, end: batch.records + compressed.count, now: now, options)
      }
    }
    try appended(result)
    return result
  }

  // MARK: In place

  /// The lock, and a second try where the cap on all logs was in the way and room could be made.
  @inline(always)
  private func appending(
    _ body: (inout State) throws(EventLogError) -> AppendResult
  ) throws(EventLogError) -> AppendResult {
    try withinBudget { () throws(EventLogError) in
      try state.withLock { state throws(EventLogError) in try body(&state) }
    }
  }

  /// A batch that has its place in the mapping, and waits there for its records.
  struct BegunBatch {
    let pointer: UnsafeMutableRawPointer
    /// All of it but the checksum.
    var header: RecordBatchHeader

    var records: UnsafeMutableRawPointer { pointer + RecordBatchHeader.size }
  }

  enum Beginning {
    case batch(BegunBatch)
    /// A producer that repeats itself appended it before.
    case duplicate(AppendResult)
  }

  /// Checks a batch, and makes room for it. What fails here has appended nothing.
  ///
  /// Two calls, and the caller stores the records in between: a closure for that would cost as much as the rest.
  @inline(always)
  func begin(
    _ state: inout State, _ measure: RecordBatchEncoder.Measure, now: Int64, _ options: AppendOptions,
    compression: CompressionType = .none
  ) throws(EventLogError) -> Beginning {
    let size = measure.batchSize
    let isAppendTime = state.configuration.timestampType == .logAppendTime
    let maxTimestamp = isAppendTime ? now : measure.maxTimestamp
    if state.hasFailed || measure.firstBadTimestamp != nil || size > state.configuration.maxMessageBytes
      || size > state.configuration.segmentBytes || (state.configuration.isCompacted && measure.firstNullKey != nil)
    {
      throw refusal(state, measure, now: now)
    }
    var sequence: Int32 = -1
    if options.producer.hasSequences {
      switch try check(&state, options.producer, count: measure.recordCount) {
      case .append(let due): sequence = due
      case .duplicate(let batch): return .duplicate(duplicate(batch, isAppendTime: isAppendTime))
      }
    }
    let pointer = try makeRoom(&state, size: size, count: measure.recordCount, maxTimestamp: maxTimestamp, now: now)
    let header = RecordBatchHeader(
      baseOffset: state.nextOffset, batchLength: Int32(truncatingIfNeeded: size - RecordBatchHeader.logOverhead),
      partitionLeaderEpoch: state.leaderEpoch,
      attributes: BatchAttributes(
        compression: compression, timestampType: isAppendTime ? .logAppendTime : .createTime,
        isTransactional: options.producer.isTransactional, isControl: options.producer.isControl),
      lastOffsetDelta: Int32(truncatingIfNeeded: measure.recordCount - 1), baseTimestamp: measure.baseTimestamp,
      maxTimestamp: maxTimestamp, producerID: options.producer.id, producerEpoch: options.producer.epoch,
      baseSequence: sequence, recordCount: Int32(truncatingIfNeeded: measure.recordCount))
    return .batch(BegunBatch(pointer: pointer, header: header))
  }

  /// Makes a batch of what was stored up to `end`, and shows it.
  @inline(always)
  func finish(
    _ state: inout State, _ batch: BegunBatch, end: UnsafeMutableRawPointer, now: Int64, _ options: AppendOptions,
    marker: ControlRecord? = nil
  ) -> AppendResult {
    var header = batch.header
    assert(end == batch.pointer + header.sizeInBytes, "the batch is not as long as it was measured")
    header.seal(at: batch.pointer)
    // The next one of this size: its cache lines come while this one's caller goes on.
    cel_prefetch_to_store(end + 64, min(header.sizeInBytes, 512))
    // Before it can be seen: a reader must not take an open transaction for none.
    if options.producer.hasSequences { take(&state, header, now: now) }
    if let marker { take(&state, header, marker, now: now) }
    advance(&state, past: header, isDurable: options.isDurable)
    return AppendResult(
      baseOffset: header.baseOffset, lastOffset: header.lastOffset, now: now,
      isAppendTime: header.attributes.timestampType == .logAppendTime)
  }

  /// Where a batch of `size` bytes goes, with room for it; a new segment where the old one is full.
  @inline(always)
  func makeRoom(
    _ state: inout State, size: Int, count: Int, maxTimestamp: Int64, now: Int64
  ) throws(EventLogError) -> UnsafeMutableRawPointer {
    do throws(EventLogError) {
      let (next, overflows) = state.nextOffset.addingReportingOverflow(Int64(count))
      guard !overflows else {
        throw EventLogError(
          .illegalState, "the partition has no offsets left: create another one", offset: state.nextOffset)
      }
      let last = next - 1
      if state.active.mustRoll(before: (size, maxTimestamp, last), state.configuration, now: now) {
        try roll(&state)
      }
      if state.active.mapping == nil {
        try beginEpochIfDue(&state)
        try loadIndex(&state)
        try state.active.activate(context, segmentBytes: state.configuration.segmentBytes)
      }
      if state.active.position + size > state.active.ready {
        if state.active.position + size > state.active.capacity {
          try state.active.mapAnew(context, segmentBytes: state.configuration.segmentBytes)
        }
        try state.active.makeReady(size, context, limit: state.active.capacity)
      }
      guard let base = state.active.base else {
        throw EventLogError(.storageError, "the active segment is not mapped", file: state.active.files.log)
      }
      return base + state.active.position
    } catch {
      throw error.at(topicPartition)
    }
  }

  /// Takes a batch that was stored into the books, and shows it.
  @inline(always)
  private func advance(_ state: inout State, past header: RecordBatchHeader, isDurable: Bool) {
    let position = state.active.position
    if position == 0 { state.active.firstBatchTimestamp = header.maxTimestamp }
    state.active.index.add(header, position: position)
    state.active.isIndexDirty = true
    state.active.position = position + header.sizeInBytes
    state.nextOffset = header.nextOffset
    if isDurable {
      if state.firstUndurable == nil { state.firstUndurable = header.baseOffset }
      if state.syncIsRunning, state.firstUndurableAfterSync == nil { state.firstUndurableAfterSync = header.baseOffset }
    }
    state.active.segment.publish(size: state.active.position)
    publish(&state)
    if state.active.position > state.active.populateNext { populateAhead(&state.active) }
  }

  /// Makes page faults cheap, and keeps them off this thread, for a partition that is being written fast and not synced
  /// at every turn.
  private func populateAhead(_ active: inout ActiveSegment) {
    guard let mapping = active.mapping else { return }
    let ahead = 12 << 20
    let from = (max(active.position, active.populatedTo) + 4095) / 4096 * 4096
    let to = min(active.position + ahead, active.reserved)
    // Asked again when two thirds of it are left, so that the helper stays in front.
    active.populateNext = active.position + ahead / 3
    // A partition that syncs often would have the pages that were only faulted in written out too.
    guard to > from, active.position - active.synced > ActiveSegment.fastBytes else { return }
    active.populatedTo = to
    if !active.usesLargePages {
      active.usesLargePages = true
      mapping.preferLargePages(true, behind: active.position)
    }
    // On the one processor that there is, the helper would only take turns with this thread.
    guard !WritableMapping.sharesItsProcessor else { return }
    context.populateThread.submit { mapping.populate(from..<to) }
  }

  private func refusal(_ state: State, _ measure: RecordBatchEncoder.Measure, now: Int64) -> EventLogError {
    let configuration = state.configuration
    let error: EventLogError
    if let failure = state.failure {
      error = failure
    } else if measure.batchSize > configuration.maxMessageBytes {
      error = EventLogError(
        .messageTooLarge,
        "the batch has \(measure.batchSize) bytes; max.message.bytes allows "
          + "\(configuration.maxMessageBytes): send less, or raise it")
    } else if measure.batchSize > configuration.segmentBytes {
      error = EventLogError(
        .recordListTooLarge,
        "the batch has \(measure.batchSize) bytes, more than a whole segment may have: "
          + "segment.bytes is \(configuration.segmentBytes)")
    } else if configuration.isCompacted, let index = measure.firstNullKey {
      error = EventLogError(
        .invalidRecord, "record \(index) of the batch has no key, which a topic with cleanup.policy=compact needs")
    } else {
      let range = configuration.acceptedTimestamps(now: now)
      error = EventLogError(
        .invalidTimestamp,
        "the timestamp of record \(measure.firstBadTimestamp ?? 0) of the batch is outside of "
          + "\(range.lowerBound) to \(range.upperBound), which message.timestamp.before.max.ms and after.max.ms allow")
    }
    return error.at(topicPartition)
  }

  // MARK: Afterwards, without the lock

  @inline(always)
  func appended(_ result: AppendResult) throws(EventLogError) {
    wakeWaiters()
    if result.nextOffset - durableOffset >= flushMessages { try waitUntilDurable(upTo: result.nextOffset) }
  }
}
