internal import RecordFormat

// What a crash left in the middle of a deletion or of a swap: Kafka's passes of `LogLoader`, each of which can be repeated.

extension LogLoader {
  /// Finishes or undoes what was under way, and returns the base offsets of the segments, in order.
  func segmentsAfterCleaning() throws(EventLogError) -> [Int64] {
    var names = try fileSystem.list(directory)
    let isLeftover = { (name: String) in
      [".tmp", SegmentFiles.deletedSuffix, SegmentFiles.cleanedSuffix].contains(where: name.hasSuffix)
    }
    for name in names where isLeftover(name) { try fileSystem.unlink(directory + "/" + name) }
    names.removeAll(where: isLeftover)
    let swaps = names.filter { $0.hasSuffix(SegmentFiles.swapSuffix) }
    if !swaps.isEmpty {
      try finishSwaps(swaps)
      names = try fileSystem.list(directory)
    }
    var bases: Set<Int64> = []
    var caches: [(base: Int64, path: String)] = []
    for name in names {
      guard let (base, kind) = SegmentFiles.parse(name) else { continue }
      switch kind {
      case .log: bases.insert(base)
      // It belongs to an offset, which need not be a segment's.
      case .snapshot: break
      case .index, .timeindex, .txnindex: caches.append((base, directory + "/" + name))
      }
    }
    // A deletion had come as far as the log itself.
    for cache in caches where !bases.contains(cache.base) { try fileSystem.unlink(cache.path) }
    return bases.sorted()
  }

  /// A cleaned segment whose names of `.swap` are there is complete, and counts: what it was made from goes, if it is still
  /// there, and it gets its own names.
  private func finishSwaps(_ names: [String]) throws(EventLogError) {
    var swapped: [Int64: [SegmentFiles.Kind]] = [:]
    for name in names {
      let plain = String(name.dropLast(SegmentFiles.swapSuffix.count))
      guard let (base, kind) = SegmentFiles.parse(plain) else { continue }
      swapped[base, default: []].append(kind)
    }
    for (base, kinds) in swapped {
      let files = SegmentFiles(directory: directory, baseOffset: base)
      guard kinds.contains(.log) else {
        // The log's own turn had not come: the old segments count. Or it had passed: these are caches of the new one.
        for kind in kinds { try fileSystem.unlink(files.path(kind) + SegmentFiles.swapSuffix) }
        continue
      }
      guard let end = try endOfSwap(files) else {
        for kind in kinds { try fileSystem.unlink(files.path(kind) + SegmentFiles.swapSuffix) }
        continue
      }
      for name in try fileSystem.list(directory) {
        guard let (old, kind) = SegmentFiles.parse(name), kind != .snapshot, old == base || (base..<end).contains(old)
        else {
          continue
        }
        try fileSystem.unlink(directory + "/" + name)
      }
      try fileSystem.syncDirectory(directory)
      for kind in SegmentFiles.Kind.allCases.reversed() where kinds.contains(kind) {
        try fileSystem.rename(files.path(kind) + SegmentFiles.swapSuffix, to: files.path(kind))
      }
      try fileSystem.syncDirectory(directory)
    }
  }

  /// The offset behind the last batch of a segment in the middle of a swap; nil where the segment is damaged, and the one
  /// that it is to replace is still there.
  private func endOfSwap(_ files: SegmentFiles) throws(EventLogError) -> Int64? {
    let path = files.log + SegmentFiles.swapSuffix
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    var scanner = LogScanner(fileSystem, file, path: path, limit: try fileSystem.size(of: file, path: path))
    var end = files.baseOffset
    while true {
      switch try scanner.next() {
      case .batch(let header, _, true) where header.baseOffset >= end:
        end = header.nextOffset
        continue
      case .end(_, .endOfFile): return end
      default: break
      }
      let hasOld = try fileSystem.status(files.log) != nil
      context.warn(
        EventLogError(
          .corruptMessage,
          "a cleaned segment that was to take its place is damaged"
            + (hasOld ? "; the one that it was made from is kept" : ""), file: path))
      return hasOld ? nil : end
    }
  }
}
