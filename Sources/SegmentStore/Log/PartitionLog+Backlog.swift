package import RecordFormat

/// What a reader at some offset has before it.
package struct Backlog: Sendable, Hashable {
  /// Bytes of the batches from the first one to read up to the log end.
  package var bytes: Int64 = 0
  /// The timestamp of the first record to read, in milliseconds since 1970; nil where there is none to be seen.
  package var firstTimestamp: Int64?
}

extension PartitionLog {
  /// What lies from `offset` on. Looks at one batch, however much there is, unless compaction has left no record in it.
  ///
  /// - Throws: as `read`.
  package func backlog(from offset: Int64, isolation: IsolationLevel) throws(EventLogError) -> Backlog {
    var fetched = try read(from: offset, maxBytes: 0, isolation: isolation)
    guard let batch = fetched.batches.first, let next = fetched.position else { return Backlog() }
    var backlog = Backlog(bytes: Int64(batch.header.sizeInBytes + next.segment.size - next.position))
    for segment in segments where segment.baseOffset > next.segment.baseOffset { backlog.bytes += Int64(segment.size) }
    do throws(EventLogError) {
      while let batch = fetched.batches.first {
        if let timestamp = try batch.timestamp(ofFirstFrom: offset) {
          backlog.firstTimestamp = timestamp < 0 ? nil : timestamp
          break
        }
        fetched = try read(from: fetched.nextOffset, maxBytes: 0, isolation: isolation)
      }
    } catch {
      throw error.at(topicPartition)
    }
    return backlog
  }
}

extension PartitionReader {
  /// The timestamp of the first record to read from `offset` on, in milliseconds since 1970; nil where there is none to be seen.
  ///
  /// - Throws: as `read`.
  package func firstTimestamp(from offset: Int64) throws(EventLogError) -> Int64? {
    var fetched = try read(from: offset, maxBytes: 0)
    while let batch = fetched.batches.first {
      if let timestamp = try batch.timestamp(ofFirstFrom: offset) { return timestamp < 0 ? nil : timestamp }
      fetched = try read(from: fetched.nextOffset, maxBytes: 0)
    }
    return nil
  }
}

extension RecordBatchView {
  /// The timestamp of the first record at or behind `offset`, below 0 where it has none; nil where there is no such record.
  /// Records are decoded only where that need not be the batch's first one, or where the header does not say what that has.
  fileprivate func timestamp(ofFirstFrom offset: Int64) throws(EventLogError) -> Int64? {
    let isWhole = Int64(header.recordCount) == Int64(header.lastOffsetDelta) + 1
    if isWhole, header.attributes.timestampType == .logAppendTime { return header.maxTimestamp }
    // Compaction puts there, with what it leaves of a batch, when tombstones may go.
    if isWhole, header.baseOffset >= offset, !header.attributes.hasDeleteHorizon { return header.baseTimestamp }
    let records = try records()
    var cursor = records.makeCursor()
    while cursor.advance() {
      guard header.baseOffset &+ Int64(cursor.record.offsetDelta) >= offset else { continue }
      return header.attributes.timestampType == .logAppendTime
        ? header.maxTimestamp : header.baseTimestamp &+ cursor.record.timestampDelta
    }
    if cursor.isBroken { throw records.brokenError() }
    return nil
  }
}
