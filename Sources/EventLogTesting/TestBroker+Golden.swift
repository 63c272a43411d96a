internal import EventLog
internal import Glibc
internal import RecordFormat
internal import SegmentStore

extension TestBroker {
  /// Expects that all that is there is as a golden file has it, which lies in `Golden/` beside the test's own file (or at
  /// `name`, where that is an absolute path).
  ///
  /// Where the file is missing it is written, and the test fails once, so that somebody looks at it. With
  /// `EVENTLOG_RECORD_GOLDEN=1` in the environment, files that differ are written anew.
  ///
  /// - Parameters:
  ///   - name: the file's name, without `.txt`.
  ///   - timestamps: whether with the records' timestamps, which differ from run to run without a `TestClock`.
  /// - Throws: `ExpectationFailure` with the lines that differ; `inputOutput` where the file can't be read or written.
  public func expectGolden(
    _ name: String, timestamps: Bool = true, sourceFile: String = #filePath, fileID: String = #fileID, line: Int = #line
  ) async throws {
    let found = try await snapshot(timestamps: timestamps).text
    let path = Self.goldenPath(name, sourceFile)
    let fileSystem = LocalFileSystem()
    guard try fileSystem.status(path) != nil else {
      try Self.write(found, to: path)
      throw ExpectationFailure("there was no golden file: it was written now, to \(path)", fileID, line)
    }
    let expected = String(decoding: try fileSystem.contents(of: path), as: UTF8.self)
    guard expected != found else { return }
    if getenv("EVENTLOG_RECORD_GOLDEN").map({ String(cString: $0) }) == "1" { return try Self.write(found, to: path) }
    throw ExpectationFailure(
      "the golden file \(path) says something else; - is missing, + is too much "
        + "(EVENTLOG_RECORD_GOLDEN=1 writes it anew)\n" + Self.difference(expected, found), fileID, line)
  }

  private static func goldenPath(_ name: String, _ sourceFile: String) -> String {
    let file = name.hasSuffix(".txt") ? name : name + ".txt"
    if file.hasPrefix("/") { return file }
    let directory = sourceFile.lastIndex(of: "/").map { sourceFile[..<$0] } ?? "."
    return "\(directory)/Golden/\(file)"
  }

  private static func write(_ text: String, to path: String) throws(EventLogError) {
    let fileSystem = LocalFileSystem()
    let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    if try fileSystem.status(directory) == nil { try fileSystem.makeDirectory(directory) }
    try fileSystem.replace(path, with: Array(text.utf8), durably: false)
  }

  /// The lines that differ, each with its neighbours.
  static func difference(_ expected: String, _ found: String) -> String {
    let old = expected.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let new = found.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let difference = new.difference(from: old)
    var removed: Set<Int> = []
    var inserted: Set<Int> = []
    for change in difference {
      switch change {
      case .remove(let offset, _, _): removed.insert(offset)
      case .insert(let offset, _, _): inserted.insert(offset)
      }
    }
    var lines: [(mark: String, text: String)] = []
    var (i, j) = (0, 0)
    while i < old.count || j < new.count {
      if removed.contains(i), i < old.count {
        lines.append(("-", old[i]))
        i += 1
      } else if inserted.contains(j), j < new.count {
        lines.append(("+", new[j]))
        j += 1
      } else {
        if j < new.count { lines.append((" ", new[j])) }
        (i, j) = (i + 1, j + 1)
      }
    }
    let changed = lines.indices.filter { lines[$0].mark != " " }
    let shown = Set(changed.flatMap { ($0 - 2)...($0 + 2) }).intersection(lines.indices).sorted()
    var result: [String] = []
    var last = -1
    for index in shown {
      if index > last + 1 { result.append("  …") }
      result.append("\(lines[index].mark) \(lines[index].text)")
      last = index
    }
    return result.joined(separator: "\n")
  }
}
