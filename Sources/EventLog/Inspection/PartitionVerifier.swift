internal import RecordFormat
internal import SegmentStore

/// Checks the files of one partition.
struct PartitionVerifier {
  let directory: String
  let fileSystem: LocalFileSystem
  private(set) var report = StoreVerifier.Report()
  /// Where the log begins and ends; nil where that could not be found out.
  var bounds: (start: Int64, end: Int64)? { isReadable ? (start, end) : nil }
  private var start: Int64 = 0
  private var end: Int64 = 0
  private var isReadable = true

  init(directory: String, fileSystem: LocalFileSystem) {
    self.directory = directory
    self.fileSystem = fileSystem
  }

  /// What the batches of a segment say, to hold its indexes against.
  private struct Seen {
    /// The last offset of the batch that begins at a position.
    var lastOffset: [Int: Int64] = [:]
    /// The largest timestamp up to the batch that ends with an offset.
    var maxTimestamp: [Int64: Int64] = [:]
    var aborted: [AbortedTransaction] = []
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
    for name in try fileSystem.list(directory) {
      if let (base, kind) = SegmentFiles.parse(name), kind == .log { bases.append(base) }
    }
    bases.sort()
    start = bases.first ?? 0
    end = start
    var open: [Int64: Int64] = [:]
    for (number, base) in bases.enumerated() {
      let files = SegmentFiles(directory: directory, baseOffset: base)
      if base < end { fault(files.log, nil, "the segment begins at \(base), the one before ends at \(end)", base) }
      end = max(end, base)
      var seen = Seen()
      do throws(EventLogError) {
        try verifyLog(files, isLast: number == bases.count - 1, &seen, &open, progress)
      } catch {
        isReadable = false
        fault(error.file ?? files.log, error.position, error.message, error.offset)
        continue
      }
      check(files.offsetIndex) { (verifier: inout Self) throws(EventLogError) in
        try verifier.verifyOffsetIndex(files, seen)
      }
      check(files.timeIndex) { (verifier: inout Self) throws(EventLogError) in
        try verifier.verifyTimeIndex(files, seen)
      }
      check(files.transactionIndex) { (verifier: inout Self) throws(EventLogError) in
        try verifier.verifyTransactionIndex(files, seen)
      }
      report.segments += 1
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

  private mutating func verifyLog(
    _ files: SegmentFiles, isLast: Bool, _ seen: inout Seen, _ open: inout [Int64: Int64], _ progress: (Int64) -> Void
  ) throws(EventLogError) {
    let file = try fileSystem.open(files.log, .read)
    defer { fileSystem.close(file) }
    let size = try fileSystem.size(of: file, path: files.log)
    var scanner = LogScanner(fileSystem, file, path: files.log, limit: size)
    var largest = Int64.min
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
        end = max(end, header.nextOffset)
        largest = max(largest, header.maxTimestamp)
        seen.lastOffset[Int(position)] = header.lastOffset
        seen.maxTimestamp[header.lastOffset] = largest
        if isValid {
          do throws(EventLogError) {
            let batch = try scanner.copy(header, at: position)
            try RecordBatchCheck.records(of: batch)
            try note(batch, &seen, &open)
          } catch {
            fault(files.log, position, error.message, header.baseOffset)
          }
        } else {
          fault(files.log, position, "the checksum of the batch does not fit its bytes", header.baseOffset)
        }
        progress(report.sizeInBytes)
      case .end(let position, let reason):
        switch reason {
        case .endOfFile: break
        case .unwritten where isLast: break
        case .unwritten: fault(files.log, position, "zeros, in a segment that is not the last", nil)
        case .incomplete: fault(files.log, position, "a batch that is cut off", nil)
        case .invalid(let why): fault(files.log, position, why, nil)
        }
        return
      }
    }
  }

