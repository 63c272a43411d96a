public import RecordFormat

/// A record that was read.
///
/// It refers to the memory that it was read from; `key`, `value` and `headers` copy or decode when they are asked for.
public struct ConsumerRecord: Sendable {
  let storage: PartitionRecords
  let layout: RecordLayout

  private var header: RecordBatchHeader { storage.records.header }

  public var topicPartition: TopicPartition { storage.topicPartition }
  public var topic: String { storage.topicPartition.topic }
  public var partition: Int { storage.topicPartition.partition }
  /// The record's place in its partition.
  public var offset: Int64 { header.baseOffset &+ Int64(layout.offsetDelta) }

  /// Milliseconds since 1970; -1 where the record has none.
  public var timestamp: Int64 {
    timestampType == .logAppendTime ? header.maxTimestamp : header.baseTimestamp &+ layout.timestampDelta
  }
  /// Whose clock the timestamp is from.
  public var timestampType: TimestampType { header.attributes.timestampType }
  /// The epoch of the log that wrote the record.
  public var leaderEpoch: Int32 { header.partitionLeaderEpoch }

  /// A copy of the key; nil for null.
  public var key: [UInt8]? { copy(layout.keyStart, layout.keyCount) }
  /// A copy of the value; nil for a tombstone.
  public var value: [UInt8]? { copy(layout.valueStart, layout.valueCount) }
  /// Bytes of the key; -1 for null.
  public var serializedKeySize: Int { layout.keyCount }
  /// Bytes of the value; -1 for null.
  public var serializedValueSize: Int { layout.valueCount }
  /// The key as text; bytes that are not UTF-8 are replaced by U+FFFD.
  public var keyString: String? { string(layout.keyStart, layout.keyCount) }
  /// The value as text; bytes that are not UTF-8 are replaced by U+FFFD.
  public var valueString: String? { string(layout.valueStart, layout.valueCount) }
  /// The headers, in order.
  public var headers: [RecordHeader] {
    RecordHeaders.decode(in: storage.records.region, start: layout.headersStart, count: layout.headerCount)
  }

  /// Whether the value is null, which deletes the key from a compacted topic.
  public var isTombstone: Bool { layout.valueCount < 0 }

  /// The key's bytes where they lie, without a copy; nil for null.
  public var keyBytes: RawSpan? {
    @_lifetime(borrow self) get { storage.records.region.span(layout.keyStart, layout.keyCount, of: self) }
  }

  /// The value's bytes where they lie, without a copy; nil for a tombstone.
  public var valueBytes: RawSpan? {
    @_lifetime(borrow self) get { storage.records.region.span(layout.valueStart, layout.valueCount, of: self) }
  }

  /// The last header of this name.
  public func header(_ name: String) -> [UInt8]? { headers.last { $0.key == name }?.value }

  private func copy(_ start: Int, _ count: Int) -> [UInt8]? {
    count < 0 ? nil : Array(storage.records.region.bytes(start..<(start + count)))
  }

  private func string(_ start: Int, _ count: Int) -> String? {
    count < 0 ? nil : String(decoding: storage.records.region.bytes(start..<(start + count)), as: UTF8.self)
  }
}

/// What one poll returned: batches of any number of partitions, each in order.
public struct ConsumerRecords: Sendable {
  public let batches: [ConsumerBatch]

  init(_ batches: [ConsumerBatch]) {
    self.batches = batches
  }

  /// How many records there are.
  public var count: Int { batches.reduce(0) { $0 + $1.count } }
  public var isEmpty: Bool { batches.isEmpty }
  /// The partitions that there are records of.
  public var partitions: Set<TopicPartition> { Set(batches.map(\.topicPartition)) }

  /// Only the records for which `isIncluded` is true, where they lie: nothing is copied.
  public func filter(_ isIncluded: (ConsumerRecord) throws -> Bool) rethrows -> ConsumerRecords {
    ConsumerRecords(try batches.flatMap { try $0.runs(isIncluded) })
  }

  /// The records of one partition.
  public func records(of topicPartition: TopicPartition) -> [ConsumerRecord] {
    batches.filter { $0.topicPartition == topicPartition }.flatMap { Array($0) }
  }
}

extension ConsumerRecords: Sequence {
  public func makeIterator() -> FlattenSequence<[ConsumerBatch]>.Iterator { batches.joined().makeIterator() }
  public var underestimatedCount: Int { count }
}
