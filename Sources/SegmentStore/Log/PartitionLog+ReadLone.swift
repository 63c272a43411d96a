package import RecordFormat
internal import Synchronization

extension PartitionLog {
  /// The one batch that there is to see, for a reader that had come to the end and goes on from there: a queue's, mostly. What
  /// `read` gives in a third of its instructions.
  ///
  /// - Returns: nil where there may be more than that, or nothing, or more than `limit` records or `maxBytes`, or where anything
  ///   is out of the ordinary, a wrong checksum included. `read` tells what, and `reader` is as it was.
  package func readLone(
    _ reader: inout FetchedBatches, from offset: Int64, limit: Int, maxBytes: Int, isolation: IsolationLevel
  ) -> PartitionRecords? {
    let end: Int64
    switch isolation {
    case .readUncommitted: end = highWatermark
    case .readCommitted:
      end = lastStableOffset
      guard abortedCount.load(ordering: .acquiring) == 0 else { return nil }
    }
    // What was encoded elsewhere has to be gone over before it is known how many records there are.
    guard offset < end, offset >= foundEnd, offset >= logStartOffset, !isAbandoned.load(ordering: .acquiring),
      let position = reader.position?.place(of: offset), let segment = reader.position?.segment
    else { return nil }
    let size = segment.size
    guard position < size, !segment.isRemoved, let contents = segment.contentsIfLoaded,
      let header = contents.header(at: position, size: size), header.baseOffset == offset, header.nextOffset == end,
      header.isDense, header.attributes.isPlainData, Int(header.recordCount) <= limit, header.sizeInBytes <= maxBytes
    else { return nil }
    let next = position + header.sizeInBytes
    guard RecordBatchCheck.coldChecksum(contents.region.bytes(position..<next)) == header.crc else { return nil }
    reader.position?.advance(to: next, offset: end)
    return PartitionRecords(
      topicPartition: topicPartition,
      records: RecordBytes(
        region: contents.region, range: (position + RecordBatchHeader.size)..<next, header: header))
  }
}
