internal import CEventLog
internal import Glibc
package import RecordFormat

extension LocalFileSystem {
  /// How a file came to be at a second place.
  package enum Clone: Sendable {
    /// Both names are of the one file.
    case link
    /// It has blocks of its own, or, where the file system can, shares them until one of the two is written to.
    case copy
  }

  /// Puts a file that does not change any more at a second place, and sees to it that its bytes are on the disk. With
  /// `mayLink` it gets a second name where the file system allows that.
  package func clone(_ path: String, to target: String, mayLink: Bool) throws(EventLogError) -> Clone {
    let source = try open(path, .read)
    defer { close(source) }
    if mayLink, link(path, target) == 0 {
      try syncData(source, path: path)
      return .link
    }
    let size = try size(of: source, path: path)
    let file = try open(target, .create)
    defer { close(file) }
    try copy(source, path, to: file, target, count: size)
    try syncData(file, path: target)
    return .copy
  }

  /// Copies the first `count` bytes of a file, within the kernel where it can.
  private func copy(
    _ source: FileDescriptor, _ path: String, to file: FileDescriptor, _ target: String, count: Int64
  ) throws(EventLogError) {
    var done: Int64 = 0
    while done < count {
      let moved = cel_copy_file_range(source.number, file.number, Int(clamping: count - done))
      switch Int32(clamping: moved) {
      case 1...: done += Int64(moved)
      case 0:
        throw EventLogError(.inputOutput, "the file became shorter while it was copied", file: path, position: done)
      // Not between these two file systems: through memory.
      case -EXDEV, -EINVAL, -ENOSYS, -EOPNOTSUPP:
        return try copyThroughMemory(source, path, to: file, target, done..<count)
      case let code: throw SystemCall.failure("copy_file_range", -code, target)
      }
    }
  }

  private func copyThroughMemory(
    _ source: FileDescriptor, _ path: String, to file: FileDescriptor, _ target: String, _ range: Range<Int64>
  ) throws(EventLogError) {
    let count = try copy(range, of: source, path, to: file, target, at: range.lowerBound)
    guard range.lowerBound + count == range.upperBound else {
      throw EventLogError(
        .inputOutput, "the file became shorter while it was copied", file: path, position: range.lowerBound + count)
    }
  }
}
