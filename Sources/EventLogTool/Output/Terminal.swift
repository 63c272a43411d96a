import EventLog
import Glibc

/// Writing to standard output and error. Output is collected and written in large pieces; `flush` hands it on.
enum Terminal {
  /// Collects output until `flush`.
  struct Output {
    private var buffer: [UInt8] = []

    init() {
      buffer.reserveCapacity(1 << 16)
    }

    mutating func write(_ bytes: some Sequence<UInt8>) throws {
      buffer.append(contentsOf: bytes)
      if buffer.count >= 1 << 16 { try flush() }
    }

    mutating func write(_ text: String) throws {
      try write(text.utf8)
    }

    mutating func line(_ text: String) throws {
      try write(text.utf8)
      try write(CollectionOfOne(UInt8(ascii: "\n")))
    }

    /// - Throws: as `Terminal.line`.
    mutating func flush() throws {
      guard !buffer.isEmpty else { return }
      try Terminal.write(buffer, to: STDOUT_FILENO)
      buffer.removeAll(keepingCapacity: true)
    }
  }

  /// - Throws: `OutputClosed`; `diskFull` and `inputOutput` where standard output can't be written to.
  static func line(_ text: String) throws {
    try write(Array((text + "\n").utf8), to: STDOUT_FILENO)
  }

  /// Text that has its newlines already.
  static func text(_ text: String) throws {
    try write(Array(text.utf8), to: STDOUT_FILENO)
  }

  static func error(_ text: String) {
    try? write(Array((text + "\n").utf8), to: STDERR_FILENO)
  }

  /// A table with columns as wide as they need to be; numbers to the right.
  static func table(_ header: [String], _ rows: [[String]]) throws {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    let isNumber = header.indices.map { column in
      !rows.isEmpty && rows.allSatisfy { row in row[column] == "-" || Int64(row[column]) != nil }
    }
    var output = Output()
    for row in all {
      let cells = row.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return isNumber[column] ? padding + cell : cell + padding
      }
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      try output.line(line)
    }
    try output.flush()
  }

  fileprivate static func write(_ bytes: [UInt8], to descriptor: Int32) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest, rest.count)
      if count == rest.count { return }
      if count >= 0 {
        rest.removeFirst(count)
        continue
      }
      let code = errno
      switch code {
      case EINTR: continue
      case EAGAIN:
        // A terminal or pipe that another program made non-blocking.
        var waiting = [pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)]
        _ = poll(&waiting, 1, -1)
      case EPIPE: throw OutputClosed()
      default:
        throw EventLogError(
          code == ENOSPC ? .diskFull : .inputOutput, "standard output can't be written to: \(reason(code))", errno: code
        )
      }
    }
  }

  static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// A bar on standard error for work that takes a while; nothing where that is no terminal.
final class ProgressBar {
  private let label: String
  private let isShown = isatty(STDERR_FILENO) == 1
  private var lastPercent = -1

  init(_ label: String) {
    self.label = label
  }

  func update(_ done: Int64, of total: Int64) {
    guard isShown, total > 0 else { return }
    let percent = Int(min(100, done * 100 / total))
    guard percent != lastPercent else { return }
    lastPercent = percent
    let filled = percent * 30 / 100
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
    write("\r\(label) [\(bar)] \(percent)%")
  }

  func finish() {
    guard isShown, lastPercent >= 0 else { return }
    write("\r\u{1b}[K")
  }

  private func write(_ text: String) {
    try? Terminal.write(Array(text.utf8), to: STDERR_FILENO)
  }
}
