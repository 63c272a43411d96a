internal import RecordFormat
internal import Synchronization

/// One segment of a partition's log, as readers see it.
///
/// What lies below `size` never changes. The active segment's `size` grows as its writer publishes.
package final class Segment: Sendable {
  package let files: SegmentFiles
  package var baseOffset: Int64 { files.baseOffset }
  /// Milliseconds since 1970 when the segment was made; for an old one, when its file was last written.
  let createdAt: Int64
  /// Bytes of whole batches.
  private let publishedSize: Atomic<Int>
  private let slot: Mutex<Slot>
  private let removed = Atomic(false)
  /// What `largestTimestamp` found; `.min` where nobody asked yet.
  private let knownLargestTimestamp = Atomic<Int64>(.min)
  /// The transactions whose ABORT markers lie in the segment; nil where there are none.
  private let transactionIndex = Mutex<AppendOnlyArray<AbortedTransaction>?>(nil)

  /// The active segment's contents are pinned: its writer stores into them, and they must not be loaded a second time.
  private struct Slot {
    var contents: SegmentContents?
    var isPinned = false
    var index: Index?
  }

  /// The entries of both indexes.
  private final class Index: Sendable {
    let offsets: AppendOnlyArray<OffsetIndexEntry>
    let times: AppendOnlyArray<TimeIndexEntry>

    init(_ builder: IndexBuilder) {
      offsets = builder.offsets
      times = builder.times
    }
  }

  /// - Parameter index: of a segment whose index files do not go up to its end, until it has them.
  init(files: SegmentFiles, size: Int, createdAt: Int64, index: IndexBuilder? = nil) {
    self.files = files
    self.createdAt = createdAt
    publishedSize = Atomic(size)
    slot = Mutex(Slot(index: index.map(Index.init)))
  }

  package var size: Int { publishedSize.load(ordering: .acquiring) }

  /// Shows readers everything below `size`.
  @inline(always)
  func publish(size: Int) {
    publishedSize.store(size, ordering: .releasing)
  }

  /// The segment in memory, mapped and with its indexes loaded if it was not.
  ///
  /// An index that is missing or that can't belong to this log is made anew from it.
  func loadedContents(_ context: StoreContext) throws(EventLogError) -> SegmentContents {
    if let loaded = contentsIfLoaded { return loaded }
    if isRemoved { throw removalError }
    let index = slot.withLock { $0.index }
    let fresh = try SegmentLoader(context: context, files: files, size: size).load(
      offsets: index?.offsets, times: index?.times)
    // What was opened may have been another's.
    if isRemoved { throw removalError }
    let (winner, isOurs) = slot.withLock { slot -> (SegmentContents, Bool) in
      if let other = slot.contents { return (other, false) }
      slot.contents = fresh
      return (fresh, true)
    }
    if isOurs { context.contents.insert(self) }
    return winner
  }

  /// Told to nobody: whoever meets it looks for the offset again (`PartitionLog.despiteRemovals`).
  private var removalError: EventLogError {
    EventLogError(.offsetOutOfRange, "the segment was removed from the log", offset: baseOffset, file: files.log)
  }

  /// The contents, if they are in memory.
  var contentsIfLoaded: SegmentContents? { slot.withLock { $0.contents } }

  /// Puts the active segment's contents in, to stay until `unpin`.
  func pin(_ contents: SegmentContents) {
    slot.withLock { $0 = Slot(contents: contents, isPinned: true) }
  }

  /// Says that nobody appends any more, and the index files are there: the contents may now go when others need the room.
  func unpin(_ context: StoreContext) {
    let isLoaded = slot.withLock { slot in
      slot.isPinned = false
      slot.index = nil
      return slot.contents != nil
    }
    if isLoaded { context.contents.insert(self) }
  }

  func forgetContents() {
    slot.withLock { slot in
      if !slot.isPinned { slot.contents = nil }
    }
  }

  /// The largest timestamp of a closed segment's records; -1 where none has one.
  func largestTimestamp(_ context: StoreContext) throws(EventLogError) -> Int64 {
    let known = knownLargestTimestamp.load(ordering: .relaxed)
    if known != .min { return known }
    let found = size == 0 ? -1 : try loadedContents(context).timeIndex.last?.timestamp ?? -1
    knownLargestTimestamp.store(found, ordering: .relaxed)
    return found
  }

  // MARK: Aborted transactions

  /// In the order of their markers; nil where there are none.
  var aborted: AppendOnlyArray<AbortedTransaction>? { transactionIndex.withLock { $0 } }
  var abortedCount: Int { aborted?.count ?? 0 }

  /// Adds one. There is one caller at a time.
  func add(_ aborted: AbortedTransaction) {
    let index = transactionIndex.withLock { index -> AppendOnlyArray<AbortedTransaction> in
      if let index { return index }
      let made = AppendOnlyArray<AbortedTransaction>()
      index = made
      return made
    }
    index.append(aborted)
  }

  /// Whether the segment was taken out of its log. Its files have other names now, or are gone, and its own names may be
  /// those of the segment that replaced it.
  var isRemoved: Bool { removed.load(ordering: .sequentiallyConsistent) }

  func markRemoved() { removed.store(true, ordering: .sequentiallyConsistent) }
}
