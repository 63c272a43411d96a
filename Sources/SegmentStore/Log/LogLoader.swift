internal import RecordFormat

/// Opens the files of one partition: finds the segments, clears away what a crash left, and, after an unclean stop,
/// checks everything that was written since the recovery point and cuts what is torn.
struct LogLoader {
  let context: StoreContext
  let directory: String
  let checkpoint: PartitionCheckpoint
  let configuration: LogConfiguration
  /// Whether the partition was closed in order, so that the checkpoint's log end can be believed once it is seen.
  let wasClean: Bool

  struct Result {
    var segments: [Segment]
    var activeIndex: IndexBuilder
    var firstBatchTimestamp: Int64?
    var nextOffset: Int64
    var logStartOffset: Int64
    /// Whether anything was cut, so that offsets may be given out a second time.
    var wasTruncated = false
    /// Whether the active segment's index files differ from what is in memory.
    var isIndexDirty = false
  }

  private var fileSystem: any FileSystem { context.fileSystem }

  func load() throws(EventLogError) -> Result {
    let bases = try segmentsAfterCleaning()
    guard let last = bases.last else { return try createFirstSegment() }
    if wasClean, let end = checkpoint.logEndOffset, let result = try loadCleanly(bases, last: last, expecting: end) {
      return result
    }
    return try recover(bases)
  }

  // MARK: What is there

  private func segmentsAfterCleaning() throws(EventLogError) -> [Int64] {
    var bases: [Int64] = []
    for name in try fileSystem.list(directory) {
      if name.hasSuffix(".tmp") || name.hasSuffix(".deleted") || name.hasSuffix(".cleaned") {
        try fileSystem.unlink(directory + "/" + name)
      } else if let (base, kind) = SegmentFiles.parse(name), kind == .log {
        bases.append(base)
      }
    }
    return bases.sorted()
  }

  private func createFirstSegment() throws(EventLogError) -> Result {
    let files = SegmentFiles(directory: directory, baseOffset: checkpoint.logStartOffset)
    let file = try fileSystem.open(files.log, .create)
    fileSystem.close(file)
    let segment = Segment(files: files, size: 0, createdAt: context.time.wallMilliseconds())
    return Result(
      segments: [segment],
      activeIndex: IndexBuilder(baseOffset: files.baseOffset, interval: configuration.indexIntervalBytes),
      nextOffset: files.baseOffset, logStartOffset: files.baseOffset, isIndexDirty: true)
  }

  private func segment(_ base: Int64) throws(EventLogError) -> Segment {
    let files = SegmentFiles(directory: directory, baseOffset: base)
    guard let status = try fileSystem.status(files.log), status.kind == .file else {
      throw EventLogError(.inputOutput, "a segment is no regular file; move it away", file: files.log)
    }
    guard status.size <= Int64(Int32.max) else {
      throw EventLogError(
        .corruptMessage, "a segment has \(status.size) bytes; positions in it have 31 bits", file: files.log)
    }
    return Segment(files: files, size: Int(status.size), createdAt: status.modified)
  }

  private func logStart(_ first: Int64) -> Int64 { max(checkpoint.logStartOffset, first) }

  // MARK: After a clean stop

