import Glibc

/// Standard input, output and error as the rest of the tool expects them.
enum StandardStreams {
  /// To be called before anything opens a file.
  static func prepare() {
    // A number that the caller closed would go to the next file that is opened: records would then be printed into the
    // store. Opened in the wrong direction, so that to use it is an error.
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) == -1 {
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
    // A reader that went away is an error of the write; a signal would leave the store unclosed.
    signal(SIGPIPE, SIG_IGN)
  }
}

/// Whoever read standard output has gone. For most commands that is how they end, and no failure: see `| head`.
struct OutputClosed: Error {}
