package import RecordFormat

extension PartitionLog {
  /// The largest timestamp of the records that can be read, and the first record that has it (KIP-734); nil where there
  /// is none.
  package func offsetOfMaxTimestamp() throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    do throws(EventLogError) {
      try waitUntilRecovered()
      // The indexes may tell of records that are deleted or not yet to be seen. If one that can be read is found by
      // their answer, there is no larger one.
      let indexed = try despiteRemovals { () throws(EventLogError) in try largestIndexedTimestamp() }
      if let indexed, let found = try offset(forTimestamp: indexed) { return found }
      let visible = try despiteRemovals { () throws(EventLogError) in try largestVisibleTimestamp() }
      guard let largest = visible else { return nil }
      return try offset(forTimestamp: largest)
    } catch {
      throw error.at(topicPartition)
    }
  }

  /// By what is known of the active segment, and the last entries of the others' time indexes.
  private func largestIndexedTimestamp() throws(EventLogError) -> Int64? {
    let (segments, active, activeMaximum) = state.withLock { state in
      (self.segments, state.active.segment, state.active.index.maxTimestamp)
    }
    var largest = active.size > 0 ? activeMaximum : nil
    for segment in segments where segment !== active && segment.size > 0 {
      guard let last = try segment.loadedContents(context).timeIndex.last else { continue }
      largest = max(largest ?? last.timestamp, last.timestamp)
    }
    return largest
  }

  /// By every batch from the log start to the high watermark.
  private func largestVisibleTimestamp() throws(EventLogError) -> Int64? {
    let start = logStartOffset
    let end = highWatermark
    var largest: Int64?
    for segment in segments where segment.baseOffset < end {
      let size = segment.size
      guard size > 0 else { continue }
      let contents = try segment.loadedContents(context)
      var position = 0
      while position < size {
        let header = try header(in: contents, at: position, size: size, segment)
        if header.baseOffset >= end { break }
        if header.lastOffset >= start {
          let batch = RecordBatchView(region: contents.region, start: position, header: header)
          if let timestamp = try batch.largestTimestamp(from: start) { largest = max(largest ?? timestamp, timestamp) }
        }
        position += header.sizeInBytes
      }
    }
    return largest
  }
}

extension RecordBatchView {
  /// The largest timestamp of the records from `offset` on: the header's, unless the batch begins before.
  func largestTimestamp(from offset: Int64) throws(EventLogError) -> Int64? {
    if header.baseOffset >= offset || header.attributes.timestampType == .logAppendTime { return header.maxTimestamp }
    var largest: Int64?
    let records = try records()
    var cursor = records.makeCursor()
    while cursor.advance() {
      guard header.baseOffset &+ Int64(cursor.record.offsetDelta) >= offset else { continue }
      let timestamp = header.baseTimestamp &+ cursor.record.timestampDelta
      largest = max(largest ?? timestamp, timestamp)
    }
    if cursor.isBroken { throw records.brokenError() }
    return largest
  }

  /// The first record from `offset` on whose timestamp is at least `timestamp`.
  func firstRecord(
    withTimestamp timestamp: Int64, from offset: Int64
  ) throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    let isAppendTime = header.attributes.timestampType == .logAppendTime
    let records = try records()
    var cursor = records.makeCursor()
    while cursor.advance() {
      let time = isAppendTime ? header.maxTimestamp : header.baseTimestamp &+ cursor.record.timestampDelta
      let place = header.baseOffset &+ Int64(cursor.record.offsetDelta)
      if time >= timestamp, place >= offset { return (place, time) }
    }
    if cursor.isBroken { throw records.brokenError() }
    return nil
  }
}
