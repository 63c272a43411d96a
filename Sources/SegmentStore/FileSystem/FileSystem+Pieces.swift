internal import RecordFormat

// Parts of files that may be large, a piece at a time.

extension FileSystem {
  private static var pieceSize: Int64 { 1 << 20 }

  /// Copies a part of a file to `position` of another.
  ///
  /// - Returns: how many bytes there were to copy: fewer than asked for where the file ends before.
  func copy(
    _ range: Range<Int64>, of source: FileDescriptor, _ sourcePath: String, to target: FileDescriptor,
    _ targetPath: String,
    at position: Int64
  ) throws(EventLogError) -> Int64 {
    var done: Int64 = 0
    try forEachPiece(of: range, source, sourcePath) { bytes throws(EventLogError) in
      try write(target, bytes, at: position + done, path: targetPath)
      done += Int64(bytes.count)
      return true
    }
    return done
  }

  /// Whether there is nothing but zeros, as far as the file goes.
  func isZero(_ range: Range<Int64>, of file: FileDescriptor, _ path: String) throws(EventLogError) -> Bool {
    var isZero = true
    try forEachPiece(of: range, file, path) { bytes in
      isZero = bytes.allSatisfy { $0 == 0 }
      return isZero
    }
    return isZero
  }

  /// Reads pieces until `visit` says that it has enough, or the file ends.
  private func forEachPiece(
    of range: Range<Int64>, _ file: FileDescriptor, _ path: String, _ visit: ([UInt8]) throws(EventLogError) -> Bool
  ) throws(EventLogError) {
    var position = range.lowerBound
    while position < range.upperBound {
      let bytes = try read(
        file, at: position, count: Int(min(Self.pieceSize, range.upperBound - position)), path: path)
      guard !bytes.isEmpty, try visit(bytes) else { return }
      position += Int64(bytes.count)
    }
  }
}
