internal import RecordFormat

// After an unclean stop: everything that was written since the recovery point is checked, and the log ends where the first
// batch is not right. What lies below the recovery point was on the disk and acknowledged: of that nothing is ever cut.

extension LogLoader {
  func recover(_ bases: [Int64]) throws(EventLogError) -> Result {
    let mark = SyncFailureMark(directory: directory)
    let mayHaveLostPages = try fileSystem.status(mark.path) != nil
    var segments: [Segment] = []
    var wasTruncated = false
    var epochs = LeaderEpochCheckpoint()
    var scans: [Int64: ScannedSegment] = [:]
    var result: Result?
    var hasNewNames = false
    for (number, base) in bases.enumerated() {
      let isLast = number == bases.count - 1
      let nextBase = isLast ? nil : bases[number + 1]
      let (candidate, isShared) = try segment(base)
      // A segment that ends at the recovery point may have been rolled away since, and not yet been trimmed. Where the
      // recovery point lies beyond its end, the sync that got there had finished it before.
      if let nextBase, nextBase < checkpoint.recoveryPoint {
        segments.append(candidate)
        continue
      }
      let scan = try scan(candidate, isLast: isLast)
      let goesOn = nextBase.map { isConnected(scan, to: $0) } ?? false
      // Who is about to cut it, or to append to it, gets a file of its own.
      if isShared, scan.end < Int64(candidate.size) || !goesOn { try replaceByCopy(candidate) }
      try cut(candidate, to: scan.end, why: scan.why)
      wasTruncated = wasTruncated || scan.isTorn
      let recovered = Segment(
        files: candidate.files, size: Int(scan.end), createdAt: candidate.createdAt, index: goesOn ? nil : scan.index)
      segments.append(recovered)
      epochs.add(scan.epochs)
      scans[base] = scan.summary
      // Which segment's sync failed is not known: none that was written since the recovery point can be trusted.
      if mayHaveLostPages { try replaceByCopy(recovered) }
      let isDeferred =
        scan.unsyncedBytes > 0 && !goesOn && !mayHaveLostPages && !context.takesRecoverySync(scan.unsyncedBytes)
      let isSynced = goesOn || (!isDeferred && (scan.unsyncedBytes > 0 || scan.isTorn))
      if isSynced {
        try sync(candidate.files.log)
        hasNewNames = true
      }
      if goesOn {
        var index = scan.index
        index.close()
        try replaceIndexes(index, candidate.files, durably: true)
        continue
      }
      for later in bases[(number + 1)...] {
        wasTruncated = true
        try discard(later, after: scan.nextOffset)
      }
      var index = scan.index
      index.close()
      // The files go up to where an earlier stop left the log, unless they speak of what is no more.
      if wasTruncated || scan.indexCheck?.isPassed != true {
        try replaceIndexes(index, candidate.files)
        hasNewNames = true
      }
      result = Result(
        segments: segments, activeIndex: index, firstBatchTimestamp: scan.firstBatchTimestamp,
        nextOffset: max(scan.nextOffset, base), logStartOffset: logStart(bases[0]), isIndexDirty: true)
      result?.hasUnsyncedCut = scan.end < Int64(candidate.size) && !isSynced
      if isDeferred {
        result?.durableOffset = max(checkpoint.recoveryPoint, base)
        result?.hasNewNames = true
      }
      break
    }
    // Whatever stands in for what was lost is on the disk under its own name: `replaceByCopy` saw to that.
    try unlinkIfPresent(mark.path)
    guard var result else {
      throw EventLogError(.storageError, "recovery ended without an active segment", file: directory)
    }
    if result.logStartOffset > result.nextOffset {
      // All that was left lay below the log start: go on from there with a fresh segment, as Kafka does.
      for segment in result.segments { try discard(segment.baseOffset, after: result.nextOffset) }
      result = try createFirstSegment(checkpoint.logStartOffset)
      wasTruncated = true
    }
    if result.nextOffset < max(checkpoint.recoveryPoint, checkpoint.logEndOffset ?? 0) {
      wasTruncated = true
      context.warn(
        EventLogError(
          .storageError,
          "the log ends at \(result.nextOffset), but was on the disk up to \(checkpoint.recoveryPoint): "
            + "something outside of EventLog took the rest away", file: directory))
    }
    // A process that died before its first sync left the names to nobody else. Segments that were dropped must not come back.
    if hasNewNames || wasTruncated {
      try mark.orMake(fileSystem) { () throws(EventLogError) in try fileSystem.syncNames(in: directory) }
    }
    result.wasTruncated = wasTruncated
    result.epochs = epochs
    result.scans = scans
    return result
  }

  /// Where there is no room for them the log does without: they are made anew by who needs them.
  private func replaceIndexes(
    _ index: IndexBuilder, _ files: SegmentFiles, durably: Bool = false
  ) throws(EventLogError) {
    do throws(EventLogError) {
      try IndexFile.write(index.offsets, index.times, files, fileSystem, durably: durably)
    } catch {
      context.warn(error)
      try unlinkIfPresent(files.offsetIndex)
      try unlinkIfPresent(files.timeIndex)
    }
  }