  private func note(_ batch: RecordBatchView, _ seen: inout Seen, _ open: inout [Int64: Int64]) throws(EventLogError) {
    let header = batch.header
    guard header.attributes.isTransactional else { return }
    guard header.attributes.isControl else {
      if open[header.producerID] == nil { open[header.producerID] = header.baseOffset }
      return
    }
    guard header.recordCount > 0 else { return }
    let marker = try ControlRecord(decoding: batch)
    guard let first = open.removeValue(forKey: header.producerID), marker.kind == .abort else { return }
    seen.aborted.append(
      AbortedTransaction(
        producerID: header.producerID, firstOffset: first, lastOffset: header.lastOffset, lastStableOffset: -1))
  }

  private mutating func verifyOffsetIndex(_ files: SegmentFiles, _ seen: Seen) throws(EventLogError) {
    guard try fileSystem.status(files.offsetIndex) != nil else { return }
    let bytes = try fileSystem.contents(of: files.offsetIndex)
    guard let entries = IndexFile.offsets(bytes, logSize: .max) else {
      return fault(files.offsetIndex, nil, "the entries are out of order, or the last is cut off", nil)
    }
    for (number, entry) in entries.enumerated() {
      report.indexEntries += 1
      let offset = files.baseOffset &+ Int64(entry.relativeOffset)
      let position = Int64(number * OffsetIndexEntry.size)
      guard let last = seen.lastOffset[Int(entry.position)] else {
        fault(files.offsetIndex, position, "the entry names position \(entry.position), where no batch begins", offset)
        continue
      }
      if last != offset {
        fault(files.offsetIndex, position, "the entry says \(offset), but the batch there ends with \(last)", offset)
      }
    }
  }

  private mutating func verifyTimeIndex(_ files: SegmentFiles, _ seen: Seen) throws(EventLogError) {
    guard try fileSystem.status(files.timeIndex) != nil else { return }
    let bytes = try fileSystem.contents(of: files.timeIndex)
    guard let entries = IndexFile.times(bytes) else {
      return fault(files.timeIndex, nil, "the entries are out of order, or the last is cut off", nil)
    }
    for (number, entry) in entries.enumerated() {
      report.indexEntries += 1
      let offset = files.baseOffset &+ Int64(entry.relativeOffset)
      let position = Int64(number * TimeIndexEntry.size)
      // Kafka names the last offset of the batch, or the offset of the record with the timestamp: both are in the log.
      guard offset < end else {
        fault(files.timeIndex, position, "the entry names offset \(offset), the log ends at \(end)", offset)
        continue
      }
      if let largest = seen.maxTimestamp[offset], largest < entry.timestamp {
        fault(
          files.timeIndex, position, "the entry says \(entry.timestamp), but up to there the largest is \(largest)",
          offset)
      }
    }
  }

  private mutating func verifyTransactionIndex(_ files: SegmentFiles, _ seen: Seen) throws(EventLogError) {
    guard try fileSystem.status(files.transactionIndex) != nil else { return }
    let bytes = try fileSystem.contents(of: files.transactionIndex)
    var found: [AbortedTransaction] = []
    var start = 0
    while start + AbortedTransaction.size <= bytes.count {
      let entry = bytes[start..<(start + AbortedTransaction.size)].withUnsafeBytes { buffer in
        buffer.baseAddress.flatMap(AbortedTransaction.init(loadingFrom:))
      }
      guard let entry else { return fault(files.transactionIndex, Int64(start), "an entry of an unknown version", nil) }
      report.indexEntries += 1
      found.append(entry)
      start += AbortedTransaction.size
    }
    if start != bytes.count { fault(files.transactionIndex, Int64(start), "the last entry is cut off", nil) }
    for (number, entry) in found.enumerated() {
      let isThere = seen.aborted.contains {
        $0.producerID == entry.producerID && $0.firstOffset == entry.firstOffset && $0.lastOffset == entry.lastOffset
      }
      if !isThere {
        fault(
          files.transactionIndex, Int64(number * AbortedTransaction.size),
          "the log has no aborted transaction of producer \(entry.producerID) from \(entry.firstOffset) to "
            + "\(entry.lastOffset)", entry.firstOffset)
      }
    }
  }

  private mutating func fault(_ file: String, _ position: Int64?, _ message: String, _ offset: Int64?) {
    report.faults.append(.init(file: file, position: position, offset: offset, message: message))
  }
}
