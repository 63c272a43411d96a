package import RecordFormat

extension PartitionLog {
  /// The first record, in the order of offsets, whose timestamp is at least `timestamp`; nil where there is none.
  package func offset(forTimestamp timestamp: Int64) throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    do throws(EventLogError) {
      try waitUntilRecovered()
      return try despiteRemovals { () throws(EventLogError) in try firstRecord(withTimestamp: timestamp) }
    } catch {
      throw error.at(topicPartition)
    }
  }

  private func firstRecord(withTimestamp timestamp: Int64) throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    do throws(EventLogError) {
      for segment in segments {
        let size = segment.size
        guard size > 0 else { continue }
        let contents = try segment.loadedContents(context)
        // A closed segment's last entry is its largest timestamp; the active one's may lag behind what was appended.
        if segment !== segments.last, let largest = contents.timeIndex.last?.timestamp, largest < timestamp { continue }
        let from = contents.relativeOffset(beforeTimestamp: timestamp)
        var position = contents.checkedPosition(ofRelativeOffset: from, baseOffset: segment.baseOffset, size: size)
        var expected = position == 0 ? segment.baseOffset : nil
        while position < size {
          let header = try header(in: contents, at: position, size: size, segment, expected: expected)
          expected = header.nextOffset
          if header.baseOffset >= highWatermark { return nil }
          if header.maxTimestamp >= timestamp, header.lastOffset >= logStartOffset {
            let batch = RecordBatchView(region: contents.region, start: position, header: header)
            try check(header, at: position, contents.region, segment)
            if let found = try first(in: batch, from: timestamp) { return found }
          }
          position += header.sizeInBytes
        }
      }
      return nil
    } catch {
      throw error.at(topicPartition)
    }
  }

  private func first(
    in batch: RecordBatchView, from timestamp: Int64
  ) throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    let isAppendTime = batch.header.attributes.timestampType == .logAppendTime
    let records = try batch.records()
    var cursor = records.makeCursor()
    while cursor.advance() {
      let time = isAppendTime ? batch.header.maxTimestamp : batch.header.baseTimestamp &+ cursor.record.timestampDelta
      let offset = batch.header.baseOffset &+ Int64(cursor.record.offsetDelta)
      if time >= timestamp, offset >= logStartOffset { return (offset, time) }
    }
    if cursor.isBroken { throw records.brokenError() }
    return nil
  }
}
