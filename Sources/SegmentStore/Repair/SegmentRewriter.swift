internal import RecordFormat

/// Makes a segment anew of what a survey found right, as the cleaner does: under a name that ends in `.cleaned`, which the
/// next opening removes, synced, and only then renamed to the segment's own.
///
/// Before that the indexes go, durably: those of the old file would lead astray in the new one, and missing ones are made
/// anew by everybody who needs them. A file that has another name, a backup's, is not touched by any of this.
struct SegmentRewriter {
  let fileSystem: any FileSystem

  func rewrite(_ survey: SegmentSurvey) throws(EventLogError) {
    let files = survey.files
    let cleaned = files.log + SegmentFiles.cleanedSuffix
    if try fileSystem.status(cleaned) != nil { try fileSystem.unlink(cleaned) }
    do throws(EventLogError) {
      try write(survey, to: cleaned)
    } catch {
      try? fileSystem.unlink(cleaned)
      throw error
    }
    for path in [files.offsetIndex, files.timeIndex] where try fileSystem.status(path) != nil {
      try fileSystem.unlink(path)
    }
    try fileSystem.syncDirectory(files.directory)
    try fileSystem.rename(cleaned, to: files.log)
    try fileSystem.syncDirectory(files.directory)
  }

  private func write(_ survey: SegmentSurvey, to path: String) throws(EventLogError) {
    let source = try fileSystem.open(survey.files.log, .read)
    defer { fileSystem.close(source) }
    let target = try fileSystem.open(path, .create)
    defer { fileSystem.close(target) }
    var end: Int64 = 0
    for piece in survey.pieces {
      switch piece {
      case .markers(let number):
        let bytes = survey.damages[number].markerBytes
        try fileSystem.write(target, bytes, at: end, path: path)
        end += Int64(bytes.count)
      case .written(let bytes):
        try fileSystem.write(target, bytes, at: end, path: path)
        end += Int64(bytes.count)
      case .kept(let range):
        let count = try fileSystem.copy(range, of: source, survey.files.log, to: target, path, at: end)
        guard range.lowerBound + count == range.upperBound else {
          throw EventLogError(
            .corruptMessage, "the file became shorter", file: survey.files.log, position: range.lowerBound + count)
        }
        end += count
      }
    }
    try fileSystem.syncData(target, path: path)
  }
}
