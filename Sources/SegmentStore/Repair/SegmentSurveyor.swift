internal import RecordFormat

/// Goes over a segment to the end of its file, past everything that is damaged.
///
/// Where a batch is damaged, the next one is looked for: first where the damaged header says that it lies, and, where that
/// is not borne out, byte by byte. What is found has to have a header that can be one, a checksum that is right, and offsets
/// that go on upwards and end where the next segment begins.
struct SegmentSurveyor {
  let fileSystem: any FileSystem
  let files: SegmentFiles
  /// Where the next segment begins; of the last one the end of the log, where that is known, or `.max`.
  let bound: Int64
  let isLast: Bool
  /// Up to where the log is known to have been on the disk.
  let known: Int64
  /// What the `.txnindex` says, where it can be read.
  let aborted: [AbortedTransaction]
  /// What was known of the producers at the segment's end. Where there is that, `aborted` is everything that was aborted.
  let snapshotAtEnd: ProducerSnapshot?

  func survey(_ transactions: inout OpenTransactions) throws(EventLogError) -> SegmentSurvey {
    var survey = try goOver(&transactions)
    if survey.blocker == nil { inferMarkers(&survey, &transactions) }
    return survey
  }

  private func goOver(_ transactions: inout OpenTransactions) throws(EventLogError) -> SegmentSurvey {
    var survey = SegmentSurvey(files: files)
    let file = try fileSystem.open(files.log, .read)
    defer { fileSystem.close(file) }
    survey.size = try fileSystem.size(of: file, path: files.log)
    guard survey.size <= Int64(Int32.max) else {
      survey.blocker = .init(reason: "the segment has \(survey.size) bytes; positions in it have 31 bits")
      return survey
    }
    let finder = BatchFinder(
      fileSystem: fileSystem, file: file, path: files.log, size: survey.size, baseOffset: files.baseOffset, bound: bound
    )
    var scanner = LogScanner(fileSystem, file, path: files.log, limit: survey.size)
    var hint: Int64?
    while true {
      var fault = Fault(position: 0, reason: "the checksum of the batch does not fit its bytes")
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        fault.position = position
        guard isValid else { break }
        let follower = try scanner.following()
        guard
          let base = try rightBase(
            of: header, at: position, due: survey.end, hint: hint, follower: follower, finder)
        else {
          if mayCut(survey) {
            fault.reason = "offset \(header.baseOffset) follows where \(survey.end) is due"
            break
          }
          survey.blocker = .init(
            position: position, offset: header.baseOffset,
            reason:
              "the batch begins at \(header.baseOffset), where \(survey.end) is due, and which of the two is wrong "
              + "can't be told")
          return survey
        }
        hint = nil
        let batch = try scanner.copy(header, at: position)
        if let error = Self.faultInRecords(of: batch) {
          guard error.code == .unsupportedCompressionType else {
            fault.reason = error.message
            fault.isVouchedFor = true
            break
          }
          survey.unreadable.append(.init(position: position, offset: header.baseOffset, reason: error.message))
        }
        let end = position + Int64(header.sizeInBytes)
        if base == header.baseOffset {
          survey.keep(position..<end)
          survey.note(header)
          inferMarker(before: batch, &survey, &transactions)
          transactions.note(batch)
        } else {
          restore(withExtendedLifetime(batch) { Array(batch.bytes) }, position..<end, base, &survey, &transactions)
        }
        continue
      case .end(let position, let end):
        fault.position = position
        switch end {
        case .endOfFile: return survey
        case .unwritten:
          if mayCut(survey), try finder.isZero(position..<survey.size) { return survey }
          fault.reason = "zeros where a batch should be"
        case .incomplete: fault.reason = "a batch that is cut off"
        case .invalid(let why): fault.reason = why
        }
      }
      guard let next = try pass(fault, finder, &survey, &transactions, &hint) else { return survey }
      scanner = LogScanner(fileSystem, file, path: files.log, from: next, limit: survey.size)
    }
  }

  private struct Fault {
    var position: Int64
    var reason: String
    /// Whether the checksum fits, so that the header can be believed.
    var isVouchedFor = false
  }

  /// Whether what comes next was never said to be on the disk.
  private func mayCut(_ survey: SegmentSurvey) -> Bool { isLast && bound == .max && survey.end >= known }

  /// What is wrong with the records of a batch whose checksum is right.
  private static func faultInRecords(of batch: RecordBatchView) -> EventLogError? {
    do throws(EventLogError) {
      try RecordBatchCheck.contents(of: batch)
      return nil
    } catch {
      return error
    }
  }

  /// The base offset of a batch whose checksum is right: no checksum covers that one. Nil where it can't be told.
  ///
  /// - Parameter hint: where a damaged batch just before it, whose length led here, said that it ends.
  private func rightBase(
    of header: RecordBatchHeader, at position: Int64, due: Int64, hint: Int64?, follower: RecordBatchHeader?,
    _ finder: BatchFinder
  ) throws(EventLogError) -> Int64? {
    let count = Int64(header.lastOffsetDelta) + 1
    if header.baseOffset == hint ?? due, finder.fits(header) { return header.baseOffset }
    let limit = try limit(behind: header, at: position, follower, finder)
    for expected in [hint, due] {
      if let expected, let limit, expected + count == limit { return expected }
    }
    let goesOn = follower.map { header.nextOffset <= $0.baseOffset } ?? (header.nextOffset <= bound)
    return header.baseOffset >= due && finder.fits(header) && goesOn ? header.baseOffset : nil
  }

  /// Where the next batch, or segment, begins, if that can be believed.
  private func limit(
    behind header: RecordBatchHeader, at position: Int64, _ follower: RecordBatchHeader?, _ finder: BatchFinder
  ) throws(EventLogError) -> Int64? {
    guard follower != nil else { return bound == .max ? nil : bound }
    let place = position + Int64(header.sizeInBytes)
    guard let next = try finder.batch(at: place, from: files.baseOffset)?.header else { return nil }
    let behind = try finder.header(at: place + Int64(next.sizeInBytes))
    return behind.map { $0.baseOffset >= next.nextOffset } ?? true ? next.baseOffset : nil
  }

  /// Takes a damaged part to the books, and finds the batch behind it; nil where there is none.
  private func pass(
    _ fault: Fault, _ finder: BatchFinder, _ survey: inout SegmentSurvey, _ transactions: inout OpenTransactions,
    _ hint: inout Int64?
  ) throws(EventLogError) -> Int64? {
    let start = fault.position
    let due = survey.end
    var headers: [RecordBatchHeader] = []
    var anchor = fault.isVouchedFor ? Int64.max : start
    var minimum = due
    var next = due
    var position = start
    var found: Int64?
    while found == nil, let header = try finder.header(at: position),
      header.baseOffset == next || (position == start && header.baseOffset > next)
    {
      if position != start {
        anchor = position
        minimum = header.baseOffset
      }
      headers.append(header)
      next = header.nextOffset
      position += Int64(header.sizeInBytes)
      if anchor == .max { anchor = position - 1 }
      if let batch = try finder.batch(at: position, from: next), batch.header.baseOffset == next { found = position }
    }
    // Whether the headers tell where the damaged batches end.
    var isExact = found != nil
    if found == nil {
      found = try finder.search(from: anchor == .max ? start + 1 : anchor + 1, minimum: minimum)
      if found == nil, !headers.isEmpty { isExact = try finder.isZero(position..<survey.size) }
      hint = found == position && !headers.isEmpty ? next : nil
    }
    let end = found ?? (isExact ? position : survey.size)
    var behind: Int64?
    if let found { behind = try finder.header(at: found)?.baseOffset }
    if !fault.isVouchedFor, headers.count <= 1 {
      // A wrong length may end just before the file does.
      for end in found == nil && end < survey.size ? [survey.size, end] : [end] {
        guard let (bytes, base) = try restored(start..<end, due: due, limit: behind ?? bound, finder) else { continue }
        restore(bytes, start..<end, base, &survey, &transactions)
        return found
      }
    }
    let upper: Int64
    if found != nil {
      upper = behind ?? due
    } else {
      upper = isExact ? next : bound == .max ? max(known, due) : bound
    }
    let lower = isExact ? headers.first?.baseOffset ?? due : due
    var damage = SegmentSurvey.Damage(
      range: start..<end, reason: fault.reason, offsets: lower..<max(lower, upper))
    if isExact {
      damage.records = headers.reduce(0) { $0 + ($1.attributes.isControl ? 0 : Int($1.recordCount)) }
    }
    damage.isZero = try finder.isZero(damage.range)
    damage.isTorn = mayCut(survey) && found == nil && !isExact
    damage.markers = lostMarkers(in: damage.offsets, isExact ? headers : [], transactions)
    damage.leaderEpoch = survey.leaderEpoch
    damage.timestamp = survey.timestamp
    for marker in damage.markers {
      survey.end = max(survey.end, marker.offset + 1)
      transactions.close(marker.producerID)
    }
    if isExact, damage.markers.count == headers.count { damage.restored = "made anew, as the marker of a transaction" }
    survey.pieces.append(.markers(ofDamage: survey.damages.count))
    damage.openTransactions = transactions.open.count
    survey.damages.append(damage)
    return found
  }

  // MARK: What can be made right

  /// Puts a batch in whose fields before the checksum were wrong.
  private func restore(
    _ bytes: [UInt8], _ range: Range<Int64>, _ base: Int64, _ survey: inout SegmentSurvey,
    _ transactions: inout OpenTransactions
  ) {
    var bytes = bytes
    let batch = bytes.withUnsafeMutableBytes { buffer -> RecordBatchView? in
      guard let start = buffer.baseAddress else { return nil }
      var header = RecordBatchHeader(loadingFrom: start)
      header.baseOffset = base
      header.batchLength = Int32(truncatingIfNeeded: buffer.count - RecordBatchHeader.logOverhead)
      header.magic = RecordBatchHeader.magicV2
      header.store(to: start)
      return RecordBatchView(region: MemoryRegion(copying: UnsafeRawBufferPointer(buffer)), start: 0, header: header)
    }
    guard let batch else { return }
    survey.pieces.append(.written(bytes))
    survey.note(batch.header)
    transactions.note(batch)
    survey.damages.append(
      SegmentSurvey.Damage(
        range: range, reason: "offset, length or magic of the batch is wrong, its checksum is right",
        offsets: base..<batch.header.nextOffset, records: Int(batch.header.recordCount),
        restored: "made right: the batches around it and its checksum leave but one answer"))
  }

  /// The bytes of a damaged part, if they are one batch of which only what no checksum covers is wrong, and its base offset.
  private func restored(
    _ range: Range<Int64>, due: Int64, limit: Int64, _ finder: BatchFinder
  ) throws(EventLogError) -> ([UInt8], Int64)? {
    let count = range.upperBound - range.lowerBound
    guard count >= Int64(RecordBatchHeader.size) else { return nil }
    let bytes = try finder.bytes(range)
    guard Int64(bytes.count) == count else { return nil }
    let base = bytes.withUnsafeBytes { buffer -> Int64? in
      guard let start = buffer.baseAddress else { return nil }
      let header = RecordBatchHeader(loadingFrom: start)
      guard header.lastOffsetDelta >= 0, RecordBatchCheck.checksum(buffer) == header.crc else { return nil }
      let offsets = Int64(header.lastOffsetDelta) + 1
      let stated = header.baseOffset.addingReportingOverflow(offsets)
      if header.baseOffset >= due, !stated.overflow, stated.partialValue <= limit { return header.baseOffset }
      return due + offsets == limit ? due : nil
    }
    return base.map { (bytes, $0) }
  }
}
