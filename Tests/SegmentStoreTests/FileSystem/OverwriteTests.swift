import Foundation
import RecordFormat
import SegmentStore
import Testing

@Suite("A file that is overwritten where it lies")
struct OverwriteTests {
  @Test(
    "holds what it was given and nothing else, whatever it held before, and stays the same file",
    arguments: [nil, 0, 3, 5, 5000])
  func contents(before: Int?) throws {
    let directory = try TemporaryDirectory()
    let fileSystem = LocalFileSystem()
    let path = directory.path + "/index"
    if let before { try fileSystem.replace(path, with: [UInt8](repeating: 9, count: before), durably: false) }
    let inode = Inode.of(path)
    try fileSystem.overwrite(path, with: [1, 2, 3, 4, 5])
    #expect(try fileSystem.contents(of: path) == [1, 2, 3, 4, 5])
    if before != nil { #expect(Inode.of(path) == inode) }
    #expect(try fileSystem.list(directory.path) == ["index"])
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
