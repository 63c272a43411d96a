import Foundation

/// Reads lines byte for byte: a carriage return belongs to the line, and a last line needs no newline.
///
/// What one read gave is handed on at once, so that a slow writer's lines do not wait for more.
struct LineReader {
  private let handle: FileHandle
  private let isFile: Bool
  private var rest: [UInt8] = []
  private var isAtEnd = false

  /// - Parameter file: nil reads standard input.
  init(file: String?) throws {
    guard let file else {
      handle = .standardInput
      isFile = false
      return
    }
    handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
    isFile = true
  }

  /// The next lines, without their newlines; nil at the end.
  mutating func next() throws -> [ArraySlice<UInt8>]? {
    while !isAtEnd {
      let data = isFile ? try handle.read(upToCount: 1 << 20) ?? Data() : handle.availableData
      if data.isEmpty {
        isAtEnd = true
        defer { rest = [] }
        return rest.isEmpty ? nil : [rest[...]]
      }
      let searchFrom = rest.count
      rest.append(contentsOf: data)
      var lines: [ArraySlice<UInt8>] = []
      var start = 0
      var index = searchFrom
      while let newline = rest[index...].firstIndex(of: UInt8(ascii: "\n")) {
        lines.append(rest[start..<newline])
        start = newline + 1
        index = start
      }
      if start > 0 { rest = Array(rest[start...]) }
      if !lines.isEmpty { return lines }
    }
    return nil
  }
}
