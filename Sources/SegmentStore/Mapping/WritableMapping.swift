internal import CEventLog
package import RecordFormat

/// The mapping of an active segment, which is written to.
///
/// It is as long as the segment may become. The file behind it is shorter and grows by `fallocate`: only what was
/// reserved may be touched, the rest would be a SIGBUS.
///
/// `@unchecked Sendable`: only the holder of the partition's append lock stores into it, and only past the published
/// end; readers see it through `region`, below that end.
package final class WritableMapping: @unchecked Sendable {
  /// The same memory for readers; it stays mapped while any of them refers to it.
  package let region: MemoryRegion
  private let base: UnsafeMutableRawPointer

  package init(_ fileSystem: any FileSystem, _ file: FileDescriptor, count: Int, path: String) throws(EventLogError) {
    base = try fileSystem.map(file, count: count, writable: true, path: path)
    region = MemoryRegion(owning: UnsafeRawPointer(base), count: count, origin: .mapping)
  }

  package var count: Int { region.count }

  /// Where to store the byte at `position`, which must lie in the part that is reserved.
  @inline(always)
  package func pointer(at position: Int) -> UnsafeMutableRawPointer {
    assert(position >= 0 && position <= region.count)
    return base + position
  }

  /// Whether a thread that faults pages in would only take turns with the one that writes.
  package static let sharesItsProcessor = cel_usable_processors() == 1

  /// Has the page cache take memory for what lies behind `position` in large pieces, or no longer. A piece costs little more
  /// than a page; but it is written out as a whole by the next sync, so that they are for writers that seldom sync. A
  /// kernel that knows no such thing goes on as before.
  package func preferLargePages(_ areWanted: Bool, behind position: Int) {
    let start = (position + Self.largePage - 1) / Self.largePage * Self.largePage
    guard start < count else { return }
    _ = cel_advise_large_pages(base + start, count - start, areWanted ? 1 : 0)
  }

  private static let largePage = 2 << 20

  /// Faults pages in ahead of the writer. An old kernel that can't leaves them to be faulted in when touched.
  package func populate(_ range: Range<Int>) {
    _ = cel_populate_write(base + range.lowerBound, range.count)
  }
}
