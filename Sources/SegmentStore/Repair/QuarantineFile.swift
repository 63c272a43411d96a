internal import RecordFormat

/// Damaged bytes of a segment, saved before the segment is made anew without them:
/// `<topic>-<n>.<base offset of the segment>-<position>.quarantine`, a plain file in the data directory.
///
/// Kafka takes every directory beside a partition's for a partition's, and fails where its name is none; of files it takes no
/// notice. And what ends in a word is no partition's name, which ends in a number. The bytes are as they lay.
enum QuarantineFile {
  private static let suffix = ".quarantine"

  /// Saves `range` of a segment. What a repair that was broken off saved already is not saved again.
  ///
  /// - Returns: the file's path. The caller syncs the directory.
  static func save(
    _ range: Range<Int64>, of files: SegmentFiles, _ fileSystem: any FileSystem
  ) throws(EventLogError) -> String {
    let source = try fileSystem.open(files.log, .read)
    defer { fileSystem.close(source) }
    for number in 0... {
      let path = name(range, of: files, number)
      if try fileSystem.status(path) == nil {
        try copy(range, source, files.log, to: path, fileSystem)
        return path
      }
      if try holds(path, range, source, files.log, fileSystem) { return path }
    }
    return ""
  }

  /// What the file will be called, if nothing else has the name.
  static func name(_ range: Range<Int64>, of files: SegmentFiles, _ number: Int = 0) -> String {
    let suffix = ".\(files.stemName)-\(range.lowerBound)\(number == 0 ? "" : ".\(number)")" + suffix
    return SiblingName.path(files.directory, suffix: suffix)
  }

  private static let chunk: Int64 = 1 << 20

  private static func copy(
    _ range: Range<Int64>, _ source: FileDescriptor, _ sourcePath: String, to path: String, _ fileSystem: any FileSystem
  ) throws(EventLogError) {
    // Under its own name only once it is whole.
    let temporary = path + ".tmp"
    if try fileSystem.status(temporary) != nil { try fileSystem.unlink(temporary) }
    let target = try fileSystem.open(temporary, .create)
    defer { fileSystem.close(target) }
    _ = try fileSystem.copy(range, of: source, sourcePath, to: target, temporary, at: 0)
    try fileSystem.syncData(target, path: temporary)
    try fileSystem.rename(temporary, to: path)
  }

  private static func holds(
    _ path: String, _ range: Range<Int64>, _ source: FileDescriptor, _ sourcePath: String, _ fileSystem: any FileSystem
  ) throws(EventLogError) -> Bool {
    let file = try fileSystem.open(path, .read)
    defer { fileSystem.close(file) }
    guard try fileSystem.size(of: file, path: path) == range.upperBound - range.lowerBound else { return false }
    var position = range.lowerBound
    while position < range.upperBound {
      let count = Int(min(chunk, range.upperBound - position))
      let ours = try fileSystem.read(source, at: position, count: count, path: sourcePath)
      let theirs = try fileSystem.read(file, at: position - range.lowerBound, count: count, path: path)
      guard !ours.isEmpty, ours == theirs else { return false }
      position += Int64(ours.count)
    }
    return true
  }
}
