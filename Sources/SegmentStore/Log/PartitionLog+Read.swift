internal import Glibc
package import RecordFormat
internal import Synchronization

/// Where a reader is: saves it the search when it goes on from there.
package struct ReadPosition: Sendable {
  let segment: Segment
  private(set) var position: Int
  /// The offset that is read for.
  private(set) var offset: Int64
  /// The offset that the batch at `position` has to begin with, but for what was compacted away; nil where it is not
  /// known, because an index led here.
  private(set) var expected: Int64?

  /// Where in the segment the batch begins that begins with `offset`; nil where that is not known.
  func place(of offset: Int64) -> Int? { self.offset == offset && expected == offset ? position : nil }

  /// Moves behind a batch of the same segment.
  mutating func advance(to position: Int, offset: Int64) {
    self.position = position
    self.offset = offset
    expected = offset
  }
}

/// How much a reader may see (`isolation.level`).
package enum IsolationLevel: Sendable {
  case readUncommitted
  case readCommitted
}

/// What one read gives. A reader that keeps it for the next read saves the memory and the search.
package struct FetchedBatches: Sendable {
  /// Data batches, in order. The first may begin before the offset that was asked for.
  package var batches: [RecordBatchView] = []
  /// Where to read on: after the last batch, and after what was passed over as invisible.
  package var nextOffset: Int64 = 0
  package var position: ReadPosition?
  package var highWatermark: Int64 = 0
  package var logStartOffset: Int64 = 0
  package var sizeInBytes = 0
  /// From this offset on, batches were encoded by this process: with the right checksum, their records are what the header
  /// says, and need not be gone over to know it.
  package var encodedHereFrom = Int64.max

  package init() {}

  init(nextOffset: Int64, highWatermark: Int64, logStartOffset: Int64) {
    self.nextOffset = nextOffset
    self.highWatermark = highWatermark
    self.logStartOffset = logStartOffset
  }

  /// Lets go of the batches. Room for a few is kept.
  package mutating func removeBatches() {
    sizeInBytes = 0
    guard !batches.isEmpty else { return }
    if batches.capacity > 16 { batches = [] }
    // One by one, which is quicker for so few than all at once.
    while !batches.isEmpty { batches.removeLast() }
  }

  /// Whether what is to be read next is known to lie at `position`.
  fileprivate var isAtPosition: Bool {
    guard let position else { return false }
    return position.offset == nextOffset && position.position < position.segment.size && !position.segment.isRemoved
  }

  /// Forgets what was found so far, and where.
  fileprivate mutating func beginAgain(at offset: Int64) {
    removeBatches()
    nextOffset = offset
    position = nil
  }
}

extension PartitionLog {
  /// Reads whole batches from the one on that holds `offset`.
  ///
  /// - Parameters:
  ///   - maxBytes: where to stop, but for the first batch: that one is returned whole, however large, if
  ///     `minimumOneBatch` says so.
  ///   - position: where the last read of this reader ended.
  /// - Throws: `offsetOutOfRange` below the log start and beyond the log end, `corruptMessage` where a batch is damaged.
  package func read(
    from offset: Int64, maxBytes: Int, minimumOneBatch: Bool = true, isolation: IsolationLevel = .readUncommitted,
    checksCRC: Bool = true, after position: ReadPosition? = nil
  ) throws(EventLogError) -> FetchedBatches {
    var result = FetchedBatches()
    result.position = position
    try read(
      into: &result, from: offset, maxBytes: maxBytes, minimumOneBatch: minimumOneBatch, isolation: isolation,
      checksCRC: checksCRC)
    return result
  }

  /// The same, in place of what an earlier read gave, and from where that ended.
  package func read(
    into result: inout FetchedBatches, from offset: Int64, maxBytes: Int, minimumOneBatch: Bool,
    isolation: IsolationLevel, checksCRC: Bool
  ) throws(EventLogError) {
    result.removeBatches()
    if isAbandoned.load(ordering: .acquiring), let failure { throw failure }
    let start = logStartOffset
    guard offset >= start, offset <= logEndOffset else {
      throw EventLogError(
        .offsetOutOfRange, "the log holds the offsets from \(start) to \(logEndOffset)", offset: offset
      ).at(topicPartition)
    }
    // Nobody is to take the end of what can be seen for the end of what a dead process left.
    if offset >= highWatermark, isRecovering { try waitUntilRecovered() }
    let highWatermark = highWatermark
    let end = isolation == .readCommitted ? lastStableOffset : highWatermark
    result.nextOffset = offset
    result.highWatermark = highWatermark
    result.logStartOffset = start
    result.encodedHereFrom = foundEnd
    guard offset < end else { return }
    var isFirst = true
    do throws(EventLogError) {
      // A gap is compaction's. One that is met while segments are being replaced may be a place of which nobody knows yet
      // where it lies: it is looked for again.
      for _ in 0..<10_000 {
        let changes = segmentChanges.load(ordering: .sequentiallyConsistent)
        try despiteRemovals { () throws(EventLogError) in
          if !isFirst { result.beginAgain(at: offset) }
          isFirst = false
          try collect(&result, below: end, maxBytes: maxBytes, minimumOneBatch: minimumOneBatch, checksCRC: checksCRC)
        }
        let hasGap = result.batches.isEmpty || result.batches[0].header.baseOffset > offset
        if !hasGap || (changes.isMultiple(of: 2) && segmentChanges.load(ordering: .sequentiallyConsistent) == changes) {
          break
        }
        sched_yield()
      }
      // The place that an index led to in vain need not be the right one next time.
      if result.nextOffset == offset { result.position = nil }
      if isolation == .readCommitted { dropAborted(&result, from: offset) }
    } catch {
      result.position = nil
      throw error.at(topicPartition)
    }
    // Deleted while it was read: what was found instead lies behind a gap of which nobody would be told.
    if logStartOffset > start, offset < logStartOffset {
      throw EventLogError(
        .offsetOutOfRange, "the log holds the offsets from \(logStartOffset) to \(logEndOffset)", offset: offset
      ).at(topicPartition)
    }
  }

