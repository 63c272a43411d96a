import Foundation

/// Memory that the machine has really got. A virtual machine's free memory may be the host's at the moment: the first to use it
/// waits for each page, and whoever comes next gets it for nothing. So nobody is to be the first.
enum WarmMemory {
  /// Uses so much memory once, or as much as half of what is available.
  static func touch(_ bytes: Int) {
    let bytes = min(bytes, available / 2)
    guard bytes > 0, let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED
    else { return }
    for page in stride(from: 0, to: bytes, by: 4096) { memory.storeBytes(of: 1, toByteOffset: page, as: UInt8.self) }
    munmap(memory, bytes)
  }

  /// Fills page cache and gives it back.
  static func fillPageCache(_ path: String, bytes: Int) throws {
    let file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
    guard file >= 0 else { throw POSIXError(.EIO) }
    defer {
      close(file)
      unlink(path)
    }
    let chunk = [UInt8](repeating: 1, count: 1 << 20)
    for _ in 0..<(bytes / chunk.count) where write(file, chunk, chunk.count) < 0 { throw POSIXError(.EIO) }
  }

  private static var available: Int {
    let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))?.split(separator: "\n") ?? []
    for line in lines where line.hasPrefix("MemAvailable:") {
      return (Int(line.split(separator: " ")[1]) ?? 0) << 10
    }
    return 0
  }
}