  /// Nil where the last segment does not end where the checkpoint says: something happened to it since.
  private func loadCleanly(
    _ bases: [Int64], last: Int64, expecting end: Int64
  ) throws(EventLogError) -> Result? {
    var segments: [Segment] = []
    for base in bases { segments.append(try segment(base)) }
    guard let active = segments.last else { return nil }
    if active.size == 0 {
      guard end == last else { return nil }
      return Result(
        segments: segments,
        activeIndex: IndexBuilder(baseOffset: last, interval: configuration.indexIntervalBytes),
        nextOffset: end, logStartOffset: logStart(bases[0]))
    }
    let loader = SegmentLoader(context: context, files: active.files, size: active.size)
    guard let indexes = try loader.loadIndexes() else { return nil }
    var index = IndexBuilder(
      baseOffset: last, interval: configuration.indexIntervalBytes, offsets: indexes.offsets, times: indexes.times)
    // From the last indexed batch on, to see that the log ends where it ended.
    let file = try fileSystem.open(active.files.log, .read)
    defer { fileSystem.close(file) }
    var next = last
    var scanner = LogScanner(
      fileSystem, file, path: active.files.log, from: Int64(indexes.offsets.last?.position ?? 0),
      limit: Int64(active.size), chunk: 16 << 10)
    while true {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        // A damaged batch gives its error when it is read; it is no reason to doubt where the log ends.
        guard header.baseOffset >= next, isValid || header.nextOffset <= end else { return nil }
        if Int(position) > Int(indexes.offsets.last?.position ?? -1) { index.add(header, position: Int(position)) }
        next = header.nextOffset
        continue
      case .end(_, let reason):
        guard reason == .endOfFile, next == end else { return nil }
      }
      break
    }
    return Result(
      segments: segments, activeIndex: index,
      firstBatchTimestamp: try firstBatchTimestamp(file, active), nextOffset: next, logStartOffset: logStart(bases[0]))
  }

  private func firstBatchTimestamp(_ file: FileDescriptor, _ segment: Segment) throws(EventLogError) -> Int64? {
    var scanner = LogScanner(
      fileSystem, file, path: segment.files.log, limit: Int64(segment.size), chunk: RecordBatchHeader.size)
    guard case .batch(let header, _, _) = try scanner.next() else { return nil }
    return header.maxTimestamp
  }

  // MARK: After an unclean stop

  private func recover(_ bases: [Int64]) throws(EventLogError) -> Result {
    let mark = SyncFailureMark(directory: directory)
    let mayHaveLostPages = try fileSystem.status(mark.path) != nil
    var segments: [Segment] = []
    var wasTruncated = false
    var result: Result?
    for (number, base) in bases.enumerated() {
      let isLast = number == bases.count - 1
      let nextBase = isLast ? nil : bases[number + 1]
      let candidate = try segment(base)
      if let nextBase, nextBase <= checkpoint.recoveryPoint {
        segments.append(candidate)
        continue
      }
      let scan = try scan(candidate)
      try cut(candidate, to: scan.end, why: scan.why)
      wasTruncated = wasTruncated || scan.isTorn
      let recovered = Segment(files: candidate.files, size: Int(scan.end), createdAt: candidate.createdAt)
      segments.append(recovered)
      let isConnected = nextBase.map { scan.nextOffset == $0 || (configuration.isCompacted && scan.nextOffset < $0) }
      if isConnected == true {
        var index = scan.index
        index.close()
        try IndexFile.write(index.offsets, index.times, candidate.files, fileSystem)
        try sync(candidate.files.log)
        continue
      }
      if mayHaveLostPages { try replaceByCopy(recovered) }
      try sync(candidate.files.log)
      for later in bases[(number + 1)...] {
        wasTruncated = true
        try discard(later, after: scan.nextOffset)
      }
      // They may speak of what was cut; new ones are written at the next roll or close.
      try unlinkIfPresent(candidate.files.offsetIndex)
      try unlinkIfPresent(candidate.files.timeIndex)
      result = Result(
        segments: segments, activeIndex: scan.index, firstBatchTimestamp: scan.firstBatchTimestamp,
        nextOffset: max(scan.nextOffset, base), logStartOffset: logStart(bases[0]), isIndexDirty: true)
      break
    }
    try fileSystem.syncDirectory(directory)
    try unlinkIfPresent(mark.path)
    guard var result else {
      throw EventLogError(.storageError, "recovery ended without an active segment", file: directory)
    }
    if result.logStartOffset > result.nextOffset {
      // All that was left lay below the log start: go on from there with a fresh segment, as Kafka does.
      for segment in result.segments { try discard(segment.baseOffset, after: result.nextOffset) }
      result = try createFirstSegment()
      wasTruncated = true
    }
    if result.nextOffset < checkpoint.recoveryPoint {
      context.warn(
        EventLogError(
          .storageError,
          "the log ends at \(result.nextOffset), but was on the disk up to \(checkpoint.recoveryPoint): "
            + "something outside of EventLog took the rest away", file: directory))
    }
    result.wasTruncated = wasTruncated
    return result
  }

  private struct Scan {
    var end: Int64 = 0
    var why: LogScanner.End = .endOfFile
    var nextOffset: Int64
    var index: IndexBuilder
    var firstBatchTimestamp: Int64?
    /// Whether something that was not just reserved room lies behind the last valid batch.
    var isTorn: Bool { why != .endOfFile && why != .unwritten }
  }

  private func scan(_ segment: Segment) throws(EventLogError) -> Scan {
    let path = segment.files.log
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    var scan = Scan(
      nextOffset: segment.baseOffset,
      index: IndexBuilder(baseOffset: segment.baseOffset, interval: configuration.indexIntervalBytes))
    var scanner = LogScanner(fileSystem, file, path: path, limit: Int64(segment.size))
    while true {
      let fault: String
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        scan.end = position
        // The checksum says nothing about the base offset: an old batch behind a hole has a good one too.
        let isExpected =
          header.baseOffset == scan.nextOffset
          || (configuration.isCompacted && header.baseOffset > scan.nextOffset) || allowsGap(header, after: scan)
        if isExpected, isValid || header.nextOffset <= checkpoint.recoveryPoint {
          if !isValid { warnOfDamage(segment, position, "the checksum does not fit the bytes") }
          if position == 0 { scan.firstBatchTimestamp = header.maxTimestamp }
          scan.index.add(header, position: Int(position))
          scan.nextOffset = header.nextOffset
          scan.end = position + Int64(header.sizeInBytes)
          continue
        }
        fault =
          isExpected
          ? "the checksum does not fit the bytes"
          : "offset \(header.baseOffset) follows where \(scan.nextOffset) is due"
      case .end(let position, let reason):
        scan.end = position
        switch reason {
        case .invalid(let why):
          fault = why
        case .incomplete where scan.nextOffset < checkpoint.recoveryPoint:
          fault = "the batch says that it is longer than the file"
        default:
          scan.why = reason
          return scan
        }
      }
      guard scan.nextOffset < checkpoint.recoveryPoint else {
        scan.why = .invalid(fault)
        return scan
      }
      // This was on the disk, and acknowledged; so was what lies behind it. Nothing of it is cut.
      warnOfDamage(segment, scan.end, fault)
      let next = try nextIndexedPosition(segment, after: scan.end)
      scanner = LogScanner(fileSystem, file, path: path, from: next, limit: Int64(segment.size))
    }
  }

  private func warnOfDamage(_ segment: Segment, _ position: Int64, _ reason: String) {
    context.warn(
      EventLogError(
        .corruptMessage,
        "a batch below the recovery point is damaged (\(reason)); it was left as it is, and reading it "
          + "gives an error", file: segment.files.log, position: position))
  }

  /// Where to go on behind a header that can't be read.
  private func nextIndexedPosition(_ segment: Segment, after position: Int64) throws(EventLogError) -> Int64 {
    if let bytes = try? fileSystem.contents(of: segment.files.offsetIndex),
      let entries = IndexFile.offsets(bytes, logSize: segment.size),
      let next = entries.first(where: { Int64($0.position) > position })
    {
      return Int64(next.position)
    }
    throw EventLogError(
      .corruptMessage,
      "a batch below the recovery point is damaged, so that what follows it can't be found; nothing was "
        + "cut. Restore the segment from a backup, or move the partition's directory away",
      file: segment.files.log, position: position)
  }

  /// Logs that were compacted before, or imported, have gaps below the recovery point.
  private func allowsGap(_ header: RecordBatchHeader, after scan: Scan) -> Bool {
    header.baseOffset > scan.nextOffset && header.nextOffset <= checkpoint.recoveryPoint
  }

  private func cut(_ segment: Segment, to end: Int64, why: LogScanner.End) throws(EventLogError) {
    guard end < Int64(segment.size) else { return }
    if case .invalid(let reason) = why {
      context.warn(
        EventLogError(
          .corruptMessage, "cut \(Int64(segment.size) - end) bytes behind the last valid batch: \(reason)",
          file: segment.files.log, position: end))
    } else if why == .incomplete {
      context.warn(
        EventLogError(
          .corruptMessage, "cut a batch that was not written to its end", file: segment.files.log, position: end))
    }
    let file = try fileSystem.open(segment.files.log, .readWrite)
    defer { fileSystem.close(file) }
    try fileSystem.truncate(file, to: end, path: segment.files.log)
  }

  /// What a process that died left in the page cache is made durable before anybody sees it.
  private func sync(_ path: String) throws(EventLogError) {
    let file = try fileSystem.open(path, .readWrite)
    defer { fileSystem.close(file) }
    try fileSystem.syncData(file, path: path)
  }

  /// After a failed sync, the kernel holds pages that it believes to be on the disk and that are not. Writing them to a
  /// new file is the one thing that makes them durable.
  private func replaceByCopy(_ segment: Segment) throws(EventLogError) {
    let path = segment.files.log
    let copy = path + ".tmp"
    let source = try fileSystem.open(path, .read)
    defer { fileSystem.close(source) }
    let target = try fileSystem.open(copy, .create)
    defer { fileSystem.close(target) }
    var position: Int64 = 0
    while position < Int64(segment.size) {
      let bytes = try fileSystem.read(
        source, at: position, count: min(1 << 20, segment.size - Int(position)), path: path)
      guard !bytes.isEmpty else { break }
      try fileSystem.write(target, bytes, at: position, path: copy)
      position += Int64(bytes.count)
    }
    try fileSystem.syncData(target, path: copy)
    try fileSystem.rename(copy, to: path)
    try fileSystem.syncDirectory(directory)
  }

  private func discard(_ base: Int64, after offset: Int64) throws(EventLogError) {
    let files = SegmentFiles(directory: directory, baseOffset: base)
    context.warn(
      EventLogError(
        .corruptMessage, "dropped a segment that does not connect to the log, which ends at \(offset)",
        offset: base, file: files.log))
    for path in [files.log, files.offsetIndex, files.timeIndex, files.transactionIndex] { try unlinkIfPresent(path) }
  }

  private func unlinkIfPresent(_ path: String) throws(EventLogError) {
    if try fileSystem.status(path) != nil { try fileSystem.unlink(path) }
  }
}

/// A file beside the partition's directory that says: a sync of it failed since the machine was started.
///
/// It need not be durable. It matters only for as long as the page cache lives, and so does an unsynced file.
struct SyncFailureMark {
  let directory: String
  var path: String { SiblingName.path(directory, suffix: ".sync-failed") }

  func make(_ fileSystem: any FileSystem) {
    // Where even this fails, nothing can be written here at all, and so nothing wrong be acknowledged.
    if let file = try? fileSystem.open(path, .createIfMissing) { fileSystem.close(file) }
  }
}
