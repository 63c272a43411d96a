package import RecordFormat

extension PartitionReader {
  /// The first record, in the order of offsets, whose timestamp is at least `timestamp`.
  package func offset(forTimestamp timestamp: Int64) throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    let start = try logStartOffset()
    var found: (offset: Int64, timestamp: Int64)?
    try forEachBatch(skippingSegmentsBelow: timestamp) { header, batch throws(EventLogError) in
      guard header.maxTimestamp >= timestamp, header.lastOffset >= start else { return true }
      found = try batch().firstRecord(withTimestamp: timestamp, from: start)
      return found == nil
    }
    return found
  }

  /// The largest timestamp of the records that can be read, and the first record that has it (KIP-734); nil where there
  /// is none.
  package func offsetOfMaxTimestamp() throws(EventLogError) -> (offset: Int64, timestamp: Int64)? {
    let start = try logStartOffset()
    var largest: Int64?
    try forEachBatch { header, batch throws(EventLogError) in
      guard header.lastOffset >= start else { return true }
      let timestamp = header.baseOffset >= start ? header.maxTimestamp : try batch().largestTimestamp(from: start)
      if let timestamp { largest = max(largest ?? timestamp, timestamp) }
      return true
    }
    guard let largest else { return nil }
    return try offset(forTimestamp: largest)
  }

  /// Visits all batches, markers too, in the order of offsets, until `visit` says false. `batch` gives a copy.
  ///
  /// - Parameters:
  ///   - timestamp: closed segments whose time index says that they have nothing as young are left out.
  ///   - offset: segments that lie wholly below it are left out.
  /// - Throws: `corruptMessage` where a batch is damaged that the owner has long finished.
  func forEachBatch(
    skippingSegmentsBelow timestamp: Int64 = .min, from offset: Int64 = .min,
    _ visit: (RecordBatchHeader, () throws(EventLogError) -> RecordBatchView) throws(EventLogError) -> Bool
  ) throws(EventLogError) {
    // Where segments vanish in the middle of it, it goes on behind what was visited.
    var next = Int64.min
    do throws(EventLogError) {
      try despiteRemovals { () throws(EventLogError) in
        let bases = try bases()
        for (number, base) in bases.enumerated() {
          let files = SegmentFiles(directory: directory, baseOffset: base)
          let isLast = base == bases.last
          if !isLast, bases[number + 1] <= max(next, offset) { continue }
          if !isLast, timestamp > .min, let largest = largestTimestamp(files), largest < timestamp { continue }
          guard try forEachBatch(of: files, isLast: isLast, next: &next, visit) else { return }
        }
      }
    } catch {
      throw error.at(topicPartition)
    }
  }

  func forEachBatch(
    of files: SegmentFiles, isLast: Bool, next: inout Int64,
    _ visit: (RecordBatchHeader, () throws(EventLogError) -> RecordBatchView) throws(EventLogError) -> Bool
  ) throws(EventLogError) -> Bool {
    let path = try path(ofSegment: files.baseOffset)
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    let size = try fileSystem.size(of: file, path: path)
    var scanner = LogScanner(fileSystem, file, path: path, from: 0, limit: size)
    while true {
      switch try scanner.next() {
      case .batch(let header, let position, let isValid):
        guard isValid else {
          // At the end of the last segment the owner may be in the middle of a batch.
          if isLast { return true }
          throw EventLogError(
            .corruptMessage, "the checksum of the batch does not fit its bytes", offset: header.baseOffset, file: path,
            position: position)
        }
        guard header.nextOffset > next else { continue }
        next = header.nextOffset
        let goOn = try visit(header) { () throws(EventLogError) -> RecordBatchView in
          try copy(header, from: file, at: position, path: path)
        }
        guard goOn else { return false }
      case .end(let position, let reason):
        guard isLast || reason == .endOfFile || reason == .unwritten else {
          throw EventLogError(.corruptMessage, "what lies here is no batch", file: path, position: position)
        }
        return true
      }
    }
  }

  private func copy(
    _ header: RecordBatchHeader, from file: FileDescriptor, at position: Int64, path: String
  ) throws(EventLogError) -> RecordBatchView {
    var scanner = LogScanner(
      fileSystem, file, path: path, from: position, limit: position + Int64(header.sizeInBytes),
      chunk: header.sizeInBytes)
    return try scanner.copy(header, at: position)
  }

  func largestTimestamp(_ files: SegmentFiles) -> Int64? {
    guard let bytes = try? fileSystem.contents(of: files.timeIndex) else { return nil }
    return IndexFile.times(bytes)?.last?.timestamp
  }
}
