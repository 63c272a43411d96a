internal import RecordFormat
internal import SegmentStore

/// Checks the files of one partition.
struct PartitionVerifier {
  let directory: String
  let fileSystem: any FileSystem
  /// Indexes without a log that a repair has removed.
  private let removed: [OrphanIndex]
  private(set) var report = StoreVerifier.Report()
  /// Where the log begins and ends; nil where that could not be found out.
  var bounds: (start: Int64, end: Int64)? { isReadable ? (start, end) : nil }
  private var start: Int64 = 0
  private var end: Int64 = 0
  private var isReadable = true
  /// Gaps between segments that may be compaction's.
  private(set) var gaps: [SegmentGap] = []
  private var transactions = TransactionsSeen()

  init(directory: String, fileSystem: any FileSystem, removed: [OrphanIndex] = []) {
    self.removed = removed
    self.directory = directory
    self.fileSystem = fileSystem
  }

  /// What the batches of a segment say, to hold its indexes against.
  private struct Seen {
    /// Where the last batch ends.
    var endPosition = 0
    /// The last offset of the batch that begins at a position.
    var lastOffset: [Int: Int64] = [:]
    /// The largest timestamp up to the batch that ends with an offset.
    var maxTimestamp: [Int64: Int64] = [:]
  }

  mutating func run(progress: (Int64) -> Void) {
    report.partitions = 1
    do throws(EventLogError) {
      guard try fileSystem.status(directory)?.kind == .directory else {
        isReadable = false
        return fault(directory, nil, "where the partition's directory should be lies something else", nil)
      }
      try verifySegments(progress)
    } catch {
      isReadable = false
      fault(error.file ?? directory, error.position, error.message, error.offset)
    }
  }

  private mutating func verifySegments(_ progress: (Int64) -> Void) throws(EventLogError) {
    var bases: [Int64] = []
    var snapshots: Set<Int64> = []
    let names = try fileSystem.list(directory).sorted()
    let orphans = try orphans(names)
    for name in names {
      guard let (base, kind) = SegmentFiles.parse(name) else { continue }
      if kind == .log { bases.append(base) }
      if kind == .snapshot, verifySnapshot(SegmentFiles(directory: directory, baseOffset: base).producerSnapshot) {
        snapshots.insert(base)
      }
    }
    bases.sort()
    start = bases.first ?? 0
    end = start
    transactions = TransactionsSeen(logStart: start)
    for (number, base) in bases.enumerated() {
      let files = SegmentFiles(directory: directory, baseOffset: base)
      if base < end { fault(files.log, nil, "the segment begins at \(base), the one before ends at \(end)", base) }
      transactions.noteGap(from: end, to: base)
      end = max(end, base)
      var seen = Seen()
      let isLast = number == bases.count - 1
      do throws(EventLogError) {
        let isWhole = try verifyLog(files, isLast: isLast, &seen, progress)
        if isWhole, !isLast, end < bases[number + 1] {
          try note(
            SegmentGap(
              behind: files, size: Int64(seen.endPosition), end..<bases[number + 1], orphans: orphans, fileSystem))
        }
      } catch {
        isReadable = false
        transactions.isComplete = false
        fault(error.file ?? files.log, error.position, error.message, error.offset)
        continue
      }
      check(files.offsetIndex) { (verifier: inout Self) throws(EventLogError) in
        try verifier.verifyOffsetIndex(files, seen, isLast: isLast)
      }
      check(files.timeIndex) { (verifier: inout Self) throws(EventLogError) in
        try verifier.verifyTimeIndex(files, seen, isLast: isLast)
      }
      check(files.transactionIndex) { (verifier: inout Self) throws(EventLogError) in
        // A snapshot at a segment's end is written once the index is complete; where it is missing, both are made anew.
        let next = number + 1 < bases.count ? bases[number + 1] : verifier.end
        try verifier.verifyTransactionIndex(
          files, isLast: isLast, isComplete: snapshots.contains(next))
      }
      report.segments += 1
    }
  }

  /// The indexes without a log. An owner at work may have removed them meanwhile.
  private mutating func orphans(_ names: [String]) throws(EventLogError) -> [OrphanIndex] {
    var found = removed
    for orphan in OrphanIndex.find(names, in: directory) {
      let log = SegmentFiles(directory: directory, baseOffset: orphan.baseOffset).log
      guard try fileSystem.status(log) == nil, try fileSystem.status(orphan.path) != nil else { continue }
      note(orphan.path, nil, OrphanIndex.message + "; the next opening removes it", nil)
      found.append(orphan)
    }
    return found
  }