  /// Goes through segments until something was found: one that holds nothing more to see leads to the next.
  private func collect(
    _ result: inout FetchedBatches, below end: Int64, maxBytes: Int, minimumOneBatch: Bool, checksCRC: Bool
  ) throws(EventLogError) {
    while result.nextOffset < end {
      if !result.isAtPosition {
        guard let found = try locate(result.nextOffset) else { return }
        result.position = found
      }
      guard let segment = result.position?.segment else { return }
      let before = result.nextOffset
      let isDone = try collect(
        &result, in: segment, below: end, maxBytes: maxBytes, minimumOneBatch: minimumOneBatch, checksCRC: checksCRC)
      if isDone || !result.batches.isEmpty { return }
      // The rest of this segment was compacted away or is invisible: go on where the next one begins.
      if result.nextOffset == before {
        guard let next = segments.first(where: { $0.baseOffset > before }) else { return }
        result.nextOffset = max(before, min(next.baseOffset, end))
        result.position = ReadPosition(
          segment: next, position: 0, offset: result.nextOffset, expected: next.baseOffset)
      }
    }
  }

  /// Batches of one segment, that of `result.position`. True where the caller is to stop, having enough or being at the end.
  private func collect(
    _ result: inout FetchedBatches, in segment: Segment, below end: Int64, maxBytes: Int, minimumOneBatch: Bool,
    checksCRC: Bool
  ) throws(EventLogError) -> Bool {
    let size = segment.size
    let contents = try segment.loadedContents(context)
    let region = contents.region
    var position = result.position?.position ?? 0
    var expected = result.position?.expected
    // Where the last batch lies that was passed over, unchecked, on the way to what is sought.
    var passed: Int?
    while position < size {
      let damage: EventLogError
      do throws(EventLogError) {
        let header = try self.header(in: contents, at: position, size: size, segment, expected: expected)
        if header.baseOffset != expected, let before = passed, header.baseOffset > result.nextOffset {
          // A gap where the sought offset would be: compaction's, if the batch before it says truly where it ends.
          let here = position
          position = before
          try check(self.header(in: contents, at: before, size: size, segment), at: before, region, segment)
          position = here
        }
        if header.baseOffset >= end { return true }
        guard header.nextOffset > result.nextOffset else {
          expected = header.nextOffset
          passed = position
          position += header.sizeInBytes
          continue
        }
        let isFirst = result.batches.isEmpty
        if result.sizeInBytes + header.sizeInBytes > maxBytes, !(isFirst && minimumOneBatch) { return true }
        // What is shown ends where a batch does: one that says otherwise is damaged.
        if checksCRC || header.nextOffset > end { try check(header, at: position, region, segment) }
        if header.nextOffset > end { return true }
        let start = position
        expected = header.nextOffset
        passed = nil
        position += header.sizeInBytes
        result.nextOffset = header.nextOffset
        result.position?.advance(to: position, offset: header.nextOffset)
        // Markers take offsets, and are never shown.
        if header.attributes.isControl { continue }
        result.batches.append(RecordBatchView(region: region, start: start, header: header))
        result.sizeInBytes += header.sizeInBytes
        continue
      } catch {
        damage = error
      }
      // What came before the damage is returned first; the next read begins with it, and says so.
      if !result.batches.isEmpty { return true }
      let next = resumption(in: contents, behind: position, size: size, segment)
      // Damage that lies before what is sought is passed over.
      if let next, next.offset <= result.nextOffset {
        position = next.position
        expected = nil
        passed = nil
        continue
      }
      var located = damage
      located.offset = located.offset ?? result.nextOffset
      located.message += "; seek to offset \(next?.offset ?? offset(behind: segment)) to go on behind it"
      throw located
    }
    return false
  }

