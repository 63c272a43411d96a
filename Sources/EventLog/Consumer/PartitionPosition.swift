internal import MetadataStore
internal import RecordFormat
internal import SegmentStore

/// A consumer's state for one partition that it was assigned.
struct PartitionPosition {
  let topicPartition: TopicPartition
  var partition: Partition
  /// The next offset to return; nil until it is found out.
  var offset: Int64?
  /// Where `seekToBeginning` or `seekToEnd` is to go, at the next poll.
  var pendingReset: OffsetReset?
  var isPaused = false
  /// What was read and did not fit into a poll.
  var buffered: [ConsumerBatch] = []
  /// What the last read gave, without its batches, to save the next one its search.
  private var fetched = FetchedBatches()
  /// Epoch of the last batch that was returned, for the commit.
  var leaderEpoch: Int32?

  init(_ topicPartition: TopicPartition, _ partition: Partition) {
    self.topicPartition = topicPartition
    self.partition = partition
  }

  /// What the partition is stored by; nil where it is gone: the topic was deleted, and maybe another one made of that name.
  func id(_ topics: TopicTable) -> PartitionID? {
    let number = topicPartition.partition
    guard let topic = topics.find(topicPartition.topic), number < topic.partitionCount else { return nil }
    if case .log(let log) = partition, topic.logIfUsed(number) !== log { return nil }
    return PartitionID(topic.id, number)
  }

  /// The same position in a partition that was found by its name; nil where that is another one than it was in.
  func kept(in found: Partition) -> PartitionPosition? {
    switch (partition, found) {
    case (.log(let log), .log(let current)) where log === current: return self
    case (.log, _): return nil
    default:
      var position = self
      position.partition = found
      return position
    }
  }

  mutating func seek(to offset: Int64) {
    self.offset = offset
    pendingReset = nil
    buffered = []
    fetched.position = nil
  }

  mutating func seek(_ reset: OffsetReset) {
    offset = nil
    pendingReset = reset
    buffered = []
    fetched.position = nil
  }

  /// Takes up to `limit` records, from what is buffered or by reading, and moves on behind them.
  mutating func fetch(
    into taken: inout [ConsumerBatch], from offset: Int64, limit: Int, maxBytes: Int,
    _ configuration: borrowing ConsumerConfiguration
  ) throws(EventLogError) -> (records: Int, bytes: Int) {
    guard buffered.isEmpty else { return (take(limit, into: &taken), 0) }
    if configuration.checkCRCs, case .log(let log) = partition,
      let records = log.readLone(
        &fetched, from: offset, limit: limit,
        maxBytes: taken.isEmpty ? .max : min(maxBytes, configuration.maxPartitionFetchBytes),
        isolation: configuration.isolation.level)
    {
      let next = records.records.header.nextOffset
      let count = Int(records.records.header.recordCount)
      self.offset = next
      leaderEpoch = records.records.header.partitionLeaderEpoch
      let size = records.records.header.sizeInBytes
      let batch = ConsumerBatch(storage: records, offsets: offset..<next, count: count)
      if taken.isEmpty { taken = [batch] } else { taken.append(batch) }
      return (count, size)
    }
    defer { fetched.removeBatches() }
    try partition.read(
      into: &fetched, from: offset, maxBytes: min(maxBytes, configuration.maxPartitionFetchBytes),
      minimumOneBatch: taken.isEmpty, isolation: configuration.isolation, checksCRC: configuration.checkCRCs)
    let bytes = fetched.sizeInBytes
    self.offset = fetched.nextOffset
    var room = limit
    do throws(EventLogError) {
      for index in fetched.batches.indices {
        guard let batch = try batch(index, from: offset, checksCRC: configuration.checkCRCs) else { continue }
        if buffered.isEmpty, batch.count <= room {
          room -= batch.count
          taken.append(batch)
        } else {
          buffered.append(batch)
        }
      }
    } catch {
      // What came before the damaged batch is returned first; the error comes when it is reached.
      fetched.position = nil
      guard let last = buffered.last ?? (room < limit ? taken.last : nil) else {
        self.offset = offset
        throw error.at(topicPartition)
      }
      fetched.nextOffset = last.nextOffset
    }
    if room < limit, let last = taken.last { move(behind: last) }
    return (limit - room + take(room, into: &taken), bytes)
  }

  /// Bytes of the batches from `offset` on, up to `maxBytes`; more than there can be where they can't be read, so that a fetch
  /// says why.
  func availableBytes(from offset: Int64, upTo maxBytes: Int, _ isolation: Isolation) -> Int {
    var ahead = FetchedBatches()
    ahead.position = fetched.position
    do throws(EventLogError) {
      try partition.read(
        into: &ahead, from: offset, maxBytes: maxBytes, minimumOneBatch: true, isolation: isolation, checksCRC: false)
    } catch {
      return .max / 2
    }
    return ahead.sizeInBytes
  }

  /// What is to be returned of a batch that was read, or nil where nothing of it is.
  @inline(always)
  private func batch(_ index: Int, from offset: Int64, checksCRC: Bool) throws(EventLogError) -> ConsumerBatch? {
    let records = try fetched.batches[index].records()
    let header = records.header
    let range = max(offset, header.baseOffset)..<header.nextOffset
    let isKnownGood = checksCRC && header.baseOffset >= fetched.encodedHereFrom && header.isDense
    let count = try isKnownGood ? range.count : Self.count(records, in: range)
    guard count > 0 else { return nil }
    let storage = PartitionRecords(topicPartition: topicPartition, records: records)
    return ConsumerBatch(storage: storage, offsets: range, count: count)
  }

  /// Moves on behind what was returned last, and, once that is all that was read, behind what nobody is shown after it, such
  /// as a transaction's marker.
  private mutating func move(behind last: ConsumerBatch) {
    offset = buffered.isEmpty ? fetched.nextOffset : last.nextOffset
    leaderEpoch = last.leaderEpoch
  }

  /// Takes up to `limit` of the records that are buffered, and says how many.
  private mutating func take(_ limit: Int, into taken: inout [ConsumerBatch]) -> Int {
    guard !buffered.isEmpty else { return 0 }
    var room = limit
    var whole = 0
    while whole < buffered.count, buffered[whole].count <= room {
      room -= buffered[whole].count
      whole += 1
    }
    taken += buffered[..<whole]
    if whole < buffered.count, room > 0 {
      let (head, tail) = Self.split(buffered[whole], after: room)
      taken.append(head)
      buffered[whole] = tail
      room = 0
    }
    buffered.removeFirst(whole)
    if room < limit, let last = taken.last { move(behind: last) }
    return limit - room
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
