/// A batch where it lies: in a mapping, or in memory that it was read or decompressed into.
@frozen @usableFromInline
package struct RecordBatchView: Sendable {
  /// What holds the bytes.
  package let region: MemoryRegion
  /// Where in `region` the header begins.
  package let start: Int
  package let header: RecordBatchHeader

  /// A batch whose header was checked (`RecordBatchCheck.header`) and that lies in `region` as a whole.
  package init(region: MemoryRegion, start: Int, header: RecordBatchHeader) {
    precondition(start >= 0 && start + header.sizeInBytes <= region.count, "batch outside of its region")
    self.region = region
    self.start = start
    self.header = header
  }

  package var range: Range<Int> { start..<(start + header.sizeInBytes) }
  /// The whole batch.
  package var bytes: UnsafeRawBufferPointer { region.bytes(range) }

  /// Whether the bytes give the checksum that the header states.
  package var hasValidChecksum: Bool { RecordBatchCheck.coldChecksum(bytes) == header.crc }

  /// The memory of the records and their place in it, decompressed if need be.
  ///
  /// - Throws: `corruptMessage` where the bytes are no output of the codec, or would come to more than `limit` bytes;
  ///   `unsupportedCompressionType` for a codec that is not known or was left out of this build.
  package func records(limit: Int = RecordBatchView.decompressionLimit) throws(EventLogError) -> RecordBytes {
    let payload = (start + RecordBatchHeader.size)..<(start + header.sizeInBytes)
    guard let compression = header.attributes.compression else {
      throw EventLogError(
        .unsupportedCompressionType,
        "the batch names compression codec \(header.attributes.compressionCode), which does not exist",
        offset: header.baseOffset)
    }
    guard compression != .none else {
      return RecordBytes(region: region, range: payload, header: header)
    }
    do {
      let plain = try Codec.decompress(region.bytes(payload), compression, limit: limit)
      return RecordBytes(region: plain, range: 0..<plain.count, header: header)
    } catch {
      var located = error
      located.offset = header.baseOffset
      throw located
    }
  }

  /// The most that one batch may decompress to: no batch that a Kafka of default or reasonable configuration writes
  /// comes near it, and a forged one can't take more.
  package static let decompressionLimit = 1 << 30
}

/// What the records of one batch that was read share, in a place of its own: views of them refer to it.
@usableFromInline
package final class PartitionRecords: Sendable {
  @usableFromInline package let topicPartition: TopicPartition
  @usableFromInline package let records: RecordBytes

  @inlinable
  package init(topicPartition: TopicPartition, records: RecordBytes) {
    self.topicPartition = topicPartition
    self.records = records
  }
}

/// The records of one batch, in plain bytes.
@frozen @usableFromInline
package struct RecordBytes: Sendable {
  @usableFromInline package let region: MemoryRegion
  @usableFromInline package let range: Range<Int>
  @usableFromInline package let header: RecordBatchHeader

  @inlinable
  package init(region: MemoryRegion, range: Range<Int>, header: RecordBatchHeader) {
    self.region = region
    self.range = range
    self.header = header
  }

  /// A cursor before the first record; valid for as long as `region` lives.
  @inlinable
  package func makeCursor() -> RecordCursor {
    RecordCursor(base: region.base, range: range, count: header.recordCount)
  }

  /// The error for a cursor that is broken.
  package func brokenError() -> EventLogError {
    EventLogError(
      .invalidRecord, "the records of the batch are not what its header says: a length, a count or the end is wrong",
      offset: header.baseOffset)
  }
}
