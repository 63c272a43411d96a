public import RecordFormat

/// Records of one partition that were read together: a batch as it was written, or what is left of it to return.
///
/// It refers to the log's own memory (or, for a compressed batch, to its decompressed records); nothing is copied until
/// you ask for it, and the memory stays for as long as you keep the batch or a record of it.
public struct ConsumerBatch: Sendable {
  @usableFromInline let storage: PartitionRecords
  /// Records before and from these on are not part of it; compaction may have removed some in between.
  public let offsets: Range<Int64>

  /// How many records there are.
  public let count: Int

  init(storage: PartitionRecords, offsets: Range<Int64>, count: Int) {
    self.storage = storage
    self.offsets = offsets
    self.count = count
  }

  public var topicPartition: TopicPartition { storage.topicPartition }
  /// The offset to read on from after this: also past what compaction removed.
  public var nextOffset: Int64 { offsets.upperBound }
  /// How the batch was compressed where it lies.
  public var compression: CompressionType { storage.records.header.attributes.compression ?? .none }
  /// Whose clock the timestamps are from.
  public var timestampType: TimestampType { storage.records.header.attributes.timestampType }
  /// The epoch of the log that wrote the batch.
  public var leaderEpoch: Int32 { storage.records.header.partitionLeaderEpoch }
  /// Bytes that these records take in the log, as compressed: of a batch that polls returned in parts, each part's share.
  public var sizeInBytes: Int {
    let header = storage.records.header
    return header.sizeInBytes * count / Swift.max(1, Int(header.recordCount))
  }
  /// The id of the producer, or -1.
  public var producerID: Int64 { storage.records.header.producerID }

  /// Calls `body` with each record, in place. The fastest way: no memory is allocated, nothing retained or copied.
  ///
  /// ```swift
  /// batch.forEachRecord { record in total += record.value?.byteCount ?? 0 }
  /// ```
  @inlinable
  public func forEachRecord<E: Error>(_ body: (borrowing RecordView) throws(E) -> Void) throws(E) {
    let records = storage.records
    let header = records.header
    let isAppendTime = header.attributes.timestampType == .logAppendTime
    let skipsNone = offsets.lowerBound <= header.baseOffset && offsets.upperBound > header.lastOffset
    // One view for all records, so that the memory is retained once and not for each of them.
    var view = RecordView(records)
    // The records were checked when the batch was read, so that the cursor can't break.
    while view.cursor.advance() {
      let offset = header.baseOffset &+ Int64(view.cursor.record.offsetDelta)
      if !skipsNone, !offsets.contains(offset) { continue }
      view.place = (
        offset, isAppendTime ? header.maxTimestamp : header.baseTimestamp &+ view.cursor.record.timestampDelta
      )
      try body(view)
    }
  }
}

/// A record in place, for as long as the closure that gets it runs.
public struct RecordView: ~Copyable {
  @usableFromInline let region: MemoryRegion
  /// Stands at the record.
  @usableFromInline var cursor: RecordCursor

  @usableFromInline var place: (offset: Int64, timestamp: Int64) = (0, 0)

  /// The record's offset.
  @inlinable public var offset: Int64 { place.offset }
  /// Milliseconds since 1970.
  @inlinable public var timestamp: Int64 { place.timestamp }

  @inlinable
  init(_ records: RecordBytes) {
    region = records.region
    cursor = records.makeCursor()
  }

  @inlinable @inline(always)
  var layout: RecordLayout { cursor.record }

  /// The key's bytes, or nil for null.
  @inlinable
  public var key: RawSpan? {
    @_lifetime(borrow self) get { region.span(layout.keyStart, layout.keyCount, of: self) }
  }

  /// The value's bytes, or nil for a tombstone.
  @inlinable
  public var value: RawSpan? {
    @_lifetime(borrow self) get { region.span(layout.valueStart, layout.valueCount, of: self) }
  }

  /// The headers, decoded now.
  public var headers: [RecordHeader] {
    RecordHeaders.decode(in: region, start: layout.headersStart, count: layout.headerCount)
  }
}

extension ConsumerBatch: Sequence {
  public struct Iterator: IteratorProtocol {
    private let batch: ConsumerBatch
    private var cursor: RecordCursor

    init(_ batch: ConsumerBatch) {
      self.batch = batch
      // The memory lives as long as the iterator, which holds the batch.
      cursor = batch.storage.records.makeCursor()
    }

    public mutating func next() -> ConsumerRecord? {
      while cursor.advance() {
        let offset = batch.storage.records.header.baseOffset &+ Int64(cursor.record.offsetDelta)
        if batch.offsets.contains(offset) { return ConsumerRecord(storage: batch.storage, layout: cursor.record) }
      }
      return nil
    }
  }

  public func makeIterator() -> Iterator { Iterator(self) }
  public var underestimatedCount: Int { count }
}

extension ConsumerBatch {
  /// The records for which `isIncluded` is true, as batches of neighbours.
  func runs(_ isIncluded: (ConsumerRecord) throws -> Bool) rethrows -> [ConsumerBatch] {
    var runs: [ConsumerBatch] = []
    var start: Int64?
    var count = 0
    for record in self {
      if try isIncluded(record) {
        if start == nil { start = record.offset }
        count += 1
      } else if let first = start {
        runs.append(ConsumerBatch(storage: storage, offsets: first..<record.offset, count: count))
        start = nil
        count = 0
      }
    }
    guard let first = start else { return runs }
    if count == self.count { return [self] }
    runs.append(ConsumerBatch(storage: storage, offsets: first..<offsets.upperBound, count: count))
    return runs
  }
}
