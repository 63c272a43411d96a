internal import RecordFormat

/// The two files beside a segment that tell of producers: `.txnindex`, and the `.snapshot` at its end.
///
/// Both are caches of what the batches say. A snapshot at a segment's end also says that its `.txnindex` is complete, since
/// it is written after that: where it is missing, both are made anew from the log.
struct ProducerFiles {
  let context: StoreContext
  let files: SegmentFiles

  /// Writes both for a segment that ends at `offset`. What fails is warned of; the next opening then reads the log.
  func write(_ segment: Segment, _ producers: ProducerSnapshot, at offset: Int64) {
    do throws(EventLogError) {
      try writeTransactionIndex(segment)
      // Nothing is lost with one that says nothing.
      let isDurable = !producers.entries.isEmpty || segment.abortedCount > 0
      let path = SegmentFiles(directory: files.directory, baseOffset: offset).producerSnapshot
      try context.fileSystem.replace(path, with: producers.bytes, durably: isDurable)
    } catch {
      context.warn(error)
    }
  }

  /// Has the file say what the segment says, durably: a snapshot that is there without the index which it vouches for would
  /// have aborted records shown, and one that vouches for what a crash took back would hide what was written in its place.
  func writeTransactionIndex(_ segment: Segment) throws(EventLogError) {
    if let aborted = segment.aborted {
      try context.fileSystem.replace(files.transactionIndex, with: Self.bytes(aborted), durably: true)
    } else {
      guard try context.fileSystem.status(files.transactionIndex) != nil else { return }
      try context.fileSystem.unlink(files.transactionIndex)
    }
    try context.fileSystem.syncDirectory(files.directory)
  }

  static func bytes(_ aborted: AppendOnlyArray<AbortedTransaction>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(aborted.count * AbortedTransaction.size)
    for index in 0..<aborted.count { aborted[index].append(to: &bytes) }
    return bytes
  }

  /// Adds one entry to the file of the segment that is appended to, for those who read it from outside. Whoever closes the
  /// segment writes the file as a whole.
  func append(_ entry: AbortedTransaction, at index: Int) {
    var bytes: [UInt8] = []
    entry.append(to: &bytes)
    do throws(EventLogError) {
      let path = files.transactionIndex
      let file = try context.fileSystem.open(path, .createIfMissing)
      defer { context.fileSystem.close(file) }
      try context.fileSystem.write(file, bytes, at: Int64(index * AbortedTransaction.size), path: path)
    } catch {
      context.warn(error)
    }
  }

  /// The entries of a file, or nil where it is none. A marker lies behind what it aborts: an entry of zeros, which a power cut
  /// may leave, is none.
  static func aborted(_ bytes: [UInt8]) -> [AbortedTransaction]? {
    guard bytes.count % AbortedTransaction.size == 0 else { return nil }
    var entries: [AbortedTransaction] = []
    entries.reserveCapacity(bytes.count / AbortedTransaction.size)
    let isSound = bytes.withUnsafeBytes { buffer -> Bool in
      guard let base = buffer.baseAddress else { return true }
      for start in stride(from: 0, to: buffer.count, by: AbortedTransaction.size) {
        guard let entry = AbortedTransaction(loadingFrom: base + start), entry.firstOffset < entry.lastOffset,
          entry.lastOffset > entries.last?.lastOffset ?? -1
        else { return false }
        entries.append(entry)
      }
      return true
    }
    return isSound ? entries : nil
  }
}