  private mutating func note(_ gap: SegmentGap) {
    if case .entries = gap.witness {
      fault(gap.file, nil, gap.message, gap.offsets.lowerBound)
    } else {
      gaps.append(gap)
    }
  }

  /// One that can't be read does not keep the others from being checked.
  private mutating func check(_ file: String, _ body: (inout Self) throws(EventLogError) -> Void) {
    do throws(EventLogError) {
      try body(&self)
    } catch {
      fault(error.file ?? file, error.position, error.message, error.offset)
    }
  }

  /// - Returns: whether every batch up to the file's end could be told.
  private mutating func verifyLog(
    _ files: SegmentFiles, isLast: Bool, _ seen: inout Seen, _ progress: (Int64) -> Void
  ) throws(EventLogError) -> Bool {
    let file = try fileSystem.open(files.log, .read)
    defer { fileSystem.close(file) }
    let size = try fileSystem.size(of: file, path: files.log)
    var scanner = LogScanner(fileSystem, file, path: files.log, limit: size)
    var largest = Int64.min
    var isWhole = true
    transactions.beginSegment()
    while true {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        report.batches += 1
        report.records += Int(header.recordCount)
        report.sizeInBytes += Int64(header.sizeInBytes)
        if header.baseOffset < end {
          fault(
            files.log, position, "the batch begins at \(header.baseOffset), where \(end) is due",
            header.baseOffset)
        }
        transactions.noteGap(from: end, to: header.baseOffset)
        end = max(end, header.nextOffset)
        largest = max(largest, header.maxTimestamp)
        seen.lastOffset[Int(position)] = header.lastOffset
        seen.endPosition = Int(position) + header.sizeInBytes
        seen.maxTimestamp[header.lastOffset] = largest
        if isValid {
          do throws(EventLogError) {
            let batch = try scanner.copy(header, at: position)
            try RecordBatchCheck.records(of: batch)
            try transactions.note(batch)
          } catch {
            isWhole = false
            transactions.isComplete = false
            fault(files.log, position, error.message, header.baseOffset)
          }
        } else {
          isWhole = false
          transactions.isComplete = false
          fault(files.log, position, "the checksum of the batch does not fit its bytes", header.baseOffset)
        }
        progress(report.sizeInBytes)
      case .end(let position, let reason):
        switch reason {
        case .endOfFile: break
        case .unwritten where isLast: break
        case .unwritten:
          transactions.isComplete = false
          fault(files.log, position, "zeros, in a segment that is not the last", nil)
        case .incomplete:
          transactions.isComplete = false
          fault(files.log, position, "a batch that is cut off", nil)
        case .invalid(let why):
          transactions.isComplete = false
          fault(files.log, position, why, nil)
        }
        return isWhole && reason == .endOfFile
      }
    }
  }

  private mutating func verifyOffsetIndex(
    _ files: SegmentFiles, _ seen: Seen, isLast: Bool
  ) throws(EventLogError) {
    guard try fileSystem.status(files.offsetIndex) != nil else { return }
    let bytes = try fileSystem.contents(of: files.offsetIndex)
    guard let entries = IndexFile.offsets(bytes, logSize: .max) else {
      let message = "the entries are out of order, or the last is cut off"
      return indexFault(files.offsetIndex, nil, message, nil, isRenewed: isLast)
    }
    for (number, entry) in entries.enumerated() {
      report.indexEntries += 1
      let offset = files.baseOffset &+ Int64(entry.relativeOffset)
      let position = Int64(number * OffsetIndexEntry.size)
      guard let last = seen.lastOffset[Int(entry.position)] else {
        let message = "the entry names position \(entry.position), where no batch begins"
        let isBeyond = Int(entry.position) >= seen.endPosition
        indexFault(files.offsetIndex, position, message, offset, isRenewed: isLast && isBeyond)
        continue
      }
      if last != offset {
        fault(files.offsetIndex, position, "the entry says \(offset), but the batch there ends with \(last)", offset)
      }
    }
  }

  private mutating func verifyTimeIndex(_ files: SegmentFiles, _ seen: Seen, isLast: Bool) throws(EventLogError) {
    guard try fileSystem.status(files.timeIndex) != nil else { return }
    let bytes = try fileSystem.contents(of: files.timeIndex)
    guard let entries = IndexFile.times(bytes) else {
      let message = "the entries are out of order, or the last is cut off"
      return indexFault(files.timeIndex, nil, message, nil, isRenewed: isLast)
    }
    for (number, entry) in entries.enumerated() {
      report.indexEntries += 1
      let offset = files.baseOffset &+ Int64(entry.relativeOffset)
      let position = Int64(number * TimeIndexEntry.size)
      // Kafka names the last offset of the batch, or the offset of the record with the timestamp: both are in the log.
      guard offset < end else {
        let message = "the entry names offset \(offset), the log ends at \(end)"
        indexFault(files.timeIndex, position, message, offset, isRenewed: isLast)
        continue
      }
      if let largest = seen.maxTimestamp[offset], largest < entry.timestamp {
        fault(
          files.timeIndex, position, "the entry says \(entry.timestamp), but up to there the largest is \(largest)",
          offset)
      }
    }
  }

  /// The indexes of the segment that is appended to are on the disk only once it is rolled. A power cut may leave them torn, or
  /// keep them and take the end of the log: that is a note.
  ///
  /// - Parameter isRenewed: whether who opens or uses the log next makes the index anew.
  private mutating func indexFault(
    _ path: String, _ position: Int64?, _ message: String, _ offset: Int64?, isRenewed: Bool
  ) {
    if isRenewed {
      note(path, position, message + "; it is made anew from the log", offset)
    } else {
      fault(path, position, message, offset)
    }
  }

  /// - Parameter isComplete: whether the index is said to have everything that the segment's markers say.
  private mutating func verifyTransactionIndex(
    _ files: SegmentFiles, isLast: Bool, isComplete: Bool
  ) throws(EventLogError) {
    let path = files.transactionIndex
    let bytes = try fileSystem.status(path) == nil ? [] : try fileSystem.contents(of: path)
    var entries: [AbortedTransaction] = []
    var position = 0
    while position + AbortedTransaction.size <= bytes.count {
      let entry = bytes[position..<(position + AbortedTransaction.size)].withUnsafeBytes { buffer in
        buffer.baseAddress.flatMap(AbortedTransaction.init(loadingFrom:))
      }
      guard let entry else { return fault(path, Int64(position), "an entry of an unknown version", nil) }
      report.indexEntries += 1
      if let previous = entries.last, previous.lastOffset >= entry.lastOffset {
        fault(path, Int64(position), "the entries are out of order", entry.lastOffset)
      }
      entries.append(entry)
      position += AbortedTransaction.size
    }
    if position != bytes.count { fault(path, Int64(position), "the last entry is cut off", nil) }
    // Of a log with damaged batches nobody knows what was aborted.
    guard transactions.isComplete else { return }
    for (number, entry) in entries.enumerated() {
      let position = Int64(number * AbortedTransaction.size)
      if isLast, entry.lastOffset >= end {
        // Its owner at work has just aborted something, or the end of the log was lost.
        note(path, position, "the entry names offset \(entry.lastOffset), the log ends at \(end)", entry.lastOffset)
      } else if let reason = transactions.contradiction(to: entry) {
        fault(path, position, reason, entry.firstOffset)
      }
    }
    let known = Set(entries.map(\.lastOffset))
    for missing in transactions.toBeIndexed where !known.contains(missing.lastOffset) {
      let message =
        "no entry for the aborted transaction of producer \(missing.producerID) from \(missing.firstOffset) to "
        + "\(missing.lastOffset)"
      if isComplete {
        fault(path, nil, message, missing.firstOffset)
      } else if !isLast {
        note(path, nil, message + "; it is made anew from the log", missing.firstOffset)
      }
    }
  }

  /// A damaged snapshot is made anew from the log: nothing is lost with it.
  ///
  /// - Returns: whether it can be read.
  private mutating func verifySnapshot(_ path: String) -> Bool {
    do throws(EventLogError) {
      // Its owner at work may have removed it meanwhile.
      guard try fileSystem.status(path) != nil else { return false }
      _ = try ProducerSnapshot(bytes: try fileSystem.contents(of: path))
      return true
    } catch {
      note(error.file ?? path, error.position, error.message + "; it is made anew from the log", error.offset)
      return false
    }
  }

  private mutating func note(_ file: String, _ position: Int64?, _ message: String, _ offset: Int64?) {
    report.notes.append(.init(file: file, position: position, offset: offset, message: message))
  }

  private mutating func fault(_ file: String, _ position: Int64?, _ message: String, _ offset: Int64?) {
    report.faults.append(.init(file: file, position: position, offset: offset, message: message))
  }
}
