// The entries of Kafka's three index files, as they lie on disk.

/// An entry of an `.index` file: a batch's last offset, and where the batch begins.
@frozen @usableFromInline
package struct OffsetIndexEntry: Sendable, Hashable, BitwiseCopyable {
  @inlinable package static var size: Int { 8 }
  /// Offset less the segment's base offset.
  @usableFromInline package var relativeOffset: Int32
  /// Byte position of the batch in the `.log` file.
  @usableFromInline package var position: Int32

  package init(relativeOffset: Int32, position: Int32) {
    self.relativeOffset = relativeOffset
    self.position = position
  }

  package init(loadingFrom pointer: UnsafeRawPointer) {
    relativeOffset = pointer.loadBigEndian(0, as: Int32.self)
    position = pointer.loadBigEndian(4, as: Int32.self)
  }

  package func append(to bytes: inout [UInt8]) {
    bytes.appendBigEndian(relativeOffset)
    bytes.appendBigEndian(position)
  }
}

/// An entry of a `.timeindex` file: the largest timestamp so far, and the last offset of the batch that brought it.
@frozen @usableFromInline
package struct TimeIndexEntry: Sendable, Hashable, BitwiseCopyable {
  @inlinable package static var size: Int { 12 }
  @usableFromInline package var timestamp: Int64
  /// Offset less the segment's base offset.
  @usableFromInline package var relativeOffset: Int32

  package init(timestamp: Int64, relativeOffset: Int32) {
    self.timestamp = timestamp
    self.relativeOffset = relativeOffset
  }

  package init(loadingFrom pointer: UnsafeRawPointer) {
    timestamp = pointer.loadBigEndian(0, as: Int64.self)
    relativeOffset = pointer.loadBigEndian(8, as: Int32.self)
  }

  package func append(to bytes: inout [UInt8]) {
    bytes.appendBigEndian(timestamp)
    bytes.appendBigEndian(relativeOffset)
  }
}

/// An entry of a `.txnindex` file: an aborted transaction, in the order in which they ended.
@frozen @usableFromInline
package struct AbortedTransaction: Sendable, Equatable, BitwiseCopyable {
  @inlinable package static var size: Int { 34 }
  package static let version: Int16 = 0
  @usableFromInline package var producerID: Int64
  @usableFromInline package var firstOffset: Int64
  /// The offset of the ABORT marker.
  @usableFromInline package var lastOffset: Int64
  /// The last stable offset when the transaction ended.
  @usableFromInline package var lastStableOffset: Int64

  package init(producerID: Int64, firstOffset: Int64, lastOffset: Int64, lastStableOffset: Int64) {
    self.producerID = producerID
    self.firstOffset = firstOffset
    self.lastOffset = lastOffset
    self.lastStableOffset = lastStableOffset
  }

  /// Nil where the entry is of a version that is not known.
  package init?(loadingFrom pointer: UnsafeRawPointer) {
    guard pointer.loadBigEndian(0, as: Int16.self) == Self.version else { return nil }
    producerID = pointer.loadBigEndian(2, as: Int64.self)
    firstOffset = pointer.loadBigEndian(10, as: Int64.self)
    lastOffset = pointer.loadBigEndian(18, as: Int64.self)
    lastStableOffset = pointer.loadBigEndian(26, as: Int64.self)
  }

  package func append(to bytes: inout [UInt8]) {
    bytes.appendBigEndian(Self.version)
    bytes.appendBigEndian(producerID)
    bytes.appendBigEndian(firstOffset)
    bytes.appendBigEndian(lastOffset)
    bytes.appendBigEndian(lastStableOffset)
  }
}