  /// Whether the log goes on with the segment at `base`.
  private func isConnected(_ scan: Scan, to base: Int64) -> Bool {
    if scan.nextOffset == base { return true }
    guard scan.nextOffset < base else { return false }
    if configuration.isCompacted { return true }
    // What is missing had been on the disk, so that no crash took it: what lies behind it may have been acknowledged.
    guard scan.nextOffset < checkpoint.recoveryPoint else { return false }
    context.warn(
      EventLogError(
        .corruptMessage, "the offsets from \(scan.nextOffset) to \(base) are missing: something outside took them",
        offset: scan.nextOffset, file: directory))
    return true
  }

  private struct Scan {
    var end: Int64 = 0
    var why: LogScanner.End = .endOfFile
    var nextOffset: Int64
    var index: IndexBuilder
    var indexCheck: IndexCheck?
    var firstBatchTimestamp: Int64?
    var epochs = LeaderEpochCheckpoint()
    var summary = ScannedSegment()
    /// How much was written since the recovery point.
    var unsyncedBytes: Int64 = 0
    /// Whether something that was not just reserved room lies behind the last valid batch.
    var isTorn: Bool { why != .endOfFile && why != .unwritten }
  }

  private func scan(_ segment: Segment, isLast: Bool) throws(EventLogError) -> Scan {
    let path = segment.files.log
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    var scan = Scan(
      nextOffset: segment.baseOffset,
      index: IndexBuilder(baseOffset: segment.baseOffset, interval: configuration.indexIntervalBytes),
      indexCheck: isLast ? IndexCheck(segment, fileSystem) : nil)
    var scanner = LogScanner(mapping: file, fileSystem, path: path, limit: Int64(segment.size))
    while true {
      let fault: String
      switch try scanner.nextHeader() {
      case .batch(let header, let position, _):
        scan.end = position
        let isKnown = header.nextOffset <= checkpoint.recoveryPoint
        // What was on the disk is checked by who reads it. A producer's batch has consequences before anybody reads it.
        let isPassedOver = isKnown && !header.hasProducerID && header.baseOffset == scan.nextOffset
        let isValid = try isPassedOver ? true : scanner.hasValidChecksum(header, at: position)
        // The checksum says nothing about the base offset: an old batch behind a hole has a good one too.
        let isExpected =
          header.baseOffset == scan.nextOffset
          || (configuration.isCompacted && header.baseOffset > scan.nextOffset) || allowsGap(header, after: scan)
        if isExpected, isValid || isKnown {
          if !isValid { warnOfDamage(segment, position, "the checksum does not fit the bytes") }
          scan.summary.add(header, isValid: isValid)
          if !isKnown { scan.unsyncedBytes += Int64(header.sizeInBytes) }
          if position == 0 { scan.firstBatchTimestamp = header.maxTimestamp }
          scan.index.add(header, position: Int(position))
          scan.indexCheck?.see(header, at: position)
          scan.epochs.assign(header.partitionLeaderEpoch, from: header.baseOffset)
          scan.nextOffset = header.nextOffset
          scan.end = position + Int64(header.sizeInBytes)
          continue
        }
        if !isExpected, isValid, let next = dueAfter(header, scan) {
          // All but the base offset is vouched for by the checksum, and so is where the next batch lies.
          warnOfDamage(segment, position, "offset \(header.baseOffset) stands where \(scan.nextOffset) is due")
          scan.summary.isSound = false
          scan.nextOffset = next
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
        case .unwritten where scan.nextOffset < checkpoint.recoveryPoint:
          guard try !fileSystem.isZero(position..<Int64(segment.size), of: file, path) else {
            scan.why = reason
            return scan
          }
          fault = "zeros where a batch should be"
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
      scan.summary.isSound = false
      let next = try nextIndexedPosition(segment, after: scan.end)
      scanner = LogScanner(mapping: file, fileSystem, path: path, from: next, limit: Int64(segment.size))
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

  /// The offset after a batch below the recovery point whose base offset is damaged.
  private func dueAfter(_ header: RecordBatchHeader, _ scan: Scan) -> Int64? {
    let next = scan.nextOffset.addingReportingOverflow(Int64(header.lastOffsetDelta) + 1)
    return next.overflow || next.partialValue > checkpoint.recoveryPoint ? nil : next.partialValue
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
    try SyncFailureMark(directory: directory).orMake(fileSystem) { () throws(EventLogError) in
      try fileSystem.syncData(file, path: path)
    }
  }

  /// Has the segment's bytes in a new file. After a failed sync, the kernel holds pages that it believes to be on the disk and
  /// that are not: writing them anew is the one thing that makes them durable. And a file that has another name is a
  /// backup's too, or that of the store whose backup this is: it must not be changed.
  func replaceByCopy(_ segment: Segment) throws(EventLogError) {
    let path = segment.files.log
    let copy = path + ".tmp"
    let source = try fileSystem.open(path, .read)
    defer { fileSystem.close(source) }
    let target = try fileSystem.open(copy, .create)
    defer { fileSystem.close(target) }
    _ = try fileSystem.copy(0..<Int64(segment.size), of: source, path, to: target, copy, at: 0)
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
