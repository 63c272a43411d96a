import Glibc

/// A child: this program once more, whose standard output is read until it is killed.
final class Victim {
  private let process: pid_t
  private let output: CInt
  private var buffer: [UInt8] = []
  private(set) var hasEnded = false

  init(_ arguments: [String]) throws {
    var ends: [CInt] = [0, 0]
    guard pipe(&ends) == 0 else { throw Violation.system("pipe") }
    // The child has the one end as its standard output, and nothing else of this.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    var pointers = (["crash"] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var process: pid_t = 0
    let result = posix_spawn(&process, "/proc/self/exe", &actions, nil, &pointers, environ)
    close(ends[1])
    output = ends[0]
    self.process = process
    guard result == 0 else {
      close(output)
      throw Violation.system("posix_spawn")
    }
  }

  /// Tells what the child says, until the time is over, it has said `word`, or it has ended.
  ///
  /// - Returns: whether it said the word.
  func listen(
    until deadline: ContinuousClock.Instant, for word: String? = nil, _ body: (Statement) throws -> Void
  ) throws -> Bool {
    while true {
      while let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
        // Only whole lines count: of one that was not finished nobody was told.
        var position = buffer.startIndex
        var line = end
        while true {
          let statement = Statement(buffer[position..<line])
          position = line + 1
          if statement.word == word {
            buffer.removeFirst(position)
            return true
          }
          try body(statement)
          guard let next = buffer[position...].firstIndex(of: UInt8(ascii: "\n")) else { break }
          line = next
        }
        buffer.removeFirst(position)
      }
      guard !hasEnded else { return false }
      let rest = ContinuousClock.now.duration(to: deadline)
      guard rest > .zero else { return false }
      read(within: rest)
    }
  }

  private func read(within rest: Duration) {
    var descriptor = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    let microseconds = rest / .microseconds(1)
    guard poll(&descriptor, 1, CInt(microseconds / 1000)) > 0 else {
      // Below a millisecond, `poll` can't wait.
      if microseconds < 1000 { usleep(useconds_t(min(microseconds, 100))) }
      return
    }
    let count = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { bytes in
      let count = Glibc.read(output, bytes.baseAddress, bytes.count)
      if count > 0 { buffer += bytes[..<count] }
      return count
    }
    if count == 0 || (count < 0 && errno != EINTR) { hasEnded = true }
  }

  /// Kills it, and tells the rest of what it said: with a power cut, what it said before that.
  ///
  /// - Returns: nil where it was killed, else how it had ended by itself.
  func kill(with powerCut: PowerCut? = nil, _ body: (Statement) throws -> Void) throws -> String? {
    if let powerCut {
      // Stopped as a whole first: nothing is told between the cut and the end.
      Glibc.kill(process, SIGSTOP)
      var status: CInt = 0
      while waitpid(process, &status, WUNTRACED) < 0, errno == EINTR {}
      guard status & 0xff == 0x7f else {
        close(output)
        return "before it was stopped, with the status \(status)"
      }
      _ = try listen(until: .now + .milliseconds(1), body)
      try powerCut.copy()
    }
    Glibc.kill(process, SIGKILL)
    _ = try listen(until: .now + .seconds(60), body)
    close(output)
    var status: CInt = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7f
    if signal == SIGKILL { return nil }
    return signal == 0 ? "with the status \((status >> 8) & 0xff)" : "by the signal \(signal)"
  }
}

extension Violation {
  static func system(_ call: String) -> Violation {
    Violation(call, expected: "to work", found: String(cString: strerror(errno)))
  }
}
