import RecordFormat
import SegmentStore
import Testing

@Suite("A file that is replaced as a whole")
struct ReplaceTests {
  @Test("takes the place of the old one, also over what a crash left beside it")
  func leftover() throws {
    let directory = try TemporaryDirectory()
    let fileSystem = LocalFileSystem()
    let path = directory.path + "/names"
    try fileSystem.replace(path, with: [1, 2, 3], durably: false)
    let leftover = try fileSystem.open(path + ".tmp", .create)
    try fileSystem.write(leftover, [9, 9, 9, 9, 9], at: 0, path: path + ".tmp")
    fileSystem.close(leftover)
    try fileSystem.replace(path, with: [4, 5], durably: true)
    #expect(try fileSystem.contents(of: path) == [4, 5])
    #expect(try fileSystem.list(directory.path) == ["names"])
  }

  @Test("is not made where something that is no file lies beside it")
  func obstacle() throws {
    let directory = try TemporaryDirectory()
    let fileSystem = LocalFileSystem()
    let path = directory.path + "/names"
    try fileSystem.replace(path, with: [1], durably: false)
    try fileSystem.makeDirectory(path + ".tmp")
    #expect(throws: EventLogError.self) { try fileSystem.replace(path, with: [2], durably: false) }
    #expect(try fileSystem.contents(of: path) == [1])
  }
}
