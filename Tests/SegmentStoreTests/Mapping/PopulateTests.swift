import Foundation
import RecordFormat
import SegmentStore
import Testing

/// Recovery touches a mapping only where its pages were brought in: what can't be had is an error then, where touching it
/// would end the process.
@Suite("Bringing a mapping's pages in")
struct PopulateTests {
  @Test("is an error, and no signal, where the file does not reach that far any more")
  func cutFile() throws {
    let page = 4096
    let directory = try TemporaryDirectory()
    let path = directory.path + "/file"
    try Data(repeating: 7, count: 3 * page).write(to: URL(fileURLWithPath: path))
    let fileSystem = LocalFileSystem()
    let file = try fileSystem.open(path, .readWrite)
    defer { fileSystem.close(file) }
    let address = try fileSystem.map(file, count: 3 * page, writable: false, path: path)
    let region = MemoryRegion(owning: UnsafeRawPointer(address), count: 3 * page, origin: .mapping)
    // An old kernel knows no such call; recovery reads there.
    guard try fileSystem.populate(region.base, count: 3 * page, path: path) else { return }
    try fileSystem.truncate(file, to: Int64(page), path: path)
    #expect(try fileSystem.populate(region.base, count: page, path: path))
    #expect(region.bytes(0..<page).allSatisfy { $0 == 7 })
    let error = #expect(throws: EventLogError.self) {
      _ = try fileSystem.populate(region.base, count: 3 * page, path: path)
    }
    #expect(error?.code == .inputOutput)
    #expect(error?.file == path)
  }
}
