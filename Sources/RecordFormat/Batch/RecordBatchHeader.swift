internal import CEventLog

/// The 61 bytes before the records of a batch, in Kafka's format v2 (KIP-98).
///
/// The checksum covers what follows it, from the attributes on. Base offset, length, leader epoch and magic lie before
/// it and are not covered, so that a log can set them without a new checksum; they are checked by continuity.
@frozen @usableFromInline
package struct RecordBatchHeader: Sendable, Equatable, BitwiseCopyable {
  /// Bytes of a header, and so of the smallest batch.
  @inlinable package static var size: Int { 61 }
  /// Bytes of the base offset and the length, which `batchLength` does not count.
  @inlinable package static var logOverhead: Int { 12 }
  /// Where the bytes begin that the checksum covers.
  @inlinable package static var checksummedStart: Int { 21 }
  /// The only magic of this format.
  @inlinable package static var magicV2: Int8 { 2 }

  @usableFromInline package var baseOffset: Int64
  /// Bytes after the length field.
  @usableFromInline package var batchLength: Int32
  @usableFromInline package var partitionLeaderEpoch: Int32
  @usableFromInline package var magic: Int8
  @usableFromInline package var crc: UInt32
  @usableFromInline package var attributes: BatchAttributes
  @usableFromInline package var lastOffsetDelta: Int32
  /// The first record's timestamp; the delete horizon where `attributes.hasDeleteHorizon`.
  @usableFromInline package var baseTimestamp: Int64
  @usableFromInline package var maxTimestamp: Int64
  @usableFromInline package var producerID: Int64
  @usableFromInline package var producerEpoch: Int16
  @usableFromInline package var baseSequence: Int32
  @usableFromInline package var recordCount: Int32

  @inlinable @inline(always)
  package init(
    baseOffset: Int64, batchLength: Int32 = 0, partitionLeaderEpoch: Int32 = 0, crc: UInt32 = 0,
    attributes: BatchAttributes = .init(), lastOffsetDelta: Int32, baseTimestamp: Int64, maxTimestamp: Int64,
    producerID: Int64 = -1, producerEpoch: Int16 = -1, baseSequence: Int32 = -1, recordCount: Int32
  ) {
    self.baseOffset = baseOffset
    self.batchLength = batchLength
    self.partitionLeaderEpoch = partitionLeaderEpoch
    self.magic = Self.magicV2
    self.crc = crc
    self.attributes = attributes
    self.lastOffsetDelta = lastOffsetDelta
    self.baseTimestamp = baseTimestamp
    self.maxTimestamp = maxTimestamp
    self.producerID = producerID
    self.producerEpoch = producerEpoch
    self.baseSequence = baseSequence
    self.recordCount = recordCount
  }

  /// Loads a header from 61 readable bytes; believes all of them.
  @inlinable
  package init(loadingFrom pointer: UnsafeRawPointer) {
    baseOffset = pointer.loadBigEndian(0, as: Int64.self)
    batchLength = pointer.loadBigEndian(8, as: Int32.self)
    partitionLeaderEpoch = pointer.loadBigEndian(12, as: Int32.self)
    magic = pointer.load(fromByteOffset: 16, as: Int8.self)
    crc = pointer.loadBigEndian(17, as: UInt32.self)
    attributes = BatchAttributes(rawValue: pointer.loadBigEndian(21, as: Int16.self))
    lastOffsetDelta = pointer.loadBigEndian(23, as: Int32.self)
    baseTimestamp = pointer.loadBigEndian(27, as: Int64.self)
    maxTimestamp = pointer.loadBigEndian(35, as: Int64.self)
    producerID = pointer.loadBigEndian(43, as: Int64.self)
    producerEpoch = pointer.loadBigEndian(51, as: Int16.self)
    baseSequence = pointer.loadBigEndian(53, as: Int32.self)
    recordCount = pointer.loadBigEndian(57, as: Int32.self)
  }

  /// Stores what lies before the checksummed part, but for the length, which stays as it is: zero in room that was
  /// never written.
  @inlinable @inline(always)
  package func storePrefixButLength(to pointer: UnsafeMutableRawPointer) {
    pointer.storeBigEndian(baseOffset, 0)
    pointer.storeBigEndian(partitionLeaderEpoch, 12)
    pointer.storeBytes(of: magic, toByteOffset: 16, as: Int8.self)
    pointer.storeBigEndian(crc, 17)
  }

  /// Stores the fields that the checksum covers, from the attributes on.
  ///
  /// As five words, which is what the checksum loads next: the processor hands a word on that was stored as one, and else
  /// waits until all of its parts are in the cache.
  @inlinable @inline(always)
  package func storeChecksummedFields(to pointer: UnsafeMutableRawPointer) {
    let first =
      UInt64(UInt16(bitPattern: attributes.rawValue)) << 48 | UInt64(UInt32(bitPattern: lastOffsetDelta)) << 16
    let base = UInt64(bitPattern: baseTimestamp)
    let max = UInt64(bitPattern: maxTimestamp)
    let producer = UInt64(bitPattern: producerID)
    pointer.storeBigEndian(first | base >> 48, 21)
    pointer.storeBigEndian(base << 16 | max >> 48, 29)
    pointer.storeBigEndian(max << 16 | producer >> 48, 37)
    pointer.storeBigEndian(producer << 16 | UInt64(UInt16(bitPattern: producerEpoch)), 45)
    pointer.storeBigEndian(
      UInt64(UInt32(bitPattern: baseSequence)) << 32 | UInt64(UInt32(bitPattern: recordCount)), 53)
  }

  /// Stores the length after everything else, which is what makes the batch one.
  @usableFromInline
  package func storeLength(to pointer: UnsafeMutableRawPointer) {
    cel_store_release_be32(pointer + 8, UInt32(bitPattern: batchLength))
  }

  /// Stores the whole header.
  @inlinable @inline(always)
  package func store(to pointer: UnsafeMutableRawPointer) {
    storePrefixButLength(to: pointer)
    storeChecksummedFields(to: pointer)
    storeLength(to: pointer)
  }

  /// Takes the checksum of the batch at `pointer`, whose records are there, and stores the whole header.
  @inlinable @inline(always)
  package mutating func seal(at pointer: UnsafeMutableRawPointer) {
    storeChecksummedFields(to: pointer)
    crc = RecordBatchCheck.checksum(UnsafeRawBufferPointer(start: pointer, count: sizeInBytes))
    store(to: pointer)
  }

  /// Bytes of the whole batch, header and all.
  @inlinable
  package var sizeInBytes: Int { Int(batchLength) &+ Self.logOverhead }
  /// The last offset the batch takes, also where compaction removed that record.
  @inlinable
  package var lastOffset: Int64 { baseOffset &+ Int64(lastOffsetDelta) }
  /// The offset after the batch.
  @inlinable
  package var nextOffset: Int64 { lastOffset &+ 1 }
  /// Whether each offset has its record: compaction took none.
  package var isDense: Bool { Int64(recordCount) == Int64(lastOffsetDelta) + 1 }
  /// The sequence number of the last record: wraps to 0 after `Int32.max`.
  package var lastSequence: Int32 {
    guard baseSequence >= 0 else { return -1 }
    return Int32(truncatingIfNeeded: (Int64(baseSequence) + Int64(lastOffsetDelta)) % (Int64(Int32.max) + 1))
  }
  /// The delete horizon of the batch's tombstones, where compaction set one (KIP-534).
  package var deleteHorizon: Int64? { attributes.hasDeleteHorizon ? baseTimestamp : nil }
  @inlinable package var hasProducerID: Bool { producerID >= 0 }
}

