internal import RecordFormat

/// A segment while it is written by the cleaner: under names that end in `.cleaned`, which the next opening removes.
struct CleanedSegment {
  let files: SegmentFiles
  private let fileSystem: any FileSystem
  private let budget: DiskBudget
  private let file: FileDescriptor
  private var index: IndexBuilder
  private var pending = CleanedBatches()
  private(set) var size = 0
  private(set) var abortedTransactions: [AbortedTransaction] = []

  /// What is put together and not yet written: the headers, with their places.
  private struct CleanedBatches {
    var bytes = 0
  }

  static let flushThreshold = 1 << 20

  init(_ files: SegmentFiles, interval: Int, _ context: StoreContext) throws(EventLogError) {
    self.files = files
    fileSystem = context.fileSystem
    budget = context.diskBudget
    index = IndexBuilder(baseOffset: files.baseOffset, interval: interval)
    for kind in SegmentFiles.Kind.allCases {
      let path = files.path(kind) + SegmentFiles.cleanedSuffix
      if try fileSystem.status(path) != nil { try fileSystem.unlink(path) }
    }
    file = try fileSystem.open(files.log + SegmentFiles.cleanedSuffix, .create)
  }

  var path: String { files.log + SegmentFiles.cleanedSuffix }

  /// Says that a batch was put into the buffer, which is written with the next `write`.
  mutating func note(_ header: RecordBatchHeader) throws(EventLogError) {
    guard size + header.sizeInBytes <= Int(Int32.max) else {
      throw EventLogError(
        .recordListTooLarge, "the cleaned segment would have more than 2 GiB; lower segment.bytes", file: path)
    }
    index.add(header, position: size)
    size += header.sizeInBytes
    pending.bytes += header.sizeInBytes
  }

  mutating func note(aborted: [AbortedTransaction]) {
    abortedTransactions += aborted
  }

  mutating func write(_ buffer: inout CleanedBuffer) throws(EventLogError) {
    guard buffer.count > 0 else { return }
    assert(buffer.count == pending.bytes, "the buffer holds what was noted")
    try fileSystem.write(file, buffer.bytes, at: Int64(size - pending.bytes), path: path)
    // Counted, but never refused: what is cleaned gives back more.
    budget.add(Int64(pending.bytes))
    pending.bytes = 0
    buffer.removeAll()
  }

  /// Makes it durable, with its indexes, still under its names of the meantime; and a segment of it.
  mutating func finish(createdAt: Int64, _ context: StoreContext) throws(EventLogError) -> Segment {
    index.close()
    try IndexFile.write(
      index.offsets, index.times, files, fileSystem, suffix: SegmentFiles.cleanedSuffix, durably: true)
    if !abortedTransactions.isEmpty {
      var bytes: [UInt8] = []
      for transaction in abortedTransactions { transaction.append(to: &bytes) }
      try fileSystem.replace(files.transactionIndex + SegmentFiles.cleanedSuffix, with: bytes, durably: true)
    }
    try fileSystem.syncData(file, path: path)
    let region: MemoryRegion
    if size == 0 {
      region = MemoryRegion(capacity: 0) { _ in 0 }
    } else {
      let address = try fileSystem.map(file, count: size, writable: false, path: path)
      region = MemoryRegion(owning: UnsafeRawPointer(address), count: size, origin: .mapping)
    }
    let segment = Segment(files: files, size: size, createdAt: createdAt)
    for transaction in abortedTransactions { segment.add(transaction) }
    // Until its files have their names, it can't be opened by them.
    segment.pin(SegmentContents(region: region, offsetIndex: index.offsets, timeIndex: index.times))
    return segment
  }

  func close() { fileSystem.close(file) }

  /// Removes what was written so far.
  func discard() {
    for kind in SegmentFiles.Kind.allCases {
      let path = files.path(kind) + SegmentFiles.cleanedSuffix
      if ((try? fileSystem.status(path)) ?? nil) != nil { try? fileSystem.unlink(path) }
    }
    budget.giveBack(Int64(size - pending.bytes))
  }
}
