internal import RecordFormat

/// Finds out, at opening, what a partition knows of its producers: from the newest snapshot that can be believed, and from
/// the batches behind it. Gives the segments their aborted transactions in the same go.
struct ProducerStateLoader {
  let context: StoreContext
  let directory: String

  private var fileSystem: any FileSystem { context.fileSystem }

  func load(_ result: inout LogLoader.Result) throws(EventLogError) {
    guard let first = result.segments.first else { return }
    var snapshots: Set<Int64> = []
    var indexes: Set<Int64> = []
    for name in try fileSystem.list(directory) {
      switch SegmentFiles.parse(name) {
      case (let offset, .snapshot)?: snapshots.insert(offset)
      case (let base, .txnindex)?: indexes.insert(base)
      default: break
      }
    }
    try dropSnapshots(beyond: result.nextOffset, &snapshots)
    dropStrays(result.segments, &snapshots)
    if result.nextOffset == first.baseOffset, snapshots.isEmpty, indexes.isEmpty { return }

    // A segment whose end has a snapshot has a complete transaction index too.
    var limit = result.nextOffset
    for (segment, next) in zip(result.segments, result.segments.dropFirst())
    where !snapshots.contains(next.baseOffset) {
      limit = segment.baseOffset
      break
    }
    while true {
      let (start, producers) = newestSnapshot(notBeyond: limit, snapshots) ?? (first.baseOffset, ProducerStateManager())
      guard let damaged = try loadIndexes(result.segments, below: start, indexes) else {
        result.producers = producers
        result.snapshotOffset = start == result.nextOffset && snapshots.contains(start) ? start : nil
        if start < result.nextOffset { try replay(&result, from: start) } else { dropStale(result.segments, indexes) }
        return
      }
      limit = damaged
    }
  }

  /// What was cut off the log must not come back with a snapshot that knew of it.
  private func dropSnapshots(beyond end: Int64, _ snapshots: inout Set<Int64>) throws(EventLogError) {
    let stale = snapshots.filter { $0 > end }
    guard !stale.isEmpty else { return }
    for offset in stale { try fileSystem.unlink(path(offset)) }
    try fileSystem.syncDirectory(directory)
    snapshots.subtract(stale)
  }

  /// Snapshots that stops left within segments. Only the newest, behind the last segment's own, says something that no other
  /// does; Kafka keeps that one too, and no more.
  private func dropStrays(_ segments: [Segment], _ snapshots: inout Set<Int64>) {
    guard let last = segments.last else { return }
    var strays = snapshots.subtracting(segments.map(\.baseOffset))
    if let newest = strays.max(), newest > last.baseOffset { strays.remove(newest) }
    for offset in strays { try? fileSystem.unlink(path(offset)) }
    snapshots.subtract(strays)
  }

  private func path(_ offset: Int64) -> String {
    SegmentFiles(directory: directory, baseOffset: offset).producerSnapshot
  }

  /// The producers of the snapshot at `offset`.
  ///
  /// - Throws: where it can't be believed.
  func producers(at offset: Int64) throws(EventLogError) -> ProducerStateManager {
    var producers = ProducerStateManager(try ProducerSnapshot(bytes: try fileSystem.contents(of: path(offset))))
    producers.expire(
      now: context.time.wallMilliseconds(), after: context.producerIDExpiration, keeping: context.producersKept)
    return producers
  }

  private func newestSnapshot(
    notBeyond limit: Int64, _ snapshots: Set<Int64>
  ) -> (offset: Int64, producers: ProducerStateManager)? {
    for offset in snapshots.filter({ $0 <= limit }).sorted(by: >) {
      do throws(EventLogError) {
        return (offset, try producers(at: offset))
      } catch {
        context.warn(
          EventLogError(
            error.code, "\(error.message); what it said of the producers is taken from the log instead",
            file: path(offset)))
      }
    }
    return nil
  }

