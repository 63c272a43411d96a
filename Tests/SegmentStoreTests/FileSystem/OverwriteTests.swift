import Foundation
import RecordFormat
import SegmentStore
import Testing

@Suite("A file that is overwritten where it lies")
struct OverwriteTests {
  @Test("holds what it was given and nothing else, whatever it held before", arguments: [nil, 0, 3, 512, 513, 5000])
  func contents(before: Int?) throws {
    let directory = try TemporaryDirectory()
    let fileSystem = LocalFileSystem()
    let path = directory.path + "/index"
    for bytes in [[], [1, 2, 3, 4, 5], (0..<3000).map { UInt8(truncatingIfNeeded: $0) }] as [[UInt8]] {
      if let before { try fileSystem.replace(path, with: [UInt8](repeating: 9, count: before), durably: false) }
      let inode = Inode.of(path)
      try fileSystem.overwrite(path, with: bytes)
      #expect(try fileSystem.contents(of: path) == bytes)
      if let before, before <= 512 { #expect(Inode.of(path) == inode) }
      #expect(try fileSystem.list(directory.path) == ["index"])
    }
  }

  @Test("stays the same file where it grows, and never has bytes of before beside new ones that are not theirs")
  func beginning() throws {
    let directory = try TemporaryDirectory()
    let fileSystem = LocalFileSystem()
    let path = directory.path + "/index"
    let bytes = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
    try fileSystem.replace(path, with: Array(bytes[..<2000]), durably: false)
    let inode = Inode.of(path)
    try fileSystem.overwrite(path, with: bytes)
    #expect(Inode.of(path) == inode)
    #expect(try fileSystem.contents(of: path) == bytes)
    for other in [Array(bytes.dropLast()), bytes.dropLast(2) + [77, 0], [9] + bytes] {
      let inode = Inode.of(path)
      // Open, so that its number is not given to the next.
      let file = try fileSystem.open(path, .read)
      defer { fileSystem.close(file) }
      try fileSystem.overwrite(path, with: other)
      #expect(Inode.of(path) != inode)
      #expect(try fileSystem.contents(of: path) == other)
    }
  }

  @Test("is left to who knows it by another name")
  func shared() throws {
    let directory = try TemporaryDirectory()
    let fileSystem = LocalFileSystem()
    let (path, backup) = (directory.path + "/index", directory.path + "/backup")
    try fileSystem.replace(path, with: [1, 2, 3], durably: false)
    try FileManager.default.linkItem(atPath: path, toPath: backup)
    try fileSystem.overwrite(path, with: [4])
    #expect(try fileSystem.contents(of: path) == [4])
    #expect(try fileSystem.contents(of: backup) == [1, 2, 3])
  }

  @Test("is not reached through a link")
  func link() throws {
    let directory = try TemporaryDirectory()
    let fileSystem = LocalFileSystem()
    let (path, other) = (directory.path + "/index", directory.path + "/other")
    try fileSystem.replace(other, with: [1, 2, 3], durably: false)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: other)
    try fileSystem.overwrite(path, with: [4])
    #expect(try fileSystem.contents(of: path) == [4])
    #expect(try fileSystem.contents(of: other) == [1, 2, 3])
  }
}
