internal import Glibc
package import RecordFormat

/// How much room the file system of a directory has, from `statvfs`.
///
/// Beside the `FileSystem` seam and not in it: nothing the store does depends on the answer.
package struct VolumeSpace: Sendable, Equatable {
  package var totalBytes: Int64
  /// What an ordinary user may still write.
  package var usableBytes: Int64

  package init(of path: String) throws(EventLogError) {
    var info = statvfs()
    while statvfs(path, &info) != 0 {
      guard errno == EINTR else { throw SystemCall.failure("statvfs", errno, path) }
    }
    let unit = UInt64(info.f_frsize)
    totalBytes = Self.product(UInt64(info.f_blocks), unit)
    usableBytes = Self.product(UInt64(info.f_bavail), unit)
  }

  private static func product(_ count: UInt64, _ unit: UInt64) -> Int64 {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: unit)
    return overflow ? .max : Int64(clamping: bytes)
  }
}
