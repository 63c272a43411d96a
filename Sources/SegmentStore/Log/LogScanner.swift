package import RecordFormat

/// Goes over the batches of a `.log` file with `pread`, so that what the disk refuses to give is an error and no
/// signal: for recovery, `verify`, `dump`, import, and readers outside of the owner's process.
package struct LogScanner: ~Copyable {
  /// What the scan found at its position.
  package enum Step {
    /// A batch with a plausible header; its checksum was compared.
    case batch(RecordBatchHeader, position: Int64, hasValidChecksum: Bool)
    /// The end, and what made it one.
    case end(position: Int64, End)
  }

  package enum End: Sendable, Equatable {
    case endOfFile
    /// Reserved room that was never written.
    case unwritten
    /// A batch that the file ends in the middle of.
    case incomplete
    /// Something that is no batch, and why.
    case invalid(String)
  }

  private let fileSystem: any FileSystem
  private let file: FileDescriptor
  private let path: String
  /// How far to look.
  private let limit: Int64
  private var position: Int64
  private let chunk: Int
  private var buffer: UnsafeMutableRawBufferPointer
  /// Which part of the file the buffer holds.
  private var bufferStart: Int64 = 0
  private var bufferCount = 0
  /// Where the bytes come from as long as it can give them.
  private var mapping: ResidentMapping?

  /// A scan of `file` from `position`, up to `limit` bytes. The caller closes the file.
  package init(
    _ fileSystem: any FileSystem, _ file: FileDescriptor, path: String, from position: Int64 = 0, limit: Int64,
    chunk: Int = 1 << 20
  ) {
    self.fileSystem = fileSystem
    self.file = file
    self.path = path
    self.limit = limit
    self.position = position
    self.chunk = max(chunk, RecordBatchHeader.size)
    buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  /// The same by a mapping, which copies nothing: for the owner of the file, whom nobody cuts it under. What is short is
  /// read, which takes less time than to map it.
  init(
    mapping file: FileDescriptor, _ fileSystem: any FileSystem, path: String, from position: Int64 = 0, limit: Int64
  ) {
    self.init(fileSystem, file, path: path, from: position, limit: limit, chunk: Self.shortest)
    guard limit - position > Self.shortest else { return }
    // Where it can't be mapped, it can be read.
    mapping = try? ResidentMapping(fileSystem, file, count: Int(limit), path: path, from: Int(position))
  }

  private static let shortest = 128 << 10

  deinit {
    buffer.deallocate()
  }

  /// The next batch, or the end. After an end, the same end again.
  package mutating func next() throws(EventLogError) -> Step {
    let start = position
    let available = limit - start
    guard available > 0 else { return .end(position: start, .endOfFile) }
    let head = try bytes(at: start, count: Int(min(available, Int64(RecordBatchHeader.size))))
    switch RecordBatchCheck.header(head, available: Int(clamping: available)) {
    case .unwritten:
      return .end(position: start, .unwritten)
    case .corrupt(let reason):
      return .end(position: start, .invalid(reason))
    case .incomplete:
      return .end(position: start, .incomplete)
    case .batch(let header):
      let whole = try bytes(at: start, count: header.sizeInBytes)
      guard whole.count == header.sizeInBytes else { return .end(position: start, .incomplete) }
      position = start + Int64(header.sizeInBytes)
      return .batch(
        header, position: start, hasValidChecksum: RecordBatchCheck.coldChecksum(whole) == header.crc)
    }
  }

  /// Whether the batch that `nextHeader` returned last is what its checksum says.
  mutating func hasValidChecksum(_ header: RecordBatchHeader, at position: Int64) throws(EventLogError) -> Bool {
    let whole = try bytes(at: position, count: header.sizeInBytes)
    return whole.count == header.sizeInBytes && RecordBatchCheck.coldChecksum(whole) == header.crc
  }

  /// The next header, or the end, without a look at the records: for who goes by headers alone.
  package mutating func nextHeader() throws(EventLogError) -> Step {
    let start = position
    let available = limit - start
    guard available > 0 else { return .end(position: start, .endOfFile) }
    let head = try bytes(at: start, count: Int(min(available, Int64(RecordBatchHeader.size))))
    switch RecordBatchCheck.header(head, available: Int(clamping: available)) {
    case .unwritten: return .end(position: start, .unwritten)
    case .corrupt(let reason): return .end(position: start, .invalid(reason))
    case .incomplete: return .end(position: start, .incomplete)
    case .batch(let header):
      position = start + Int64(header.sizeInBytes)
      return .batch(header, position: start, hasValidChecksum: true)
    }
  }

  /// The header behind the batch that `next` returned last, if there is one.
  package mutating func following() throws(EventLogError) -> RecordBatchHeader? {
    let available = limit - position
    guard available > 0 else { return nil }
    let head = try bytes(at: position, count: Int(min(available, Int64(RecordBatchHeader.size))))
    guard case .batch(let header) = RecordBatchCheck.header(head, available: Int(clamping: available)) else {
      return nil
    }
    return header
  }

  /// Whether the batch that `next` returned last, and whose checksum does not fit, is one that its owner is storing at this
  /// moment: nothing lies behind it yet. Behind a damaged batch the next one does.
  package mutating func isUnfinished(_ header: RecordBatchHeader) throws(EventLogError) -> Bool {
    try following()?.baseOffset != header.nextOffset
  }

  /// A copy of the batch that `next` returned last.
  package mutating func copy(_ header: RecordBatchHeader, at position: Int64) throws(EventLogError) -> RecordBatchView {
    let whole = try bytes(at: position, count: header.sizeInBytes)
    guard whole.count == header.sizeInBytes else {
      throw EventLogError(.corruptMessage, "the file became shorter", file: path, position: position)
    }
    return RecordBatchView(region: MemoryRegion(copying: whole), start: 0, header: header)
  }

  /// The batch that `next` returned last, where it lies in the buffer: valid until the next call.
  package mutating func withBytes<R>(
    of header: RecordBatchHeader, at position: Int64, _ body: (UnsafeRawBufferPointer) throws(EventLogError) -> R
  ) throws(EventLogError) -> R {
    try body(try bytes(at: position, count: header.sizeInBytes))
  }

  /// `count` bytes from `offset`, or as many as there are; valid until the next call.
  private mutating func bytes(at offset: Int64, count: Int) throws(EventLogError) -> UnsafeRawBufferPointer {
    if mapping != nil {
      let range = Int(offset)..<Int(offset) + min(count, Int(limit - offset))
      if let found = try mapping?.bytes(range) { return found }
      mapping = nil
    }
    if offset < bufferStart || offset + Int64(count) > bufferStart + Int64(bufferCount) {
      if count > buffer.count || buffer.isEmpty {
        // Not larger than the file has bytes left: `RecordBatchCheck` has seen to that.
        buffer.deallocate()
        buffer = .allocate(byteCount: max(count, chunk), alignment: 16)
      }
      let wanted = Int(min(Int64(buffer.count), limit - offset))
      bufferCount = 0
      bufferStart = offset
      bufferCount = try fileSystem.read(
        file, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset, path: path)
    }
    let start = Int(offset - bufferStart)
    return UnsafeRawBufferPointer(rebasing: buffer[start..<min(start + count, bufferCount)])
  }
}
