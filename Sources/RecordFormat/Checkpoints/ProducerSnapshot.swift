/// A `.snapshot` file: what a partition knows of its producers at the offset that the file is named by, as Kafka writes
/// it, version 1. Of each producer only the last batch is kept.
package struct ProducerSnapshot: Sendable, Equatable {
  /// One producer.
  package struct Entry: Sendable, Equatable {
    package var producerID: Int64
    package var producerEpoch: Int16
    /// -1 where the epoch has written no batch.
    package var lastSequence: Int32
    /// The last offset of that batch; -1 where there is none.
    package var lastOffset: Int64
    /// The last offset less the first.
    package var offsetDelta: Int32
    /// Of the last batch or marker, in milliseconds since 1970.
    package var timestamp: Int64
    /// Of the coordinator that wrote the last marker; -1 where there was none.
    package var coordinatorEpoch: Int32
    /// The first offset of the open transaction; -1 where none is open.
    package var transactionStart: Int64

    package init(
      producerID: Int64, producerEpoch: Int16, lastSequence: Int32, lastOffset: Int64, offsetDelta: Int32,
      timestamp: Int64, coordinatorEpoch: Int32, transactionStart: Int64
    ) {
      self.producerID = producerID
      self.producerEpoch = producerEpoch
      self.lastSequence = lastSequence
      self.lastOffset = lastOffset
      self.offsetDelta = offsetDelta
      self.timestamp = timestamp
      self.coordinatorEpoch = coordinatorEpoch
      self.transactionStart = transactionStart
    }
  }

  package static let version: Int16 = 1
  private static let headerSize = 10
  private static let entrySize = 46
  /// What the checksum covers begins behind version and checksum.
  private static let checksummedStart = 6

  package var entries: [Entry]

  package init(entries: [Entry]) {
    self.entries = entries
  }

  /// Reads the bytes of a file.
  ///
  /// - Throws: `unsupportedVersion` for another version than 1, `corruptMessage` for what is no such file.
  package init(bytes: [UInt8]) throws(EventLogError) {
    guard bytes.count >= Self.headerSize else {
      throw EventLogError(.corruptMessage, "a producer snapshot has at least 10 bytes, not \(bytes.count)")
    }
    var failure: EventLogError?
    var entries: [Entry] = []
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      let version = base.loadBigEndian(0, as: Int16.self)
      let count = base.loadBigEndian(6, as: Int32.self)
      if version != Self.version {
        failure = EventLogError(.unsupportedVersion, "version \(version) of a producer snapshot is not known")
      } else if base.loadBigEndian(2, as: UInt32.self)
        != Checksum.crc32c(UnsafeRawBufferPointer(rebasing: buffer[Self.checksummedStart...]))
      {
        failure = EventLogError(.corruptMessage, "the checksum of the producer snapshot does not fit its bytes")
      } else if count < 0 || buffer.count != Self.headerSize + Int(count) * Self.entrySize {
        failure = EventLogError(.corruptMessage, "the producer snapshot has not the \(count) entries that it states")
      } else {
        entries = (0..<Int(count)).map { Entry(loadingFrom: base + Self.headerSize + $0 * Self.entrySize) }
      }
    }
    if let failure { throw failure }
    self.entries = entries
  }

  /// The bytes of the file.
  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.headerSize + entries.count * Self.entrySize)
    bytes.appendBigEndian(Self.version)
    bytes.appendBigEndian(UInt32(0))
    bytes.appendBigEndian(Int32(truncatingIfNeeded: entries.count))
    for entry in entries { entry.append(to: &bytes) }
    bytes.withUnsafeMutableBytes { buffer in
      let crc = Checksum.crc32c(UnsafeRawBufferPointer(rebasing: buffer[Self.checksummedStart...]))
      buffer.baseAddress?.storeBigEndian(crc, 2)
    }
    return bytes
  }
}

extension ProducerSnapshot.Entry {
  fileprivate init(loadingFrom pointer: UnsafeRawPointer) {
    self.init(
      producerID: pointer.loadBigEndian(0, as: Int64.self), producerEpoch: pointer.loadBigEndian(8, as: Int16.self),
      lastSequence: pointer.loadBigEndian(10, as: Int32.self), lastOffset: pointer.loadBigEndian(14, as: Int64.self),
      offsetDelta: pointer.loadBigEndian(22, as: Int32.self), timestamp: pointer.loadBigEndian(26, as: Int64.self),
      coordinatorEpoch: pointer.loadBigEndian(34, as: Int32.self),
      transactionStart: pointer.loadBigEndian(38, as: Int64.self))
  }

  fileprivate func append(to bytes: inout [UInt8]) {
    bytes.appendBigEndian(producerID)
    bytes.appendBigEndian(producerEpoch)
    bytes.appendBigEndian(lastSequence)
    bytes.appendBigEndian(lastOffset)
    bytes.appendBigEndian(offsetDelta)
    bytes.appendBigEndian(timestamp)
    bytes.appendBigEndian(coordinatorEpoch)
    bytes.appendBigEndian(transactionStart)
  }
}
