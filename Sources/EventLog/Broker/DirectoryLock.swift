internal import Glibc
internal import RecordFormat
internal import SegmentStore

/// The lock on a data directory: held by its owner for as long as it has it open, and gone with the process.
struct DirectoryLock: Sendable {
  static let fileName = ".lock"

  private let path: String
  private let file: FileDescriptor
  private let fileSystem: any FileSystem

  /// - Throws: `directoryLocked`, with the owner's process id.
  init(directory: String, _ fileSystem: any FileSystem) throws(EventLogError) {
    let path = directory + "/" + Self.fileName
    let file = try fileSystem.open(path, .createIfMissing)
    do throws(EventLogError) {
      guard try fileSystem.lock(file, path: path) else {
        let owner = Self.owner(file, fileSystem, path).map { "process \($0)" } ?? "another process"
        throw EventLogError(
          .directoryLocked,
          "\(owner) has the directory open; close it there, or open it read-only to look into it", file: directory)
      }
      try fileSystem.truncate(file, to: 0, path: path)
      try fileSystem.write(file, Array("\(getpid())\n".utf8), at: 0, path: path)
    } catch {
      // Gives back the lock if it was taken, and nothing otherwise.
      try? fileSystem.unlock(file, path: path)
      fileSystem.close(file)
      throw error
    }
    self.path = path
    self.file = file
    self.fileSystem = fileSystem
  }

  func release() {
    try? fileSystem.unlock(file, path: path)
    fileSystem.close(file)
  }

  private static func owner(_ file: FileDescriptor, _ fileSystem: any FileSystem, _ path: String) -> Int? {
    guard let bytes = try? fileSystem.read(file, at: 0, count: 32, path: path) else { return nil }
    return Int(String(decoding: bytes, as: UTF8.self).trimmingSpaces)
  }
}
