/// Takes out of batches the records that compaction drops, by Kafka's rules (`Cleaner.shouldRetainRecord`,
/// `MemoryRecords.filterTo`). Offsets, order, sequences and producers stay as they are.
///
/// It works on bytes: a batch of which nothing is dropped is copied as it is, kept records are copied in runs, and no record
/// costs an allocation.
package struct BatchCleaner: ~Copyable {
  /// What is known of a batch before its records are looked at.
  package struct Verdict {
    /// All its records go: an aborted transaction's, or a marker whose time is over.
    package var dropsRecords: Bool
    /// Its header stays without them: a producer's last batch, or the last one of the range.
    package var keepsEmpty: Bool
    /// It is a marker, and nothing is left of its transaction: from now on its time runs.
    package var isMarkerOfEmptyTransaction: Bool

    package init(dropsRecords: Bool, keepsEmpty: Bool, isMarkerOfEmptyTransaction: Bool) {
      self.dropsRecords = dropsRecords
      self.keepsEmpty = keepsEmpty
      self.isMarkerOfEmptyTransaction = isMarkerOfEmptyTransaction
    }
  }

  /// The wall clock, in milliseconds since 1970.
  private let now: Int64
  /// When the time of what gets its horizon now is over: `now` + `delete.retention.ms`.
  private let newHorizon: Int64
  /// Runs of records that are kept, of the batch at hand.
  private var runs: [Range<Int>] = []
  private var plain = CleanedBuffer(capacity: 64 << 10)
  package private(set) var recordsRead = 0
  package private(set) var recordsKept = 0

  package init(now: Int64, deleteRetention: Int64) {
    self.now = now
    let (sum, overflows) = now.addingReportingOverflow(deleteRetention)
    newHorizon = overflows ? .max : sum
  }

  /// What a look at the records found.
  private struct Findings {
    var kept: Int32 = 0
    var hasDropped = false
    var hasTombstone = false
    var firstTimestamp: Int64 = -1
    var maxTimestamp: Int64 = .min
  }

  /// Appends what is left of `batch` to `output`.
  ///
  /// - Returns: the header of what was appended; nil where nothing is left.
  /// - Throws: `invalidRecord` or `corruptMessage` where the records are not what the header says.
  package mutating func clean(
    _ batch: RecordBatchView, _ verdict: Verdict, _ map: borrowing OffsetMap, into output: inout CleanedBuffer
  ) throws(EventLogError) -> RecordBatchHeader? {
    let header = batch.header
    recordsRead += Int(header.recordCount)
    if verdict.dropsRecords || header.recordCount == 0 {
      return verdict.keepsEmpty ? appendEmpty(header, to: &output) : nil
    }
    let records = try batch.records()
    let found = try inspect(records, map)
    guard found.kept > 0 else { return verdict.keepsEmpty ? appendEmpty(header, to: &output) : nil }
    recordsKept += Int(found.kept)
    let setsHorizon =
      !header.attributes.hasDeleteHorizon && (found.hasTombstone || verdict.isMarkerOfEmptyTransaction)
    guard found.hasDropped || setsHorizon else {
      output.append(batch.bytes)
      return header
    }
    return try rebuild(header, records, found, horizon: setsHorizon ? newHorizon : header.deleteHorizon, into: &output)
  }

  private mutating func inspect(
    _ records: RecordBytes, _ map: borrowing OffsetMap
  ) throws(EventLogError) -> Findings {
    let header = records.header
    let isControl = header.attributes.isControl
    let isAppendTime = header.attributes.timestampType == .logAppendTime
    let keepsTombstones = !header.attributes.hasDeleteHorizon || now < header.baseTimestamp
    let base = records.region.base
    var found = Findings()
    runs.removeAll(keepingCapacity: true)
    var start = records.range.lowerBound
    var runStart = -1
    let isLookedUp = !isControl && header.baseOffset <= map.latestOffset
    var keys = KeysAhead(records)
    var cursor = records.makeCursor()
    while cursor.advance() {
      let record = cursor.record
      let key = isLookedUp ? keys.next(map) : (0, 0)
      let offset = header.baseOffset &+ Int64(record.offsetDelta)
      let isKept: Bool
      if isControl || offset > map.latestOffset {
        isKept = true
      } else if record.keyCount < 0 {
        isKept = false
      } else {
        isKept = (record.valueCount >= 0 || keepsTombstones) && offset >= map.offset(of: key)
      }
      if isKept {
        let timestamp = isAppendTime ? header.maxTimestamp : header.baseTimestamp &+ record.timestampDelta
        if found.kept == 0 { found.firstTimestamp = timestamp }
        if timestamp > found.maxTimestamp { found.maxTimestamp = timestamp }
        if record.valueCount < 0 { found.hasTombstone = true }
        found.kept &+= 1
        if runStart < 0 { runStart = start }
      } else {
        found.hasDropped = true
        if runStart >= 0 {
          runs.append(runStart..<start)
          runStart = -1
        }
      }
      start = cursor.pointer - base
    }
    guard !cursor.isBroken else { throw records.brokenError() }
    if runStart >= 0 { runs.append(runStart..<start) }
    return found
  }

  /// A batch of the kept records alone. With a horizon, its base timestamp is that, and timestamps count from it.
  private mutating func rebuild(
    _ old: RecordBatchHeader, _ records: RecordBytes, _ found: Findings, horizon: Int64?,
    into output: inout CleanedBuffer
  ) throws(EventLogError) -> RecordBatchHeader {
    let isAppendTime = old.attributes.timestampType == .logAppendTime
    var header = old
    header.recordCount = found.kept
    // Those of LogAppendTime all have the header's.
    header.maxTimestamp = isAppendTime ? old.maxTimestamp : found.maxTimestamp
    header.baseTimestamp = horizon ?? (isAppendTime ? old.baseTimestamp : found.firstTimestamp)
    if horizon != nil { header.attributes = BatchAttributes(rawValue: old.attributes.rawValue | 0x40) }
    let shift = isAppendTime ? 0 : old.baseTimestamp &- header.baseTimestamp
    let compression = old.attributes.compression ?? .none
    let start = output.count
    _ = output.room(RecordBatchHeader.size)
    output.filled(RecordBatchHeader.size)
    if compression == .none {
      try copy(records, shift: shift, into: &output)
    } else {
      var buffer = CleanedBuffer(capacity: 64)
      swap(&buffer, &plain)
      buffer.removeAll()
      defer { swap(&buffer, &plain) }
      try copy(records, shift: shift, into: &buffer)
      let small = try Codec.compress(buffer.bytes, compression)
      small.withUnsafeBytes { output.append($0) }
    }
    finish(&header, from: start, &output)
    return header
  }

  private func copy(
    _ records: RecordBytes, shift: Int64, into target: inout CleanedBuffer
  ) throws(EventLogError) {
    for run in runs {
      if shift == 0 {
        target.append(records.region.bytes(run))
      } else {
        try copy(run, of: records, shift: shift, into: &target)
      }
    }
  }

  /// Records with other timestamp deltas: everything behind those is copied as it is.
  private func copy(
    _ run: Range<Int>, of records: RecordBytes, shift: Int64, into target: inout CleanedBuffer
  ) throws(EventLogError) {
    var pointer = records.region.base + run.lowerBound
    let end = records.region.base + run.upperBound
    while pointer < end {
      var length: Int64 = 0
      var delta: Int64 = 0
      guard Varint.load(&length, from: &pointer, end: end, maximumBytes: Varint.maximumBytes32),
        length >= 6, length <= Int64(end - pointer)
      else { throw records.brokenError() }
      let recordEnd = pointer + Int(length)
      let attributes = pointer.load(as: UInt8.self)
      pointer += 1
      guard Varint.load(&delta, from: &pointer, end: recordEnd, maximumBytes: Varint.maximumBytes64) else {
        throw records.brokenError()
      }
      let rest = recordEnd - pointer
      let shifted = delta &+ shift
      let body = 1 + Varint.size(shifted) + rest
      let size = Varint.size(Int64(body)) + body
      var place = target.room(size)
      Varint.store(Int64(body), at: &place)
      place.storeBytes(of: attributes, as: UInt8.self)
      place += 1
      Varint.store(shifted, at: &place)
      place.copyMemory(from: pointer, byteCount: rest)
      target.filled(size)
      pointer = recordEnd
    }
  }

  /// Only the header, so that what it says of its producer and of the offsets is not lost.
  private func appendEmpty(_ old: RecordBatchHeader, to output: inout CleanedBuffer) -> RecordBatchHeader {
    var header = old
    header.attributes = BatchAttributes(
      timestampType: old.attributes.timestampType, isTransactional: old.attributes.isTransactional,
      isControl: old.attributes.isControl)
    header.baseTimestamp = -1
    header.recordCount = 0
    let start = output.count
    _ = output.room(RecordBatchHeader.size)
    output.filled(RecordBatchHeader.size)
    finish(&header, from: start, &output)
    return header
  }

  /// Length, checksum and header of the batch that begins at `start` and goes to the end.
  private func finish(_ header: inout RecordBatchHeader, from start: Int, _ output: inout CleanedBuffer) {
    let size = output.count - start
    header.batchLength = Int32(truncatingIfNeeded: size - RecordBatchHeader.logOverhead)
    output.withBytes(from: start) { header.seal(at: $0) }
  }
}

extension CleanedBuffer {
  fileprivate mutating func withBytes(from start: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    body(room(0) - (count - start))
  }
}
