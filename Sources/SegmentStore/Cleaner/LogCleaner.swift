package import RecordFormat
internal import Synchronization

/// What the cleaner did to a log.
package struct CleanerStats: Sendable, Equatable {
  /// Up to where it is clean now.
  package var cleanedTo: Int64 = 0
  package var bytesRead: Int64 = 0
  package var bytesWritten: Int64 = 0
  package var recordsRead: Int = 0
  package var recordsKept: Int = 0
  package var segmentsRead: Int = 0
  package var segmentsWritten: Int = 0

  package init(cleanedTo: Int64 = 0) {
    self.cleanedTo = cleanedTo
  }
}

/// Kafka's `Cleaner`: keeps of each key the latest record.
///
/// One pass over a log: the headers, for producers and transactions; the dirty part, for the latest offset of each key, as
/// far as the map has room; then all segments up to there, from the beginning, of which each group becomes one new segment
/// and takes their place. Reading goes on meanwhile, and so does appending.
package struct LogCleaner: Sendable {
  package struct Options: Sendable {
    /// `log.cleaner.dedupe.buffer.size`
    package var dedupeBufferBytes = 134_217_728
    /// `log.cleaner.io.buffer.load.factor`
    package var loadFactor = 0.9
    /// `log.cleaner.io.max.bytes.per.second`; nil for no limit.
    package var bytesPerSecond: Double?

    package init() {}
  }

  let options: Options
  private let context: StoreContext
  private let hash: KeyHash
  /// Whether to stop, because the broker is closed.
  private let isCancelled: @Sendable () -> Bool

  package init(
    _ options: Options = .init(), context: StoreContext, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.options = options
    self.context = context
    self.isCancelled = isCancelled
    var generator = context.random.generator(for: "hash of the log cleaner")
    hash = KeyHash(using: &generator)
  }

  /// One pass.
  ///
  /// - Parameter range: from `cleanableRange`.
  /// - Throws: `illegalState` where it was stopped; `diskFull`; `corruptMessage`, `invalidRecord` where a batch is damaged.
  ///   What was swapped before that stays, which is as right as what was there.
  package func clean(_ log: PartitionLog, _ range: CleanableRange, now: Int64) throws(EventLogError) -> CleanerStats {
    do throws(EventLogError) {
      return try cleanOnce(log, range, now: now)
    } catch {
      throw error.at(log.topicPartition)
    }
  }

  private func cleanOnce(
    _ log: PartitionLog, _ range: CleanableRange, now: Int64
  ) throws(EventLogError) -> CleanerStats {
    var stats = CleanerStats(cleanedTo: range.firstDirtyOffset)
    var throttler = Throttler(bytesPerSecond: options.bytesPerSecond)
    let segments = log.segments
    let cleanable = Array(segments.prefix { $0.baseOffset < range.firstUncleanableOffset })
    guard !cleanable.isEmpty, cleanable.count < segments.count, range.cleanableBytes > 0 else { return stats }
    let scan = try scan(log, segments, range)
    var map = try OffsetMap(
      bytes: options.dedupeBufferBytes, expected: scan.dirtyRecords, loadFactor: options.loadFactor, hash: hash)
    try fill(&map, log, cleanable, range, scan, &throttler)
    let end = map.latestOffset + 1
    guard end > range.firstDirtyOffset else { return stats }
    let configuration = log.configuration
    let affected = Array(cleanable.prefix { $0.baseOffset < end })
    var candidates: [SegmentGroups.Candidate] = []
    for index in affected.indices {
      let contents = try contents(of: affected[index])
      candidates.append(
        SegmentGroups.Candidate(
          baseOffset: affected[index].baseOffset, endOffset: segments[index + 1].baseOffset,
          sizeInBytes: affected[index].size, indexEntries: contents.offsetIndex.count,
          timeIndexEntries: contents.timeIndex.count))
    }
    var work = Work(
      batches: BatchCleaner(now: now, deleteRetention: configuration.deleteRetentionMilliseconds),
      transactions: TransactionsToClean(aborted: scan.aborted), buffer: CleanedBuffer(), throttler: throttler)
    for group in SegmentGroups.ranges(candidates, configuration) {
      let sources = Array(affected[group])
      let written = try clean(
        sources, of: log, map, scan, upTo: end, now: now, interval: configuration.indexIntervalBytes, &work)
      stats.segmentsRead += sources.count
      stats.segmentsWritten += 1
      stats.bytesRead += sources.reduce(0) { $0 + Int64($1.size) }
      stats.bytesWritten += Int64(written)
    }
    stats.recordsRead = work.batches.recordsRead
    stats.recordsKept = work.batches.recordsKept
    stats.cleanedTo = end
    return stats
  }

  /// What goes along from segment to segment.
  private struct Work: ~Copyable {
    var batches: BatchCleaner
    var transactions: TransactionsToClean
    var buffer: CleanedBuffer
    var throttler: Throttler
  }

  // MARK: The passes

  /// The headers of all batches up to the high watermark: a marker may lie behind what is cleaned.
  private func scan(
    _ log: PartitionLog, _ segments: [Segment], _ range: CleanableRange
  ) throws(EventLogError) -> CleanerScan {
    var scan = CleanerScan(
      firstDirtyOffset: range.firstDirtyOffset, producerExpiration: context.producerIDExpiration,
      producersKept: context.producersKept)
    let end = log.highWatermark
    for (index, segment) in segments.enumerated() {
      try checkCancelled(log)
      let segmentEnd = index + 1 < segments.count ? segments[index + 1].baseOffset : Int64.max
      var expected = segment.baseOffset
      try forEachBatch(of: segment) { batch throws(EventLogError) in
        // The checksum says nothing about the base offset.
        guard batch.header.baseOffset >= expected, batch.header.nextOffset <= segmentEnd else {
          throw EventLogError(
            .corruptMessage, "offset \(batch.header.baseOffset) stands where \(expected) or a later one is due",
            file: segment.files.log, position: Int64(batch.start))
        }
        expected = batch.header.nextOffset
        guard batch.header.baseOffset < end else { return false }
        try scan.add(batch)
        return true
      }
    }
    scan.finish()
    return scan
  }

  /// The latest offset of each key of the dirty part, of whole segments, or as far as there is room.
  private func fill(
    _ map: inout OffsetMap, _ log: PartitionLog, _ segments: [Segment], _ range: CleanableRange, _ scan: CleanerScan,
    _ throttler: inout Throttler
  ) throws(EventLogError) {
    var transactions = TransactionsToClean(aborted: scan.aborted)
    var isFull = false
    for (index, segment) in segments.enumerated() where !isFull {
      if index + 1 < segments.count, segments[index + 1].baseOffset <= range.firstDirtyOffset { continue }
      try forEachBatch(of: segment) { batch throws(EventLogError) in
        let header = batch.header
        guard header.nextOffset > range.firstDirtyOffset else { return true }
        try checkCancelled(log)
        try check(batch, segment)
        // What was aborted must not stand for what was committed.
        if header.attributes.isControl {
          _ = try transactions.isDispensable(marker: batch)
        } else if !transactions.isAborted(header) {
          guard try map.add(batch, from: range.firstDirtyOffset) else {
            isFull = true
            return false
          }
        }
        map.passed(header.lastOffset)
        return true
      }
      // What lies between the last batch and the next segment is known too.
      let next = index + 1 < segments.count ? segments[index + 1].baseOffset : range.firstUncleanableOffset
      if !isFull { map.passed(next - 1) }
      throttle(&throttler, after: segment.size)
    }
  }

  /// Writes what is left of a group of segments into one, and puts it in their place.
  private func clean(
    _ sources: [Segment], of log: PartitionLog, _ map: borrowing OffsetMap, _ scan: CleanerScan, upTo end: Int64,
    now: Int64, interval: Int, _ work: inout Work
  ) throws(EventLogError) -> Int {
    guard let first = sources.first, let last = sources.last else { return 0 }
    var target = try CleanedSegment(first.files, interval: interval, context)
    var isSwapping = false
    do throws(EventLogError) {
      defer { target.close() }
      work.buffer.removeAll()
      for source in sources {
        try copy(source, of: log, map, scan, upTo: end, now: now, to: &target, &work)
      }
      try target.write(&work.buffer)
      let segment = try target.finish(createdAt: last.createdAt, context)
      isSwapping = true
      try log.swap(segment, for: sources)
    } catch {
      // A swap that was begun and is durable is finished by the next opening; what was not begun leaves its `.cleaned`.
      if !isSwapping || !log.isReplaced(first) { target.discard() }
      throw error
    }
    return target.size
  }

  private func copy(
    _ source: Segment, of log: PartitionLog, _ map: borrowing OffsetMap, _ scan: CleanerScan, upTo end: Int64,
    now: Int64, to target: inout CleanedSegment, _ work: inout Work
  ) throws(EventLogError) {
    let contents = try contents(of: source)
    let size = source.size
    var position = 0
    while position < size {
      let batch = try batch(in: contents, at: position, source)
      position += batch.header.sizeInBytes
      try check(batch, source)
      let verdict = try verdict(on: batch, scan, upTo: end, now: now, &work.transactions)
      if let header = try work.batches.clean(batch, verdict, map, into: &work.buffer) { try target.note(header) }
      guard work.buffer.count >= CleanedSegment.flushThreshold else { continue }
      try checkCancelled(log)
      throttle(&work.throttler, after: 2 * work.buffer.count)
      try target.write(&work.buffer)
    }
    target.note(aborted: work.transactions.takeKept())
    try checkCancelled(log)
  }

  private func verdict(
    on batch: RecordBatchView, _ scan: CleanerScan, upTo end: Int64, now: Int64,
    _ transactions: inout TransactionsToClean
  ) throws(EventLogError) -> BatchCleaner.Verdict {
    let header = batch.header
    let isControl = header.attributes.isControl
    let isDispensable =
      isControl ? try transactions.isDispensable(marker: batch) : transactions.isAborted(header)
    let dropsRecords = isControl ? isDispensable && (header.deleteHorizon ?? .max) <= now : isDispensable
    return BatchCleaner.Verdict(
      dropsRecords: dropsRecords,
      keepsEmpty: header.nextOffset == end
        || scan.isLastOfActiveProducer(header, now: now),
      isMarkerOfEmptyTransaction: isControl && isDispensable)
  }

  // MARK: Reading

  /// As the cache has it, or loaded for this alone: a pass over a large log does not push out what readers use.
  private func contents(of segment: Segment) throws(EventLogError) -> SegmentContents {
    if let loaded = segment.contentsIfLoaded { return loaded }
    let loaded = try SegmentLoader(context: context, files: segment.files, size: segment.size).load()
    guard !segment.isRemoved else {
      throw EventLogError(.illegalState, "a segment was deleted while it was cleaned", file: segment.files.log)
    }
    return loaded
  }

  private func forEachBatch(
    of segment: Segment, _ visit: (RecordBatchView) throws(EventLogError) -> Bool
  ) throws(EventLogError) {
    let size = segment.size
    guard size > 0 else { return }
    let contents = try contents(of: segment)
    var position = 0
    while position < size {
      let batch = try batch(in: contents, at: position, segment)
      guard try visit(batch) else { return }
      position += batch.header.sizeInBytes
    }
  }

  private func batch(
    in contents: SegmentContents, at position: Int, _ segment: Segment
  ) throws(EventLogError) -> RecordBatchView {
    guard let header = contents.header(at: position, size: segment.size) else {
      throw EventLogError(
        .corruptMessage, "what lies here is no batch", file: segment.files.log, position: Int64(position))
    }
    return RecordBatchView(region: contents.region, start: position, header: header)
  }

  private func check(_ batch: RecordBatchView, _ segment: Segment) throws(EventLogError) {
    guard !batch.hasValidChecksum else { return }
    throw EventLogError(
      .corruptMessage, "the checksum of the batch does not fit its bytes", offset: batch.header.baseOffset,
      file: segment.files.log, position: Int64(batch.start))
  }

  private func checkCancelled(_ log: PartitionLog) throws(EventLogError) {
    guard isCancelled() || log.isAbandoned.load(ordering: .acquiring) else { return }
    throw EventLogError(.illegalState, "the cleaning was stopped: the broker is closed, or the topic deleted")
  }

  /// A manual clock is not waited for: whoever moves it may wait for this thread.
  private func throttle(_ throttler: inout Throttler, after bytes: Int) {
    guard case .system = context.time else { return }
    var rest = throttler.delay(after: bytes, now: context.time.monotonicMilliseconds())
    while rest > 0, !isCancelled() {
      Latch().wait(milliseconds: min(rest, 100))
      rest -= 100
    }
  }
}

extension PartitionLog {
  /// Whether the segment is no longer one of the log's.
  func isReplaced(_ segment: Segment) -> Bool { segment.isRemoved }

  /// Why the log is left alone by the cleaner, until it is opened again.
  package var cleaningFailure: EventLogError? { state.withLock { $0.cleaningFailure } }

  package func cleaningFailed(_ error: EventLogError) { state.withLock { $0.cleaningFailure = error } }
}