  /// Gives the segments what their index files say that lies below `start`.
  ///
  /// - Returns: the base offset of a segment whose file is no index, so that the log has to be asked.
  private func loadIndexes(
    _ segments: [Segment], below start: Int64, _ indexes: Set<Int64>
  ) throws(EventLogError) -> Int64? {
    var found: [(Segment, [AbortedTransaction])] = []
    for segment in segments where segment.baseOffset < start && indexes.contains(segment.baseOffset) {
      guard let bytes = try? fileSystem.contents(of: segment.files.transactionIndex),
        let entries = ProducerFiles.aborted(bytes)
      else {
        context.warn(
          EventLogError(
            .corruptMessage, "the index of aborted transactions is damaged, and is made anew from the log",
            file: segment.files.transactionIndex))
        // It stays until a new one takes its place: a snapshot vouches for it, and would for one that is missing.
        return segment.baseOffset
      }
      found.append((segment, entries))
    }
    for (segment, entries) in found {
      for entry in entries where entry.lastOffset < start && segment.abortedCount < entries.count { segment.add(entry) }
    }
    return nil
  }

  // MARK: From the batches

  private func replay(_ result: inout LogLoader.Result, from start: Int64) throws(EventLogError) {
    for (number, segment) in result.segments.enumerated() {
      let next = number + 1 < result.segments.count ? result.segments[number + 1].baseOffset : nil
      if let next, next <= start { continue }
      let scan = result.scans[segment.baseOffset]
      if segment.size > 0, scan?.hasProducers != false || scan?.isSound == false {
        try replay(segment, from: start, isSound: scan?.isSound == true, &result.producers)
      }
      if let next {
        ProducerFiles(context: context, files: segment.files).write(segment, result.producers.snapshot, at: next)
      } else {
        settleIndex(segment)
      }
    }
  }

  /// Entries behind the log end, which is all that a power cut may have left of a transaction.
  private func dropStale(_ segments: [Segment], _ indexes: Set<Int64>) {
    guard let last = segments.last, indexes.contains(last.baseOffset) else { return }
    let size = (try? fileSystem.status(last.files.transactionIndex))?.size
    if size != Int64(last.abortedCount * AbortedTransaction.size) { settleIndex(last) }
  }

  /// The file of the last segment may speak of what was cut, or lack what a snapshot of an earlier stop vouches for.
  private func settleIndex(_ segment: Segment) {
    do throws(EventLogError) {
      try ProducerFiles(context: context, files: segment.files).writeTransactionIndex(segment)
    } catch {
      context.warn(error)
    }
  }

  private func replay(
    _ segment: Segment, from start: Int64, isSound: Bool, _ producers: inout ProducerStateManager
  ) throws(EventLogError) {
    let path = segment.files.log
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    var scanner = LogScanner(mapping: file, fileSystem, path: path, limit: Int64(segment.size))
    while true {
      switch try scanner.nextHeader() {
      case .batch(let header, let position, _):
        guard header.baseOffset >= start, header.hasProducerID else { continue }
        // What is damaged gives its error when it is read.
        guard try isSound ? true : scanner.hasValidChecksum(header, at: position) else { continue }
        if header.attributes.isControl {
          if let aborted = producers.replay(try scanner.copy(header, at: position)) { segment.add(aborted) }
        } else {
          producers.add(header)
        }
      case .end(let position, .invalid), .end(let position, .incomplete):
        guard let next = indexedPosition(segment, behind: position) else { return }
        scanner = LogScanner(mapping: file, fileSystem, path: path, from: next, limit: Int64(segment.size))
      case .end:
        return
      }
    }
  }

  /// Where to go on behind a header that can't be read, if the offset index tells.
  private func indexedPosition(_ segment: Segment, behind position: Int64) -> Int64? {
    guard let bytes = try? fileSystem.contents(of: segment.files.offsetIndex),
      let entries = IndexFile.offsets(bytes, logSize: segment.size)
    else { return nil }
    return entries.first { Int64($0.position) > position }.map { Int64($0.position) }
  }
}

extension ProducerStateManager {
  /// Takes in a batch of a producer with an id that was found in the log, and whose checksum is right.
  ///
  /// - Returns: what it aborted, if it is a marker that did.
  mutating func replay(_ batch: RecordBatchView) -> AbortedTransaction? {
    guard batch.header.attributes.isControl else {
      add(batch.header)
      return nil
    }
    // Compaction leaves an empty batch where nothing of the transaction is left.
    guard batch.header.recordCount > 0, let marker = try? ControlRecord(decoding: batch) else { return nil }
    return end(batch.header, marker, isVisible: true)
  }
}
