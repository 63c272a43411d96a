public import RecordFormat
internal import SegmentStore

/// Shows what a segment's files hold, as they lie: `.log`, `.index`, `.timeindex`, `.txnindex`, `.snapshot`. Kafka's
/// `kafka-dump-log`, for Kafka's files and for ours.
public struct LogFileDump: Sendable {
  /// A batch of a `.log` file.
  public struct Batch: Sendable {
    public var position: Int64
    public var sizeInBytes: Int
    public var baseOffset: Int64
    public var lastOffset: Int64
    public var recordCount: Int
    public var partitionLeaderEpoch: Int
    public var compression: CompressionType
    public var timestampType: TimestampType
    public var maxTimestamp: Int64
    public var producerID: Int64
    public var producerEpoch: Int
    public var baseSequence: Int
    public var lastSequence: Int
    public var isTransactional: Bool
    public var isControl: Bool
    public var deleteHorizon: Int64?
    public var crc: UInt32
    public var isValid: Bool
    /// What a control batch says: `COMMIT`, `ABORT`, or a number of Kafka's that means something else.
    public var controlType: String?
    /// Of a transaction's marker: the epoch of the coordinator that wrote it.
    public var coordinatorEpoch: Int32?
    /// The records, if they were asked for and can be read.
    public var records: [ConsumerRecord] = []
  }

  /// A producer in a `.snapshot` file, as the partition knew it at the offset that names the file.
  public struct ProducerState: Sendable, Hashable {
    public var producerID: Int64
    public var producerEpoch: Int16
    /// Of the last marker that it got; -1 where it got none.
    public var coordinatorEpoch: Int32
    /// Where its open transaction begins; nil where none is open.
    public var currentTransactionFirstOffset: Int64?
    /// Of its last batch or marker, in milliseconds since 1970.
    public var lastTimestamp: Int64
    /// Its last batch; nil where its epoch has written none.
    public var lastBatch: LastBatch?

    public struct LastBatch: Sendable, Hashable {
      public var firstSequence: Int32
      public var lastSequence: Int32
      public var lastOffset: Int64
      /// The last offset less the first.
      public var offsetDelta: Int32
    }
  }

  /// What a file holds, one after the other.
  public enum Entry: Sendable {
    case batch(Batch)
    /// Of an `.index` file: the last offset of a batch, and the position where the batch begins.
    case offset(Int64, position: Int)
    /// Of a `.timeindex` file: the largest timestamp so far, and the last offset of the batch that brought it.
    case time(Int64, offset: Int64)
    /// Of a `.txnindex` file.
    case abortedTransaction(producerID: Int64, firstOffset: Int64, lastOffset: Int64, lastStableOffset: Int64)
    /// Of a `.snapshot` file.
    case producer(ProducerState)
    /// Reserved room at the end that was never written.
    case unwritten(position: Int64, bytes: Int64)
    /// Something that is none of it; nothing behind it can be read.
    case invalid(position: Int64, reason: String)
  }

  public let path: String

  /// - Parameter path: a file whose name says what it is, such as `orders-0/00000000000000000000.log`.
  public init(path: String) {
    self.path = path
  }

  /// Calls `body` with each entry of the file.
  ///
  /// - Throws: `illegalArgument` for a file of another name; `corruptMessage` and `unsupportedVersion` for a snapshot that
  ///   is damaged or of another version, of which nothing is shown; `inputOutput`; what `body` throws.
  public func forEachEntry(records: Bool = false, _ body: (Entry) throws -> Void) throws {
    let parts = path.split(separator: "/", omittingEmptySubsequences: true)
    guard let name = parts.last, let (base, kind) = SegmentFiles.parse(String(name)) else {
      throw EventLogError(
        .illegalArgument,
        "a segment's file is called by twenty digits and .log, .index, .timeindex, .txnindex or .snapshot",
        file: path)
    }
    switch kind {
    case .log: try dumpLog(records: records, body)
    case .index:
      try forEachChunk(of: OffsetIndexEntry.size) { bytes in
        let entry = bytes.withUnsafeBytes { $0.baseAddress.map(OffsetIndexEntry.init(loadingFrom:)) }
        if let entry { try body(.offset(base &+ Int64(entry.relativeOffset), position: Int(entry.position))) }
      }
    case .timeindex:
      try forEachChunk(of: TimeIndexEntry.size) { bytes in
        let entry = bytes.withUnsafeBytes { $0.baseAddress.map(TimeIndexEntry.init(loadingFrom:)) }
        if let entry { try body(.time(entry.timestamp, offset: base &+ Int64(entry.relativeOffset))) }
      }
    case .txnindex:
      try forEachChunk(of: AbortedTransaction.size) { bytes in
        let entry = bytes.withUnsafeBytes { $0.baseAddress.flatMap(AbortedTransaction.init(loadingFrom:)) }
        guard let entry else {
          return try body(.invalid(position: Int64(bytes.startIndex), reason: "an entry of an unknown version"))
        }
        try body(
          .abortedTransaction(
            producerID: entry.producerID, firstOffset: entry.firstOffset, lastOffset: entry.lastOffset,
            lastStableOffset: entry.lastStableOffset))
      }
    case .snapshot:
      for entry in try snapshot().entries { try body(.producer(ProducerState(entry))) }
    }
  }

