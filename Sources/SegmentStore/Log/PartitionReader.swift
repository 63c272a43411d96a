package import RecordFormat
internal import Synchronization

/// Reads a partition that another process may be writing, rolling and deleting at this moment.
///
/// It never maps a file: the owner cuts files when it rolls or closes, and a mapping past the end of one is a signal, not
/// an error. It believes a batch only after its checksum, since the owner's stores have no order here.
package final class PartitionReader: Sendable {
  package let topicPartition: TopicPartition
  package let directory: String
  let fileSystem: any FileSystem
  private let startOffset: Int64
  /// Up to here the log was on the disk when the directory was opened: a batch below it that is not right is damaged,
  /// and not one that is being written.
  private let recoveryPoint: Int64
  /// Whether the topic is not there any more: then it is no wonder that its files are not.
  private let isDeleted: @Sendable () -> Bool
  /// Where the log was last seen to end.
  private let tail: Mutex<Place?>
  /// Where the last read ended, which is where the next one begins.
  private let lastRead: Mutex<Place?>
  /// The segments as they were last found.
  let listing = Mutex<[Int64]>([])
  let transactions = Mutex(ReaderTransactions())

  /// A place in a segment.
  private struct Place {
    var base: Int64
    var position: Int64
    /// The offset that the batch there begins with, but for what was compacted away; nil where that is not known.
    var expected: Int64?
  }

  package init(
    _ topicPartition: TopicPartition, directory: String, logStartOffset: Int64, recoveryPoint: Int64 = 0,
    fileSystem: any FileSystem, isDeleted: @escaping @Sendable () -> Bool = { false }
  ) {
    self.topicPartition = topicPartition
    self.directory = directory
    self.fileSystem = fileSystem
    startOffset = logStartOffset
    self.recoveryPoint = recoveryPoint
    self.isDeleted = isDeleted
    tail = Mutex(nil)
    lastRead = Mutex(nil)
  }

  package func logStartOffset() throws(EventLogError) -> Int64 {
    max(startOffset, try bases().first ?? 0)
  }

  /// Bytes of all batches, without the room that the owner has reserved ahead of them.
  package func writtenBytes() throws(EventLogError) -> Int64 {
    try despiteRemovals { () throws(EventLogError) in try findWrittenBytes() }
  }

  private func findWrittenBytes() throws(EventLogError) -> Int64 {
    _ = try findLogEndOffset()
    guard let end = tail.withLock({ $0 }) else { return 0 }
    var sum = end.position
    for base in try bases() where base < end.base {
      sum += try fileSystem.status(path(ofSegment: base))?.size ?? 0
    }
    return sum
  }

  package func segmentCount() throws(EventLogError) -> Int { try bases().count }

  /// The offset after the last whole batch, as it is now.
  package func logEndOffset() throws(EventLogError) -> Int64 {
    try despiteRemovals { () throws(EventLogError) in try findLogEndOffset() }
  }

  private func findLogEndOffset() throws(EventLogError) -> Int64 {
    guard let last = try bases().last else { return max(startOffset, recoveryPoint) }
    let files = SegmentFiles(directory: directory, baseOffset: last)
    let file = try fileSystem.open(files.log, .read)
    defer { fileSystem.close(file) }
    let size = try fileSystem.size(of: file, path: files.log)
    var place = Place(base: last, position: 0, expected: last)
    if let known = tail.withLock({ $0 }), known.base == last, known.position <= size {
      place = known
    } else if let indexed = try indexedPlace(files, file, size: size, before: .max) {
      place = indexed
    }
    var end = place.expected ?? last
    var scanner = LogScanner(fileSystem, file, path: files.log, from: place.position, limit: size)
    while case .batch(let header, let position, let isValid) = try scanner.next() {
      if let expected = place.expected, header.baseOffset < expected { break }
      if !isValid, header.nextOffset > recoveryPoint, try scanner.isUnfinished(header) { break }
      end = header.nextOffset
      place.position = position + Int64(header.sizeInBytes)
      place.expected = end
    }
    tail.withLock { $0 = place }
    return max(end, recoveryPoint)
  }

  /// Reads whole batches from the one on that holds `offset`: as `PartitionLog.read`, up to the log end, or with
  /// `readCommitted` up to the last stable offset.
  package func read(
    from offset: Int64, maxBytes: Int, minimumOneBatch: Bool = true, isolation: IsolationLevel = .readUncommitted
  ) throws(EventLogError) -> FetchedBatches {
    do throws(EventLogError) {
      return try whereNothingMoves(from: offset) { () throws(EventLogError) in
        try despiteRemovals { () throws(EventLogError) in
          try readOnce(from: offset, maxBytes: maxBytes, minimumOneBatch: minimumOneBatch, isolation: isolation)
        }
      }
    } catch {
      guard isDeleted() else { throw error.at(topicPartition) }
      throw EventLogError(.unknownTopicOrPartition, "the topic was deleted meanwhile").at(topicPartition)
    }
  }

  private func readOnce(
    from offset: Int64, maxBytes: Int, minimumOneBatch: Bool, isolation: IsolationLevel
  ) throws(EventLogError) -> FetchedBatches {
    let logEnd = try logEndOffset()
    let start = try logStartOffset()
    guard offset >= start, offset <= logEnd else {
      throw EventLogError(.offsetOutOfRange, "the log holds the offsets from \(start) to \(logEnd)", offset: offset)
    }
    let end = isolation == .readCommitted ? min(try lastStableOffset(), logEnd) : logEnd
    var result = FetchedBatches(nextOffset: offset, highWatermark: end, logStartOffset: start)
    let bases = try bases()
    if bases.isEmpty { try requireFiles(for: offset) }
    var index = max(0, (bases.firstIndex { $0 > offset } ?? bases.count) - 1)
    while result.nextOffset < end, index < bases.count, result.batches.isEmpty {
      try collect(&result, in: bases[index], below: end, maxBytes: maxBytes, minimumOneBatch: minimumOneBatch)
      index += 1
      // What is missing at the end of a segment was compacted away.
      if result.batches.isEmpty, index < bases.count {
        result.nextOffset = max(result.nextOffset, min(bases[index], end))
      }
    }
    if isolation == .readCommitted { try dropAborted(&result) }
    return result
  }

  /// Of a log without a segment.
  private func requireFiles(for offset: Int64) throws(EventLogError) {
    guard offset < recoveryPoint || isDeleted() else { return }
    throw EventLogError(
      .corruptMessage,
      "the partition's files are gone, but it was on the disk up to \(recoveryPoint): something outside of EventLog took "
        + "them", offset: offset, file: directory)
  }

  private func collect(
    _ result: inout FetchedBatches, in base: Int64, below end: Int64, maxBytes: Int, minimumOneBatch: Bool
  ) throws(EventLogError) {
    let files = SegmentFiles(directory: directory, baseOffset: base)
    let file = try fileSystem.open(try path(ofSegment: base), .read)
    defer { fileSystem.close(file) }
    let size = try fileSystem.size(of: file, path: files.log)
    let from = try place(of: result.nextOffset, files, file, size: size)
    var expected = from.expected
    var scanner = LogScanner(fileSystem, file, path: files.log, from: from.position, limit: size)
    while result.nextOffset < end {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        // Of what is damaged: what came before is returned first; the next read begins with it, and says so.
        guard try isInPlace(header, expected: expected, &scanner) else {
          if let following = try scanner.following(), following.baseOffset <= result.nextOffset {
            // It lies before what is sought.
            expected = nil
            continue
          }
          if !result.batches.isEmpty { return }
          throw EventLogError(
            .corruptMessage, "offset \(header.baseOffset) stands where \(expected ?? base) is due",
            offset: result.nextOffset, file: files.log, position: position)
        }
        expected = header.nextOffset
        guard header.nextOffset > result.nextOffset else { continue }
        guard header.nextOffset <= end else { return }
        guard isValid else {
          if !result.batches.isEmpty { return }
          throw EventLogError(
            .corruptMessage,
            "the checksum of the batch does not fit its bytes; seek past offset \(header.lastOffset) to go on without it",
            offset: header.baseOffset, file: files.log, position: position)
        }
        if result.sizeInBytes + header.sizeInBytes > maxBytes, !(result.batches.isEmpty && minimumOneBatch) { return }
        result.nextOffset = header.nextOffset
        let next = Place(base: base, position: position + Int64(header.sizeInBytes), expected: header.nextOffset)
        lastRead.withLock { $0 = next }
        if header.attributes.isControl { continue }
        result.batches.append(try scanner.copy(header, at: position))
        result.sizeInBytes += header.sizeInBytes
      case .end(let position, let reason):
        guard reason == .endOfFile || reason == .unwritten || reason == .incomplete || !result.batches.isEmpty else {
          throw EventLogError(
            .corruptMessage, "what lies here is no batch", offset: result.nextOffset, file: files.log,
            position: position)
        }
        if result.batches.isEmpty, result.nextOffset < recoveryPoint, try bases().last == base {
          throw EventLogError(
            .corruptMessage,
            "the log ends with offset \(result.nextOffset), but was on the disk up to \(recoveryPoint): the rest was "
              + "taken away", offset: result.nextOffset, file: files.log, position: position)
        }
        return
      }
    }
  }

  /// Whether a batch begins where the one before it ends, or behind a gap that compaction left: the checksum says
  /// nothing about the base offset, so it is held against what follows.
  private func isInPlace(
    _ header: RecordBatchHeader, expected: Int64?, _ scanner: inout LogScanner
  ) throws(EventLogError) -> Bool {
    guard let expected, header.baseOffset != expected else { return true }
    guard header.baseOffset > expected else { return false }
    guard let following = try scanner.following() else { return true }
    return header.nextOffset <= following.baseOffset
  }

  /// Where to begin to look for `offset`: where the last read ended, or where the index says, if a look shows that it is
  /// right; else at the beginning.
  private func place(
    of offset: Int64, _ files: SegmentFiles, _ file: FileDescriptor, size: Int64
  ) throws(EventLogError) -> Place {
    if let known = lastRead.withLock({ $0 }), known.base == files.baseOffset, known.expected == offset,
      try header(files, file, at: known.position, size: size)?.baseOffset == offset
    {
      return known
    }
    return try indexedPlace(files, file, size: size, before: offset)
      ?? Place(base: files.baseOffset, position: 0, expected: files.baseOffset)
  }

  private func indexedPlace(
    _ files: SegmentFiles, _ file: FileDescriptor, size: Int64, before offset: Int64
  ) throws(EventLogError) -> Place? {
    let base = files.baseOffset
    guard let bytes = try? fileSystem.contents(of: files.offsetIndex),
      let entries = IndexFile.offsets(bytes, logSize: Int(clamping: size)),
      let entry = entries.last(where: { base &+ Int64($0.relativeOffset) <= offset }),
      try header(files, file, at: Int64(entry.position), size: size)?.lastOffset
        == base &+ Int64(entry.relativeOffset)
    else { return nil }
    // The entry names the batch's last offset; which offset it begins with is not said.
    return Place(base: base, position: Int64(entry.position), expected: nil)
  }

  private func header(
    _ files: SegmentFiles, _ file: FileDescriptor, at position: Int64, size: Int64
  ) throws(EventLogError) -> RecordBatchHeader? {
    var scanner = LogScanner(
      fileSystem, file, path: files.log, from: position, limit: size, chunk: RecordBatchHeader.size)
    return try scanner.following()
  }
}
