internal import RecordFormat

// What a crash left in the middle of a deletion or of a swap: Kafka's passes of `LogLoader`, in which each step can be
// repeated.

extension LogLoader {
  /// Finishes or undoes what was under way, and returns the base offsets of the segments, in order.
  func segmentsAfterCleaning() throws(EventLogError) -> [Int64] {
    var bases: Set<Int64> = []
    var caches: [(base: Int64, path: String)] = []
    for name in try fileSystem.list(directory) {
      let path = directory + "/" + name
      if [".tmp", SegmentFiles.deletedSuffix, SegmentFiles.cleanedSuffix].contains(where: name.hasSuffix) {
        try fileSystem.unlink(path)
      } else if let (base, kind) = SegmentFiles.parse(name) {
        switch kind {
        case .log: bases.insert(base)
        // It belongs to an offset, which need not be a segment's.
        case .snapshot: break
        case .index, .timeindex, .txnindex: caches.append((base, path))
        }
      }
    }
    // A deletion had come as far as the log itself.
    for cache in caches where !bases.contains(cache.base) { try fileSystem.unlink(cache.path) }
    return bases.sorted()
  }
}
