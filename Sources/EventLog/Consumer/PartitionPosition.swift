internal import RecordFormat
internal import SegmentStore

/// A consumer's state for one partition that it was assigned.
struct PartitionPosition {
  let partition: Partition
  /// The next offset to return; nil until it is found out.
  var offset: Int64?
  /// Where `seekToBeginning` or `seekToEnd` is to go, at the next poll.
  var pendingReset: OffsetReset?
  var isPaused = false
  /// What was read and did not fit into a poll.
  var buffered: [ConsumerBatch] = []
  /// Saves the next read its search.
  var readPosition: ReadPosition?
  /// Epoch of the last batch that was returned, for the commit.
  var leaderEpoch: Int32?

  init(_ partition: Partition) {
    self.partition = partition
  }

  mutating func seek(to offset: Int64) {
    self.offset = offset
    pendingReset = nil
    buffered = []
    readPosition = nil
  }

  mutating func seek(_ reset: OffsetReset) {
    offset = nil
    pendingReset = reset
    buffered = []
    readPosition = nil
  }

  /// Takes up to `limit` records, from what is buffered or by reading. Does not move the position: `advance` does.
  mutating func fetch(
    _ topicPartition: TopicPartition, from offset: Int64, limit: Int, maxBytes: Int, minimumOneBatch: Bool,
    _ configuration: ConsumerConfiguration
  ) throws(EventLogError) -> (batches: [ConsumerBatch], nextOffset: Int64, bytes: Int) {
    var next = offset
    var bytes = 0
    if buffered.isEmpty {
      let fetched = try partition.read(
        from: offset, maxBytes: min(maxBytes, configuration.maxPartitionFetchBytes), minimumOneBatch: minimumOneBatch,
        isolation: configuration.isolation, checksCRC: configuration.checkCRCs, after: readPosition)
      readPosition = fetched.position
      bytes = fetched.sizeInBytes
      do throws(EventLogError) {
        for batch in fetched.batches {
          let records = try batch.records()
          let storage = ConsumerBatch.Storage(topicPartition: topicPartition, records: records)
          let range = max(offset, batch.header.baseOffset)..<batch.header.nextOffset
          let isKnownGood = configuration.checkCRCs && batch.header.baseOffset >= fetched.encodedHereFrom
          let count = try isKnownGood && batch.header.isDense ? range.count : Self.count(records, in: range)
          if count > 0 { buffered.append(ConsumerBatch(storage: storage, offsets: range, count: count)) }
        }
      } catch {
        // What came before the damaged batch is returned first; the error comes when it is reached.
        if buffered.isEmpty {
          readPosition = nil
          throw error.at(topicPartition)
        }
        readPosition = nil
      }
      if buffered.isEmpty { return ([], fetched.nextOffset, bytes) }
    }
    var taken: [ConsumerBatch] = []
    var room = limit
    while room > 0, let first = buffered.first {
      if first.count <= room {
        taken.append(first)
        buffered.removeFirst()
        room -= first.count
        next = first.nextOffset
      } else {
        let (head, tail) = Self.split(first, after: room)
        taken.append(head)
        buffered[0] = tail
        room = 0
        next = head.nextOffset
      }
    }
    return (taken, next, bytes)
  }

  /// Goes over the records of a batch, so that nobody who iterates over it later can meet a broken one.
  private static func count(_ records: RecordBytes, in range: Range<Int64>) throws(EventLogError) -> Int {
    var cursor = records.makeCursor()
    let base = records.header.baseOffset
    var count = 0
    while cursor.advance() {
      if base &+ Int64(cursor.record.offsetDelta) >= range.lowerBound { count += 1 }
    }
    guard !cursor.isBroken else { throw records.brokenError() }
    return count
  }

  private static func split(_ batch: ConsumerBatch, after count: Int) -> (ConsumerBatch, ConsumerBatch) {
    var cursor = batch.storage.records.makeCursor()
    let base = batch.storage.records.header.baseOffset
    var seen = 0
    var cut = batch.offsets.upperBound
    while cursor.advance() {
      let offset = base &+ Int64(cursor.record.offsetDelta)
      guard batch.offsets.contains(offset) else { continue }
      if seen == count {
        cut = offset
        break
      }
      seen += 1
    }
    return (
      ConsumerBatch(storage: batch.storage, offsets: batch.offsets.lowerBound..<cut, count: count),
      ConsumerBatch(storage: batch.storage, offsets: cut..<batch.offsets.upperBound, count: batch.count - count)
    )
  }
}
