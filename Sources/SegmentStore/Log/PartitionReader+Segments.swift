internal import RecordFormat
internal import Synchronization

// The owner rolls, deletes and replaces segments while they are looked at: a listing may be old when it is used.

extension PartitionReader {
  /// The base offsets of the segments, in order.
  ///
  /// A name that is changed while a directory is listed may be missing in the list, as if its segment were gone. So a list
  /// that differs from the last one counts when a second one is like it.
  func bases() throws(EventLogError) -> [Int64] {
    var known = listing.withLock { $0 }
    for _ in 0..<100 {
      let found = try list()
      if found == known { break }
      known = found
    }
    listing.withLock { $0 = known }
    return known
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

  /// Where the segment's log lies now.
  func path(ofSegment base: Int64) throws(EventLogError) -> String {
    let path = SegmentFiles(directory: directory, baseOffset: base).log
    if try fileSystem.status(path) != nil { return path }
    let swap = path + SegmentFiles.swapSuffix
    return try fileSystem.status(swap) == nil ? path : swap
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
