internal import RecordFormat

/// Finds batches of a segment where nobody knows where they begin: behind what is damaged.
struct BatchFinder {
  let fileSystem: any FileSystem
  let file: FileDescriptor
  let path: String
  /// Bytes of the file.
  let size: Int64
  let baseOffset: Int64
  /// Where the next segment begins: no batch may go beyond it.
  let bound: Int64

  /// What looks like a header at `position`, of a batch that lies within the file and within the segment's offsets.
  func header(at position: Int64) throws(EventLogError) -> RecordBatchHeader? {
    guard position + Int64(RecordBatchHeader.size) <= size else { return nil }
    let bytes = try fileSystem.read(file, at: position, count: RecordBatchHeader.size, path: path)
    return bytes.withUnsafeBytes { plausible($0, at: position) }
  }

  private func plausible(_ bytes: UnsafeRawBufferPointer, at position: Int64) -> RecordBatchHeader? {
    guard case .batch(let header) = RecordBatchCheck.header(bytes, available: Int(clamping: size - position)),
      fits(header)
    else { return nil }
    return header
  }

  /// Whether the batch's offsets can be this segment's.
  func fits(_ header: RecordBatchHeader) -> Bool {
    header.baseOffset >= baseOffset && header.nextOffset <= bound
      && header.lastOffset - baseOffset <= Int64(Int32.max)
  }

  /// The batch at `position`, if its checksum is right and its offsets are `minimum` or more.
  func batch(at position: Int64, from minimum: Int64) throws(EventLogError) -> RecordBatchView? {
    guard let header = try header(at: position), header.baseOffset >= minimum else { return nil }
    let bytes = try fileSystem.read(file, at: position, count: header.sizeInBytes, path: path)
    guard bytes.count == header.sizeInBytes else { return nil }
    let batch = bytes.withUnsafeBytes {
      RecordBatchView(region: MemoryRegion(copying: $0), start: 0, header: header)
    }
    return batch.hasValidChecksum ? batch : nil
  }

  private static let chunk = 1 << 20

  /// The first position from `start` on where a batch begins: a header that can be one, a checksum that is right, and
  /// offsets that go on upwards from `minimum`.
  func search(from start: Int64, minimum: Int64) throws(EventLogError) -> Int64? {
    var chunkStart = start
    while chunkStart + Int64(RecordBatchHeader.size) <= size {
      let bytes = try fileSystem.read(
        file, at: chunkStart, count: Int(min(Int64(Self.chunk + RecordBatchHeader.size - 1), size - chunkStart)),
        path: path)
      guard bytes.count >= RecordBatchHeader.size else { return nil }
      let places = bytes.count - RecordBatchHeader.size + 1
      var candidates: [Int64] = []
      bytes.withUnsafeBytes { buffer in
        for place in 0..<places where buffer[place + 16] == UInt8(RecordBatchHeader.magicV2) {
          let position = chunkStart + Int64(place)
          let head = UnsafeRawBufferPointer(rebasing: buffer[place..<(place + RecordBatchHeader.size)])
          guard let header = plausible(head, at: position), header.baseOffset >= minimum else { continue }
          candidates.append(position)
        }
      }
      for candidate in candidates where try batch(at: candidate, from: minimum) != nil { return candidate }
      chunkStart += Int64(places)
    }
    return nil
  }

  func bytes(_ range: Range<Int64>) throws(EventLogError) -> [UInt8] {
    try fileSystem.read(file, at: range.lowerBound, count: Int(range.upperBound - range.lowerBound), path: path)
  }

  /// Whether there is nothing but zeros.
  func isZero(_ range: Range<Int64>) throws(EventLogError) -> Bool {
    try fileSystem.isZero(range, of: file, path)
  }
}