  @inline(always)
  func check(
    _ header: RecordBatchHeader, at position: Int, _ region: MemoryRegion, _ segment: Segment
  ) throws(EventLogError) {
    let bytes = region.bytes(position..<(position + header.sizeInBytes))
    guard RecordBatchCheck.coldChecksum(bytes) != header.crc else { return }
    throw checksumError(header, at: position, segment)
  }

  private func checksumError(_ header: RecordBatchHeader, at position: Int, _ segment: Segment) -> EventLogError {
    EventLogError(
      .corruptMessage, "the checksum of the batch does not fit its bytes", offset: header.baseOffset,
      file: segment.files.log, position: Int64(position))
  }

  /// The header at `position`.
  ///
  /// - Parameter expected: the offset that the batch has to begin with, but for what was compacted away.
  @inline(always)
  func header(
    in contents: SegmentContents, at position: Int, size: Int, _ segment: Segment, expected: Int64? = nil
  ) throws(EventLogError) -> RecordBatchHeader {
    // Mostly it is one, and the one that is due.
    if let header = contents.header(at: position, size: size), expected == nil || header.baseOffset == expected {
      return header
    }
    return try doubtfulHeader(in: contents, at: position, size: size, segment, expected: expected)
  }

  /// The same, where there is no batch, or not the one that is due: one that follows a gap, or what is wrong.
  private func doubtfulHeader(
    in contents: SegmentContents, at position: Int, size: Int, _ segment: Segment, expected: Int64?
  ) throws(EventLogError) -> RecordBatchHeader {
    let available = size - position
    let bytes = contents.region.bytes(position..<(position + min(available, RecordBatchHeader.size)))
    let reason: String
    switch RecordBatchCheck.header(bytes, available: available) {
    case .batch(let header):
      guard let expected, header.baseOffset != expected else { return header }
      if isGap(before: header, at: position, contents, size: size, segment, expected: expected) { return header }
      reason = "offset \(header.baseOffset) stands where \(expected) is due"
    case .unwritten: reason = "zeros where a batch should be"
    case .incomplete: reason = "the segment ends in the middle of a batch"
    case .corrupt(let why): reason = why
    }
    throw EventLogError(.corruptMessage, reason, file: segment.files.log, position: Int64(position))
  }

  /// Whether a batch that does not begin where the one before it ends is one that compaction left. The checksum says
  /// nothing about the base offset, so it is held against what follows.
  private func isGap(
    before header: RecordBatchHeader, at position: Int, _ contents: SegmentContents, size: Int, _ segment: Segment,
    expected: Int64
  ) -> Bool {
    guard header.baseOffset > expected else { return false }
    let end = position + header.sizeInBytes
    if end >= size { return header.nextOffset <= offset(behind: segment) }
    guard let following = contents.header(at: end, size: size) else { return true }
    return header.nextOffset <= following.baseOffset
  }

  /// Where the log goes on behind what can't be read at `position`, as far as that is known within the segment.
  private func resumption(
    in contents: SegmentContents, behind position: Int, size: Int, _ segment: Segment
  ) -> (position: Int, offset: Int64)? {
    // Where only the base offset is damaged, the length still leads to the next batch.
    if let damaged = contents.header(at: position, size: size) {
      let next = position + damaged.sizeInBytes
      if let header = contents.header(at: next, size: size),
        RecordBatchView(region: contents.region, start: next, header: header).hasValidChecksum
      {
        return (next, header.baseOffset)
      }
    }
    let found = contents.indexedBatch(behind: position, baseOffset: segment.baseOffset, size: size)
    return found.map { ($0.position, $0.header.baseOffset) }
  }

  /// The offset that follows a segment's last.
  private func offset(behind segment: Segment) -> Int64 {
    segments.first { $0.baseOffset > segment.baseOffset }?.baseOffset ?? logEndOffset
  }

  /// The place from which `offset` is found by going forward.
  private func locate(_ offset: Int64) throws(EventLogError) -> ReadPosition? {
    let segments = segments
    guard let segment = Self.floor(segments, offset) ?? segments.first else { return nil }
    let size = segment.size
    guard size > 0 else {
      return ReadPosition(segment: segment, position: 0, offset: offset, expected: segment.baseOffset)
    }
    let position = try segment.loadedContents(context).checkedPosition(
      ofRelativeOffset: offset - segment.baseOffset, baseOffset: segment.baseOffset, size: size)
    return ReadPosition(
      segment: segment, position: position, offset: offset, expected: position == 0 ? segment.baseOffset : nil)
  }

  /// The last segment that begins at or before `offset`.
  static func floor(_ segments: [Segment], _ offset: Int64) -> Segment? {
    var low = 0
    var high = segments.count
    while low < high {
      let middle = (low + high) / 2
      if segments[middle].baseOffset <= offset { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? nil : segments[low - 1]
  }
}