/// The 16 bits of flags in a batch header.
@frozen @usableFromInline
package struct BatchAttributes: Sendable, Hashable, RawRepresentable, BitwiseCopyable {
  @usableFromInline package var rawValue: Int16
  @inlinable @inline(always)
  package init(rawValue: Int16) { self.rawValue = rawValue }

  @inlinable @inline(always)
  package init(
    compression: CompressionType = .none, timestampType: TimestampType = .createTime, isTransactional: Bool = false,
    isControl: Bool = false
  ) {
    rawValue =
      Int16(compression.rawValue) | (timestampType == .logAppendTime ? 0x08 : 0) | (isTransactional ? 0x10 : 0)
      | (isControl ? 0x20 : 0)
  }

  /// The codec, or nil for the numbers 5 to 7, which name none.
  @inlinable package var compression: CompressionType? { CompressionType(rawValue: Int8(rawValue & 0x07)) }
  package var compressionCode: Int { Int(rawValue & 0x07) }
  @inlinable package var timestampType: TimestampType { rawValue & 0x08 == 0 ? .createTime : .logAppendTime }
  @inlinable package var isTransactional: Bool { rawValue & 0x10 != 0 }
  @inlinable package var isControl: Bool { rawValue & 0x20 != 0 }
  /// Whether these are records of users, as they are.
  @inlinable package var isPlainData: Bool { rawValue & 0x27 == 0 }
  @inlinable package var hasDeleteHorizon: Bool { rawValue & 0x40 != 0 }
}