  private func snapshot() throws(EventLogError) -> ProducerSnapshot {
    let bytes = try LocalFileSystem().contents(of: path)
    do throws(EventLogError) {
      return try ProducerSnapshot(bytes: bytes)
    } catch {
      var error = error
      error.file = path
      throw error
    }
  }

  private func forEachChunk(of size: Int, _ body: (ArraySlice<UInt8>) throws -> Void) throws {
    let bytes = try LocalFileSystem().contents(of: path)
    var start = 0
    while start + size <= bytes.count {
      try body(bytes[start..<(start + size)])
      start += size
    }
    if start < bytes.count {
      throw EventLogError(.corruptMessage, "the last entry is cut off", file: path, position: Int64(start))
    }
  }

  private func dumpLog(records: Bool, _ body: (Entry) throws -> Void) throws {
    let fileSystem = LocalFileSystem()
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    let size = try fileSystem.size(of: file, path: path)
    var scanner = LogScanner(fileSystem, file, path: path, limit: size)
    while true {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        var batch = Self.describe(header, position: position, isValid: isValid)
        if isValid, records || header.attributes.isControl {
          read(try scanner.copy(header, at: position), into: &batch, records: records)
        }
        try body(.batch(batch))
      case .end(let position, let reason):
        switch reason {
        case .endOfFile: break
        case .unwritten: try body(.unwritten(position: position, bytes: size - position))
        case .incomplete: try body(.invalid(position: position, reason: "a batch that is cut off"))
        case .invalid(let why): try body(.invalid(position: position, reason: why))
        }
        return
      }
    }
  }

  private func read(_ view: RecordBatchView, into batch: inout Batch, records: Bool) {
    if view.header.attributes.isControl, view.header.recordCount > 0 {
      let control = try? ControlRecord(decoding: view)
      batch.coordinatorEpoch = control?.coordinatorEpoch
      switch control?.kind {
      case .abort: batch.controlType = "ABORT"
      case .commit: batch.controlType = "COMMIT"
      case .other(let code): batch.controlType = String(code)
      case nil: batch.isValid = false
      }
    }
    guard records else { return }
    do throws(EventLogError) {
      try RecordBatchCheck.records(of: view)
      let parent = path.split(separator: "/").dropLast().last.map(String.init) ?? ""
      let storage = PartitionRecords(
        topicPartition: TopicName.parse(directory: parent) ?? TopicPartition(parent, 0), records: try view.records())
      batch.records = Array(
        ConsumerBatch(
          storage: storage, offsets: view.header.baseOffset..<view.header.nextOffset,
          count: Int(view.header.recordCount)))
    } catch {
      batch.isValid = false
    }
  }

  private static func describe(_ header: RecordBatchHeader, position: Int64, isValid: Bool) -> Batch {
    Batch(
      position: position, sizeInBytes: header.sizeInBytes, baseOffset: header.baseOffset, lastOffset: header.lastOffset,
      recordCount: Int(header.recordCount), partitionLeaderEpoch: Int(header.partitionLeaderEpoch),
      compression: header.attributes.compression ?? .none, timestampType: header.attributes.timestampType,
      maxTimestamp: header.maxTimestamp, producerID: header.producerID, producerEpoch: Int(header.producerEpoch),
      baseSequence: Int(header.baseSequence), lastSequence: Int(header.lastSequence),
      isTransactional: header.attributes.isTransactional, isControl: header.attributes.isControl,
      deleteHorizon: header.deleteHorizon, crc: header.crc, isValid: isValid)
  }
}

extension LogFileDump.ProducerState {
  fileprivate init(_ entry: ProducerSnapshot.Entry) {
    self.init(
      producerID: entry.producerID, producerEpoch: entry.producerEpoch, coordinatorEpoch: entry.coordinatorEpoch,
      currentTransactionFirstOffset: entry.transactionStart < 0 ? nil : entry.transactionStart,
      lastTimestamp: entry.timestamp)
    guard entry.lastOffset >= 0 else { return }
    // Numbers go on with 0 behind the largest.
    let first = entry.lastSequence &- entry.offsetDelta
    lastBatch = LastBatch(
      firstSequence: entry.lastSequence >= 0 && first < 0 ? first & .max : first, lastSequence: entry.lastSequence,
      lastOffset: entry.lastOffset, offsetDelta: entry.offsetDelta)
  }
}
