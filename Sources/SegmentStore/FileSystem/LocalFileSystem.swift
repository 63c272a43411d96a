internal import CEventLog
internal import Glibc
package import RecordFormat

/// The file system of this machine. Files are made for their owner alone (0600, directories 0700).
package struct LocalFileSystem: FileSystem {
  package init() {}

  package func open(_ path: String, _ mode: OpenMode) throws(EventLogError) -> FileDescriptor {
    let flags: Int32 =
      switch mode {
      case .read: O_RDONLY
      case .readWrite: O_RDWR
      case .create: O_RDWR | O_CREAT | O_EXCL
      case .createIfMissing: O_RDWR | O_CREAT
      }
    // O_NONBLOCK so that a fifo that lies where a file should be is an error and not a wait without end.
    let number = cel_open(path, flags | O_NONBLOCK, 0o600)
    guard number >= 0 else { throw SystemCall.failure("open", -number, path) }
    var info = stat()
    guard fstat(number, &info) == 0 else {
      let code = errno
      Glibc.close(number)
      throw SystemCall.failure("fstat", code, path)
    }
    guard info.st_mode & S_IFMT == S_IFREG || info.st_mode & S_IFMT == S_IFDIR else {
      Glibc.close(number)
      throw EventLogError(.inputOutput, "this is no regular file; it does not belong here", file: path)
    }
    return FileDescriptor(number: number)
  }

  package func close(_ file: FileDescriptor) {
    Glibc.close(file.number)
  }

  package func read(
    _ file: FileDescriptor, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, path: String
  ) throws(EventLogError) -> Int {
    guard let base = buffer.baseAddress else { return 0 }
    var done = 0
    while done < buffer.count {
      let count = pread(file.number, base + done, buffer.count - done, off_t(offset) + off_t(done))
      if count < 0 {
        if errno == EINTR { continue }
        throw SystemCall.failure("pread", errno, path)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  package func write(
    _ file: FileDescriptor, _ bytes: UnsafeRawBufferPointer, at offset: Int64, path: String
  ) throws(EventLogError) {
    guard let base = bytes.baseAddress else { return }
    guard cel_is_beyond_file_size_limit(off_t(offset) + off_t(bytes.count)) == 0 else {
      throw SystemCall.failure("pwrite", EFBIG, path)
    }
    var done = 0
    while done < bytes.count {
      let count = pwrite(file.number, base + done, bytes.count - done, off_t(offset) + off_t(done))
      if count < 0 {
        if errno == EINTR { continue }
        throw SystemCall.failure("pwrite", errno, path)
      }
      done += count
    }
  }

  package func size(of file: FileDescriptor, path: String) throws(EventLogError) -> Int64 {
    var info = stat()
    guard fstat(file.number, &info) == 0 else { throw SystemCall.failure("fstat", errno, path) }
    return Int64(info.st_size)
  }

  package func allocate(
    _ file: FileDescriptor, from offset: Int64, count: Int64, path: String
  ) throws(EventLogError) {
    let code = cel_fallocate(file.number, off_t(offset), off_t(count))
    guard code == 0 else { throw SystemCall.failure("fallocate", code, path) }
  }

  package func truncate(_ file: FileDescriptor, to size: Int64, path: String) throws(EventLogError) {
    while ftruncate(file.number, off_t(size)) != 0 {
      guard errno == EINTR else { throw SystemCall.failure("ftruncate", errno, path) }
    }
  }

  package func syncData(_ file: FileDescriptor, path: String) throws(EventLogError) {
    // No second try after any error but an interruption: the kernel may have dropped the pages and say "done".
    while fdatasync(file.number) != 0 {
      guard errno == EINTR else { throw SystemCall.failure("fdatasync", errno, path) }
    }
  }

  package func startWriteback(_ file: FileDescriptor) {
    cel_start_writeback(file.number)
  }

  package func syncDirectory(_ path: String) throws(EventLogError) {
    let number = cel_open(path, O_RDONLY | O_DIRECTORY, 0)
    guard number >= 0 else { throw SystemCall.failure("open", -number, path) }
    defer { Glibc.close(number) }
    while fsync(number) != 0 {
      guard errno == EINTR else { throw SystemCall.failure("fsync", errno, path) }
    }
  }

  package func map(
    _ file: FileDescriptor, count: Int, writable: Bool, path: String
  ) throws(EventLogError) -> UnsafeMutableRawPointer {
    let protection = writable ? PROT_READ | PROT_WRITE : PROT_READ
    guard let address = mmap(nil, count, protection, MAP_SHARED, file.number, 0),
      address != UnsafeMutableRawPointer(bitPattern: -1)
    else { throw SystemCall.failure("mmap", errno, path) }
    return address
  }

  package func populate(_ address: UnsafeRawPointer, count: Int, path: String) throws(EventLogError) -> Bool {
    let code = cel_populate_read(address, count)
    // That is how it says that a page can't be read.
    guard code != EFAULT else { throw SystemCall.failure("madvise", EIO, path) }
    return code == 0
  }

  package func rename(_ path: String, to newPath: String) throws(EventLogError) {
    guard Glibc.rename(path, newPath) == 0 else { throw SystemCall.failure("rename", errno, path) }
  }

  package func unlink(_ path: String) throws(EventLogError) {
    guard Glibc.unlink(path) == 0 else { throw SystemCall.failure("unlink", errno, path) }
  }

  package func makeDirectory(_ path: String) throws(EventLogError) {
    guard mkdir(path, 0o700) == 0 else { throw SystemCall.failure("mkdir", errno, path) }
  }

  package func removeDirectory(_ path: String) throws(EventLogError) {
    guard rmdir(path) == 0 else { throw SystemCall.failure("rmdir", errno, path) }
  }

  package func status(_ path: String) throws(EventLogError) -> FileStatus? {
    var info = stat()
    guard lstat(path, &info) == 0 else {
      if errno == ENOENT { return nil }
      throw SystemCall.failure("lstat", errno, path)
    }
    let kind: FileKind =
      switch info.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .directory
      default: .other
      }
    let modified = Int64(info.st_mtim.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue
    return FileStatus(
      kind: kind, size: Int64(info.st_size), modifiedNanoseconds: modified &+ Int64(info.st_mtim.tv_nsec),
      linkCount: Int(info.st_nlink))
  }

  package func setModified(_ path: String, nanoseconds: Int64) throws(EventLogError) {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    let code = cel_set_modified(path, timespec(tv_sec: Int(seconds), tv_nsec: Int(rest)))
    guard code == 0 else { throw SystemCall.failure("utimensat", code, path) }
  }

  package func list(_ path: String) throws(EventLogError) -> [String] {
    guard let directory = opendir(path) else { throw SystemCall.failure("opendir", errno, path) }
    defer { closedir(directory) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw SystemCall.failure("readdir", errno, path) }
    return names
  }

  package func lock(_ file: FileDescriptor, path: String) throws(EventLogError) -> Bool {
    let code = cel_lock_exclusive(file.number)
    if code == EWOULDBLOCK { return false }
    guard code == 0 else { throw SystemCall.failure("flock", code, path) }
    return true
  }

  package func unlock(_ file: FileDescriptor, path: String) throws(EventLogError) {
    let code = cel_unlock(file.number)
    guard code == 0 else { throw SystemCall.failure("flock", code, path) }
  }
}

/// Turns a system call's `errno` into an error that says what to do.
package enum SystemCall {
  package static func failure(_ call: String, _ code: Int32, _ path: String) -> EventLogError {
    let reason = String(cString: strerror(code))
    switch code {
    case ENOSPC, EDQUOT:
      return EventLogError(
        .diskFull, "\(call): \(reason); make room and try again, nothing that was acknowledged is lost", file: path,
        errno: code)
    case EFBIG:
      return EventLogError(
        .diskFull, "\(call): \(reason); the process may not write files of this size (ulimit -f)", file: path,
        errno: code)
    case EROFS, EACCES, EPERM:
      return EventLogError(
        .inputOutput, "\(call): \(reason); this process may not do that here, check the directory's owner and mode",
        file: path, errno: code)
    case EMFILE, ENFILE:
      return EventLogError(
        .inputOutput, "\(call): \(reason); raise the limit on open files (ulimit -n)", file: path, errno: code)
    case ENOMEM:
      return EventLogError(
        .inputOutput, "\(call): \(reason); out of memory or of mappings (vm.max_map_count)", file: path, errno: code)
    case ELOOP:
      return EventLogError(
        .inputOutput, "\(call): a symbolic link lies here; links in a data directory are not followed", file: path,
        errno: code)
    default:
      return EventLogError(.inputOutput, "\(call): \(reason)", file: path, errno: code)
    }
  }
}
