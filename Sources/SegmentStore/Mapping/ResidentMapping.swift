internal import RecordFormat

/// The mapping of a file that somebody goes over from its beginning to its end: each part is brought into memory before it
/// is touched, so that what the disk refuses is an error and no signal.
///
/// For the owner of the file alone: where somebody else cuts it meanwhile, touching it is a SIGBUS all the same.
struct ResidentMapping {
  private let region: MemoryRegion
  private let fileSystem: any FileSystem
  private let path: String
  /// Up to where it was brought in, from where the first look was.
  private var residentEnd: Int

  /// The first `count` bytes of `file`, which must be there.
  init(_ fileSystem: any FileSystem, _ file: FileDescriptor, count: Int, path: String, from start: Int = 0)
    throws(EventLogError)
  {
    let address = try fileSystem.map(file, count: count, writable: false, path: path)
    region = MemoryRegion(owning: UnsafeRawPointer(address), count: count, origin: .mapping)
    self.fileSystem = fileSystem
    self.path = path
    residentEnd = start / Self.page * Self.page
  }

  /// The bytes in `range`, which begins no earlier than where it was begun; nil where this kernel can't say whether they can
  /// be had.
  mutating func bytes(_ range: Range<Int>) throws(EventLogError) -> UnsafeRawBufferPointer? {
    if range.upperBound > residentEnd {
      let end = min(max(range.upperBound, residentEnd + Self.step), region.count)
      let isKnown = try fileSystem.populate(region.base + residentEnd, count: end - residentEnd, path: path)
      guard isKnown else { return nil }
      residentEnd = end / Self.page * Self.page
      if end == region.count { residentEnd = end }
    }
    return region.bytes(range)
  }

  private static let page = 4096
  /// Far enough that a disk reads in long pieces, and short enough that memory that is scarce still has it when it is looked at.
  private static let step = 1 << 20
}
