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
        // Under its own name only once it is whole.
        let temporary = name(range, of: files, number, then: ".tmp")
        try copy(range, source, files.log, to: temporary, fileSystem)
        try fileSystem.rename(temporary, to: path)
        return path
      }
      if try holds(path, range, source, files.log, fileSystem) { return path }
    }
    return ""
  }

  /// What the file will be called, if nothing else has the name.
  ///
  /// - Parameter ending: what comes behind the name, and has to have room too.
  static func name(
    _ range: Range<Int64>, of files: SegmentFiles, _ number: Int = 0, then ending: String = ""
  ) -> String {
    let suffix = ".\(files.stemName)-\(range.lowerBound)\(number == 0 ? "" : ".\(number)")" + suffix + ending
    return SiblingName.path(files.directory, suffix: suffix)
  }

  /// Whether anything of a segment was ever saved.
  static func isThere(of files: SegmentFiles, _ fileSystem: any FileSystem) throws(EventLogError) -> Bool {
    guard let slash = files.directory.lastIndex(of: "/") else { return false }
    let parent = String(files.directory[..<slash])
    for name in try fileSystem.list(parent) where name.hasSuffix(suffix) {
      // A long topic's name is cut, by how long what follows it is.
      guard let segment = name.firstRange(of: ".\(files.stemName)-") else { continue }
      let rest = String(name[segment.lowerBound...])
      if SiblingName.path(files.directory, suffix: rest) == parent + "/" + name { return true }
    }
    return false
  }

  private static let chunk: Int64 = 1 << 20

  private static func copy(
    _ range: Range<Int64>, _ source: FileDescriptor, _ sourcePath: String, to path: String, _ fileSystem: any FileSystem
  ) throws(EventLogError) {
    if try fileSystem.status(path) != nil { try fileSystem.unlink(path) }
    let target = try fileSystem.open(path, .create)
    defer { fileSystem.close(target) }
    _ = try fileSystem.copy(range, of: source, sourcePath, to: target, path, at: 0)
    try fileSystem.syncData(target, path: path)
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
