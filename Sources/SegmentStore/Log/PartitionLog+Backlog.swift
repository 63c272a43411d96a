package import RecordFormat

/// What a reader at some offset has before it.
package struct Backlog: Sendable, Hashable {
  /// Bytes of the batches from the first one to read up to the log end.
  package var bytes: Int64 = 0
  /// The timestamp of the first record to read, in milliseconds since 1970; nil where there is none to be seen.
  package var firstTimestamp: Int64?
}

extension PartitionLog {
  /// What lies from `offset` on. Looks at one batch, however much there is.
  ///
  /// - Throws: as `read`.
  package func backlog(from offset: Int64, isolation: IsolationLevel) throws(EventLogError) -> Backlog {
    let fetched = try read(from: offset, maxBytes: 0, isolation: isolation)
    guard let batch = fetched.batches.first, let next = fetched.position else { return Backlog() }
    var backlog = Backlog(bytes: Int64(batch.header.sizeInBytes + next.segment.size - next.position))
    for segment in segments where segment.baseOffset > next.segment.baseOffset { backlog.bytes += Int64(segment.size) }
    do throws(EventLogError) {
      backlog.firstTimestamp = try batch.timestamp(ofFirstFrom: offset)
    } catch {
      throw error.at(topicPartition)
    }
    return backlog
  }
}

extension RecordBatchView {
  /// The timestamp of the first record at or behind `offset`. Records are decoded only where the batch begins before it.
  package func timestamp(ofFirstFrom offset: Int64) throws(EventLogError) -> Int64? {
    if header.attributes.timestampType == .logAppendTime { return header.maxTimestamp }
    if header.baseOffset >= offset { return header.baseTimestamp }
    let records = try records()
    var cursor = records.makeCursor()
    while cursor.advance() {
      guard header.baseOffset &+ Int64(cursor.record.offsetDelta) >= offset else { continue }
      return header.baseTimestamp &+ cursor.record.timestampDelta
    }
    if cursor.isBroken { throw records.brokenError() }
    return nil
  }
}
