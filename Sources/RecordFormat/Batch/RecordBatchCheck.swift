/// Whether bytes are a batch: what recovery, readers, `verify` and import ask.
@usableFromInline
package enum RecordBatchCheck {
  /// What lies at some place of a log.
  package enum Header: Sendable {
    /// A plausible header of a batch that lies within the bytes at hand. Its checksum is not checked yet.
    case batch(RecordBatchHeader)
    /// A plausible header, but the bytes at hand end before the batch does.
    case incomplete(neededBytes: Int)
    /// Zeros where a header would be: room that was reserved and never written.
    case unwritten
    /// Neither, and why.
    case corrupt(String)
  }

  /// Looks at the header at the beginning of `bytes`, in which `available` bytes of the log are left.
  package static func header(_ bytes: UnsafeRawBufferPointer, available: Int) -> Header {
    guard bytes.count >= RecordBatchHeader.size, let base = bytes.baseAddress else {
      return bytes.allSatisfy { $0 == 0 } ? .unwritten : .incomplete(neededBytes: RecordBatchHeader.size)
    }
    let header = RecordBatchHeader(loadingFrom: base)
    if isBatch(header, available: available) { return .batch(header) }
    if header.batchLength == 0, bytes.prefix(RecordBatchHeader.size).allSatisfy({ $0 == 0 }) { return .unwritten }
    guard hasRoom(header) else {
      return .corrupt("batch length \(header.batchLength) is less than the smallest batch has")
    }
    guard header.magic == RecordBatchHeader.magicV2 else {
      return .corrupt("magic \(header.magic) is not that of record format v2")
    }
    guard hasOffsets(header) else {
      return .corrupt("offsets \(header.baseOffset) + \(header.lastOffsetDelta) are out of range")
    }
    guard hasRecords(header) else {
      return .corrupt("\(header.recordCount) records in \(header.lastOffsetDelta) + 1 offsets")
    }
    return .incomplete(neededBytes: header.sizeInBytes)
  }

  /// Whether a header is a plausible one, of a batch that lies within `available` bytes. Where not, `header` says why.
  @inlinable @inline(always)
  package static func isBatch(_ header: RecordBatchHeader, available: Int) -> Bool {
    hasRoom(header) && header.magic == RecordBatchHeader.magicV2 && hasOffsets(header) && hasRecords(header)
      && header.sizeInBytes <= available
  }

  @inlinable @inline(always)
  static func hasRoom(_ header: RecordBatchHeader) -> Bool {
    header.batchLength >= RecordBatchHeader.size - RecordBatchHeader.logOverhead
  }

  @inlinable @inline(always)
  static func hasOffsets(_ header: RecordBatchHeader) -> Bool {
    header.baseOffset >= 0 && header.lastOffsetDelta >= 0
      && !header.baseOffset.addingReportingOverflow(Int64(header.lastOffsetDelta) + 1).overflow
  }

  /// Compaction leaves fewer records than offsets, never more.
  @inlinable @inline(always)
  static func hasRecords(_ header: RecordBatchHeader) -> Bool {
    header.recordCount >= 0 && Int64(header.recordCount) <= Int64(header.lastOffsetDelta) + 1
  }

  /// The checksum over a whole batch: of the bytes from the attributes on.
  @usableFromInline
  package static func checksum(_ batch: UnsafeRawBufferPointer) -> UInt32 {
    Checksum.crc32c(UnsafeRawBufferPointer(rebasing: batch[RecordBatchHeader.checksummedStart...]))
  }

  /// The same for a batch that is not in the processor's caches.
  package static func coldChecksum(_ batch: UnsafeRawBufferPointer) -> UInt32 {
    Checksum.crc32cCold(UnsafeRawBufferPointer(rebasing: batch[RecordBatchHeader.checksummedStart...]))
  }

  /// Goes over every record of a batch whose checksum is good: lengths, count, offsets in order and in range.
  ///
  /// - Throws: `invalidRecord` or `corruptMessage` with what is wrong, `unsupportedCompressionType`.
  package static func records(of batch: RecordBatchView) throws(EventLogError) {
    let records = try batch.records()
    var cursor = records.makeCursor()
    var previous: Int32 = -1
    while cursor.advance() {
      let delta = cursor.record.offsetDelta
      guard delta > previous, delta <= batch.header.lastOffsetDelta else {
        throw EventLogError(
          .invalidRecord,
          "offset delta \(delta) follows \(previous), in a batch that ends at "
            + "\(batch.header.lastOffsetDelta)", offset: batch.header.baseOffset)
      }
      previous = delta
    }
    guard !cursor.isBroken else { throw records.brokenError() }
  }

  /// The same, and of a marker whether it is one. Compaction leaves an empty one where nothing of the transaction is left.
  ///
  /// - Throws: as `records(of:)`, and as `ControlRecord(decoding:)`.
  package static func contents(of batch: RecordBatchView) throws(EventLogError) {
    try records(of: batch)
    if batch.header.attributes.isControl, batch.header.recordCount > 0 { _ = try ControlRecord(decoding: batch) }
  }
}
