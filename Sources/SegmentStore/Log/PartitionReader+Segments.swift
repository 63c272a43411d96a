internal import RecordFormat
internal import Synchronization

// The owner rolls, deletes and replaces segments while they are looked at: a listing may be old when it is used.

extension PartitionReader {
  /// The base offsets of the segments, in order.
  ///
  /// A name that is changed while a directory is listed may be missing in the list, as if its segment were gone. So a list
  /// in which a segment is missing that was there before counts when a second one says the same. New ones come all the time.
  func bases() throws(EventLogError) -> [Int64] {
    var known = listing.withLock { $0 }
    for _ in 0..<10 {
      let found = try list()
      let isWhole = known == found || (!known.isEmpty && Self.contains(found, known))
      known = found
      if isWhole { break }
    }
    listing.withLock { $0 = known }
    return known
  }

  /// Whether all of `some` are in `all`; both are sorted.
  private static func contains(_ all: [Int64], _ some: [Int64]) -> Bool {
    var rest = some[...]
    for base in all where base == rest.first { rest.removeFirst() }
    return rest.isEmpty
  }

  private func list() throws(EventLogError) -> [Int64] {
    guard let status = try fileSystem.status(directory) else { return [] }
    guard status.kind == .directory else {
      throw EventLogError(
        .inputOutput, "where the partition's directory should be lies something else; links are not followed",
        file: directory)
    }
    var bases: Set<Int64> = []
    for name in try fileSystem.list(directory) {
      // What was cleaned and is about to take its place is there under this name alone for a moment.
      let isSwap = name.hasSuffix(SegmentFiles.swapSuffix)
      let plain = isSwap ? String(name.dropLast(SegmentFiles.swapSuffix.count)) : name
      if let (base, kind) = SegmentFiles.parse(plain), kind == .log { bases.insert(base) }
    }
    return bases.sorted()
  }

  /// Where the segment's log lies now. What was cleaned counts as soon as it is whole: the segments behind it that it
  /// replaces may be gone already, while the old one of its own name is still there.
  func path(ofSegment base: Int64) throws(EventLogError) -> String {
    let path = SegmentFiles(directory: directory, baseOffset: base).log
    let swap = path + SegmentFiles.swapSuffix
    return try fileSystem.status(swap) == nil ? path : swap
  }

  /// Does `read` again where it met a gap while segments were replaced. A gap is compaction's, but only where the segments
  /// are still those among which it was met: what was read may have been an old one whose neighbours were gone already.
  func whereNothingMoves(
    from offset: Int64, _ read: () throws(EventLogError) -> FetchedBatches
  ) throws(EventLogError) -> FetchedBatches {
    var result = FetchedBatches(nextOffset: offset, highWatermark: offset, logStartOffset: offset)
    for _ in 0..<100 {
      let before = try list()
      result = try read()
      let hasGap = result.batches.first.map { $0.header.baseOffset > offset } ?? (result.nextOffset > offset)
      guard hasGap, try list() != before else { break }
    }
    return result
  }

  /// Does `body` again where it failed because a file was gone that had just been there. Not for ever: a directory may have
  /// lost a file for good.
  func despiteRemovals<R>(_ body: () throws(EventLogError) -> R) throws(EventLogError) -> R {
    var tries = 0
    while true {
      do throws(EventLogError) {
        return try body()
      } catch {
        tries += 1
        guard tries < 100, error.errno == 2 else { throw error }
      }
    }
  }
}
