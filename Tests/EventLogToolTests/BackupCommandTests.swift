import Foundation
import Testing

@Suite("eventlog backup and restore")
struct BackupCommandTests {
  @Test("copy a store while its owner is at work, and make a store of the copy; a damaged copy is refused")
  func backupAndRestore() throws {
    let directory = try TemporaryDirectory()
    let store = try Store(partitions: 2, "segment.bytes=500")
    for number in 0..<20 { _ = try store.produce("line \(number)", "--partition", "\(number % 2)") }
    let (process, output, error) = try Tool.start(
      ["consume", "--dir", store.path, "--topic", "t", "--group", "g", "--follow"])
    #expect(!output.fileHandleForReading.availableData.isEmpty)
    let backup = directory.path + "/backup"
    let taken = try Tool.run("backup", "--dir", store.path, "--to", backup, "--json")
    #expect(taken.status == 0, "\(taken.error)")
    #expect(taken.text.contains("\"partitions\":2"))
    process.terminate()
    _ = Tool.result((process, output, error))
    let restored = directory.path + "/restored"
    let made = try Tool.run("restore", "--from", backup, "--dir", restored)
    #expect(made.status == 0, "\(made.error)")
    #expect(try Tool.run("verify", restored).status == 0)
    let read = try Tool.run("consume", "--dir", restored, "--topic", "t")
    #expect(read.lines.sorted() == (0..<20).map { "line \($0)" }.sorted())
    #expect(try Tool.run("backup", "--dir", store.path, "--to", backup).status == 1, "it is there already")

    let log = backup + "/t-0/00000000000000000000.log"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: log))
    bytes[bytes.count - 1] ^= 1
    try FileManager.default.removeItem(atPath: log)
    try bytes.write(to: URL(fileURLWithPath: log))
    let refused = try Tool.run("restore", "--from", backup, "--dir", directory.path + "/other")
    #expect(refused.status == 1)
    #expect(refused.error.contains("CORRUPT_MESSAGE") && refused.error.contains(log))
    #expect(!FileManager.default.fileExists(atPath: directory.path + "/other"))
    #expect(try Tool.run("restore", "--from", backup, "--dir", directory.path + "/other", "--no-verify").status == 0)
  }

  @Test("leaves nothing of a backup that failed, so that it can be tried again", arguments: [true, false])
  func failed(isThere: Bool) throws {
    let store = try Store()
    _ = try store.produce("one")
    let directory = try TemporaryDirectory()
    let copy = isThere ? directory.path : directory.path + "/copy"
    let hidden = directory.path + ".hidden"
    try FileManager.default.moveItem(atPath: store.path + "/t-0", toPath: hidden)
    #expect(try Tool.run("backup", "--dir", store.path, "--to", copy).status == 1)
    try FileManager.default.moveItem(atPath: hidden, toPath: store.path + "/t-0")
    let again = try Tool.run("backup", "--dir", store.path, "--to", copy)
    #expect(again.status == 0, "\(again.error)")
    #expect(try Tool.run("verify", copy).status == 0)
  }
}
