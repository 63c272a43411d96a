import EventLog
import Glibc

/// Reads lines byte for byte: a carriage return belongs to the line, and a last line needs no newline.
///
/// What one read gave is handed on at once, so that a slow writer's lines do not wait for more.
struct LineReader: ~Copyable {
  private let descriptor: Int32
  private let name: String
  private var chunk = [UInt8](repeating: 0, count: 1 << 18)
  private var rest: [UInt8] = []
  private var isAtEnd = false
  /// The number of the line that comes next, counted from 1.
  private(set) var nextLine = 1
  /// How many bytes the input has, where it is a file.
  let size: Int64

  /// - Parameter file: nil reads standard input.
  /// - Throws: `inputOutput`.
  init(file: String?) throws(EventLogError) {
    name = file ?? "standard input"
    descriptor = file.map { open($0, O_RDONLY | O_CLOEXEC) } ?? STDIN_FILENO
    guard descriptor >= 0 else {
      throw EventLogError(
        .inputOutput, "the input can't be opened: \(Terminal.reason(errno))", file: name, errno: errno)
    }
    var status = stat()
    size = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : 0
  }

  deinit {
    if descriptor != STDIN_FILENO { close(descriptor) }
  }

  /// The next lines, without their newlines; nil at the end, and when `signals` say to stop.
  ///
  /// - Parameter limit: the longest line that is of any use; so an input without newlines does not fill the memory.
  /// - Throws: `inputOutput`; `messageTooLarge`.
  mutating func next(limit: Int = .max, until signals: StopSignals? = nil) throws(EventLogError) -> [ArraySlice<UInt8>]?
  {
    while !isAtEnd {
      if let signals {
        waitForInput(or: signals)
        if signals.mustStop { return nil }
      }
      let searchFrom = rest.count
      guard try fill() else {
        isAtEnd = true
        defer { rest = [] }
        return rest.isEmpty ? nil : [rest[...]]
      }
      var lines: [ArraySlice<UInt8>] = []
      var start = 0
      var index = searchFrom
      while let newline = rest[index...].firstIndex(of: UInt8(ascii: "\n")) {
        lines.append(rest[start..<newline])
        start = newline + 1
        index = start
      }
      if start > 0 { rest = Array(rest[start...]) }
      guard lines.isEmpty else {
        nextLine += lines.count
        return lines
      }
      guard rest.count <= limit else {
        throw EventLogError(
          .messageTooLarge,
          "line \(nextLine) of the input has more than \(limit) bytes, which is more than a record of this topic may "
            + "have: raise the topic's max.message.bytes, or leave the line out", file: name)
      }
    }
    return nil
  }

  /// A small text file.
  static func text(of file: String) throws(EventLogError) -> String {
    var reader = try LineReader(file: file)
    while try reader.fill() {
      guard reader.rest.count <= 16 << 20 else {
        throw EventLogError(.illegalArgument, "the file is too large to be what is meant", file: file)
      }
    }
    return String(decoding: reader.rest, as: UTF8.self)
  }

  /// Appends what one read gives; false at the end.
  private mutating func fill() throws(EventLogError) -> Bool {
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count >= 0 {
        rest.append(contentsOf: chunk[..<count])
        return count > 0
      }
      switch errno {
      case EINTR: continue
      case EAGAIN:
        var waiting = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        _ = poll(&waiting, 1, -1)
      default:
        throw EventLogError(
          .inputOutput, "the input can't be read: \(Terminal.reason(errno))", file: name, errno: errno)
      }
    }
  }

  private func waitForInput(or signals: StopSignals) {
    var waiting = [descriptor, signals.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    while poll(&waiting, 2, -1) < 0, errno == EINTR, !signals.mustStop {}
  }
}
