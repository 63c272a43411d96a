internal import Glibc
internal import RecordFormat

/// What a partition's files were when it was closed in order, so that the next opening need not look into them: kept in the
/// metadata store together with the checkpoint of that stop.
///
/// It is believed where neither the directory's names nor the active segment's file were touched since. Only logs without
/// anything unusual have one: no aborted or open transactions, and nothing left to be finished.
package struct CleanShutdown: Sendable, Equatable {
  struct SegmentEntry: Sendable, Equatable {
    var baseOffset: Int64
    var size: Int64
    var createdAt: Int64
  }

  /// Nanoseconds since 1970.
  var directoryModified: Int64
  var logModified: Int64
  var leaderEpoch: Int64
  /// `Int64.min` where the active segment has no batch.
  var firstBatchTimestamp: Int64
  var maxTimestamp: Int64
  var offsetOfMaxTimestamp: Int64
  /// Where the last snapshot of the producers was made; -1 where there is none.
  var snapshotOffset: Int64
  /// Whether it has any in it.
  var hasProducers: Bool
  var segments: [SegmentEntry]

  private static let version: Int64 = 1
  private static let fixedFields = 9
  private static let segmentFields = 3

  // MARK: As bytes

  /// 64-bit numbers in little-endian order.
  package var bytes: [UInt8] {
    var numbers = [
      Self.version, directoryModified, logModified, leaderEpoch, firstBatchTimestamp, maxTimestamp,
      offsetOfMaxTimestamp, snapshotOffset, hasProducers ? 1 : 0,
    ]
    for segment in segments { numbers += [segment.baseOffset, segment.size, segment.createdAt] }
    return numbers.flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
  }

  /// Nil for what this version did not write: it is only a shortcut.
  package init?(bytes: [UInt8]) {
    let width = MemoryLayout<Int64>.size
    let count = bytes.count / width
    guard bytes.count % width == 0, count > Self.fixedFields,
      (count - Self.fixedFields).isMultiple(of: Self.segmentFields)
    else { return nil }
    func number(_ index: Int) -> Int64 {
      bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: index * width, as: Int64.self)) }
    }
    guard number(0) == Self.version else { return nil }
    directoryModified = number(1)
    logModified = number(2)
    leaderEpoch = number(3)
    firstBatchTimestamp = number(4)
    maxTimestamp = number(5)
    offsetOfMaxTimestamp = number(6)
    snapshotOffset = number(7)
    hasProducers = number(8) != 0
    segments = stride(from: Self.fixedFields, to: count, by: Self.segmentFields).map { index in
      SegmentEntry(baseOffset: number(index), size: number(index + 1), createdAt: number(index + 2))
    }
  }

  init(
    directoryModified: Int64, logModified: Int64, leaderEpoch: Int64, firstBatchTimestamp: Int64, maxTimestamp: Int64,
    offsetOfMaxTimestamp: Int64, snapshotOffset: Int64, hasProducers: Bool, segments: [SegmentEntry]
  ) {
    self.directoryModified = directoryModified
    self.logModified = logModified
    self.leaderEpoch = leaderEpoch
    self.firstBatchTimestamp = firstBatchTimestamp
    self.maxTimestamp = maxTimestamp
    self.offsetOfMaxTimestamp = offsetOfMaxTimestamp
    self.snapshotOffset = snapshotOffset
    self.hasProducers = hasProducers
    self.segments = segments
  }

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
    guard let last = segments.last, abortedCount.load(ordering: .acquiring) == 0,
      firstUnstable.load(ordering: .acquiring) == .max
    else { return nil }
    let known = state.withLock { state -> CleanShutdown? in
      let active = state.active
      let configuration = state.configuration
      guard state.isClosed, state.rolled.isEmpty, active.segment === last, !active.isIndexDirty,
        active.reserved == active.position, state.producers.isEmpty || state.snapshotOffset == state.nextOffset,
        // The first append asks these before it loads them.
        active.index.offsets.count < configuration.maxOffsetIndexEntries,
        active.index.times.count < configuration.maxTimeIndexEntries
      else { return nil }
      return CleanShutdown(
        directoryModified: 0, logModified: 0, leaderEpoch: Int64(state.leaderEpoch),
        firstBatchTimestamp: active.firstBatchTimestamp ?? .min, maxTimestamp: active.index.maxTimestamp,
        offsetOfMaxTimestamp: active.index.offsetOfMaxTimestamp, snapshotOffset: state.snapshotOffset ?? -1,
        hasProducers: !state.producers.isEmpty,
        segments: segments.map {
          .init(baseOffset: $0.baseOffset, size: Int64($0.size), createdAt: $0.createdAt)
        })
    }
    guard var known, let directory = settledStatus(directory, settledTime),
      let log = settledStatus(last.files.log, settledTime), log.size == Int64(last.size)
    else { return nil }
    known.directoryModified = directory.modifiedNanoseconds
    known.logModified = log.modifiedNanoseconds
    return known
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
