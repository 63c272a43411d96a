internal import Glibc
internal import RecordFormat

/// What a partition's files were when it was closed in order, so that the next opening need not look into them: kept in the
/// metadata store together with the checkpoint of that stop.
///
/// It is believed where neither the directory's names nor the active segment's file were touched since. Only logs without
/// anything unusual have one: no aborted or open transactions, and nothing left to be finished. It stays good over later
/// sessions that did not use the log, however they ended.
package struct CleanShutdown: Sendable, Equatable {
  struct SegmentEntry: Sendable, Equatable {
    var baseOffset: Int64
    var size: Int64
    var createdAt: Int64
  }

  /// 64-bit numbers in little-endian order. There may be many thousands of records, of which an opening looks at a few numbers:
  /// they are read where they are.
  package let bytes: [UInt8]

  private static let version: Int64 = 2
  private static let fixedFields = 10
  private static let segmentFields = 3
  private static let width = MemoryLayout<Int64>.size

  /// Nil for what this version did not write: it is only a shortcut.
  package init?(bytes: [UInt8]) {
    let count = bytes.count / Self.width
    guard bytes.count % Self.width == 0, count > Self.fixedFields,
      (count - Self.fixedFields).isMultiple(of: Self.segmentFields)
    else { return nil }
    self.bytes = bytes
    guard number(0) == Self.version else { return nil }
    var next: Int64 = 0
    for index in 0..<segmentCount {
      let segment = segment(index)
      guard segment.baseOffset >= next, segment.size >= 0 else { return nil }
      next = segment.baseOffset
    }
  }

  init(
    directoryModified: Int64, logModified: Int64, leaderEpoch: Int32, firstBatchTimestamp: Int64, maxTimestamp: Int64,
    offsetOfMaxTimestamp: Int64, snapshotOffset: Int64, hasProducers: Bool, namesDigest: UInt32,
    segments: [SegmentEntry]
  ) {
    var numbers = [
      Self.version, directoryModified, logModified, Int64(leaderEpoch), firstBatchTimestamp, maxTimestamp,
      offsetOfMaxTimestamp, snapshotOffset, hasProducers ? 1 : 0, Int64(namesDigest),
    ]
    for segment in segments { numbers += [segment.baseOffset, segment.size, segment.createdAt] }
    bytes = numbers.flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
  }

  private func number(_ index: Int) -> Int64 {
    bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: index * Self.width, as: Int64.self)) }
  }

  /// Nanoseconds since 1970.
  var directoryModified: Int64 { number(1) }
  var logModified: Int64 { number(2) }
  var leaderEpoch: Int32 { Int32(truncatingIfNeeded: number(3)) }
  /// `Int64.min` where the active segment has no batch.
  var firstBatchTimestamp: Int64 { number(4) }
  var maxTimestamp: Int64 { number(5) }
  var offsetOfMaxTimestamp: Int64 { number(6) }
  /// Where the last snapshot of the producers was made; -1 where there is none.
  var snapshotOffset: Int64 { number(7) }
  /// Whether it has any in it.
  var hasProducers: Bool { number(8) != 0 }
  /// Of the names in the directory.
  var namesDigest: UInt32 { UInt32(truncatingIfNeeded: number(9)) }
  /// At least 1.
  var segmentCount: Int { (bytes.count / Self.width - Self.fixedFields) / Self.segmentFields }

  func segment(_ index: Int) -> SegmentEntry {
    let first = Self.fixedFields + index * Self.segmentFields
    return SegmentEntry(baseOffset: number(first), size: number(first + 1), createdAt: number(first + 2))
  }

  /// The active segment.
  var last: SegmentEntry { segment(segmentCount - 1) }
  var segments: [SegmentEntry] { (0..<segmentCount).map(segment) }

  // MARK: Whether times tell

  /// The kernel's stamps are some milliseconds coarse: a file that was changed within the last of them can be changed once
  /// more under the same stamp, and says nothing.
  private static let coarseness: Int64 = 50_000_000

  /// Up to when a file must have been left alone for its stamp to tell of changes from now on. By the machine's clock,
  /// whichever the store goes by, since the stamps are the machine's.
  package static func settledTime() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec) - coarseness
  }
}

extension PartitionLog {
  /// What the files are of a log that was closed in order, to be kept with its checkpoint. Nil where there is more to know of
  /// them than a record tells.
  ///
  /// Files that were changed after `settledTime` have that as their stamp from then on.
  package func cleanShutdown(settledTime: Int64) -> CleanShutdown? {
    let segments = self.segments
    guard let last = segments.last, isInOrder(last), let status = settledStatus(directory, settledTime),
      let log = settledStatus(last.files.log, settledTime), log.size == Int64(last.size),
      let namesDigest = try? PartitionDirectory.namesDigest(directory, context.fileSystem)
    else { return nil }
    return state.withLock { state in
      CleanShutdown(
        directoryModified: status.modifiedNanoseconds, logModified: log.modifiedNanoseconds,
        leaderEpoch: state.leaderEpoch, firstBatchTimestamp: state.active.firstBatchTimestamp ?? .min,
        maxTimestamp: state.active.index.maxTimestamp,
        offsetOfMaxTimestamp: state.active.index.offsetOfMaxTimestamp, snapshotOffset: state.snapshotOffset ?? -1,
        hasProducers: !state.producers.isEmpty, namesDigest: namesDigest,
        segments: segments.map {
          .init(baseOffset: $0.baseOffset, size: Int64($0.size), createdAt: $0.createdAt)
        })
    }
  }

  /// Whether the log was closed, and a record tells all there is to know of it.
  private func isInOrder(_ last: Segment) -> Bool {
    guard abortedCount.load(ordering: .acquiring) == 0, firstUnstable.load(ordering: .acquiring) == .max else {
      return false
    }
    return state.withLock { state in
      let active = state.active
      let configuration = state.configuration
      return state.isClosed && state.rolled.isEmpty && active.segment === last && !active.isIndexDirty
        && active.reserved == active.position && (state.producers.isEmpty || state.snapshotOffset == state.nextOffset)
        // The first append asks these before it loads them.
        && active.index.offsets.count < configuration.maxOffsetIndexEntries
        && active.index.times.count < configuration.maxTimeIndexEntries
    }
  }

  /// The status of a file whose stamp tells of every change from now on: one that was changed a moment ago, when the next change
  /// might get the same stamp, is given the last one that can't come again.
  private func settledStatus(_ path: String, _ settledTime: Int64) -> FileStatus? {
    let fileSystem = context.fileSystem
    guard let status = try? fileSystem.status(path) else { return nil }
    guard status.modifiedNanoseconds >= settledTime else { return status }
    guard (try? fileSystem.setModified(path, nanoseconds: settledTime - 1)) != nil,
      let settled = try? fileSystem.status(path), settled.modifiedNanoseconds < settledTime
    else { return nil }
    return settled
  }
}
