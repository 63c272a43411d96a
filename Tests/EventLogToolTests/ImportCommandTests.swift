import EventLog
import Foundation
import Testing

@Suite("eventlog import")
struct ImportCommandTests {
  /// A directory with a partition's directory called `name`, of one record.
  private func source(_ name: String) throws -> (directory: TemporaryDirectory, partition: String) {
    let store = try Store()
    _ = try store.produce("one")
    let directory = try TemporaryDirectory()
    try FileManager.default.copyItem(atPath: store.path + "/t-0", toPath: directory.path + "/" + name)
    return (directory, directory.path + "/" + name)
  }

  @Test("creates the topic with the configurations that are said, and warns of what retention will delete")
  func retention() throws {
    let (directory, partition) = try source("old-0")
    let store = directory.path + "/store"
    let kept = try Tool.run("import", "--dir", store, partition, "--config", "retention.ms=-1")
    #expect(kept.status == 0 && kept.error == "", "\(kept.error)")
    #expect(try Tool.run("topics", "describe", "--dir", store).text.contains("retention.ms=-1"))

    let other = directory.path + "/other"
    let doomed = try Tool.run("import", "--dir", other, partition, "--config", "retention.ms=1")
    #expect(doomed.status == 0)
    #expect(
      doomed.error.hasPrefix("warning: old-0: by its retention.ms, retention will delete what lies below offset 1"))

    let late = try Tool.run("import", "--dir", store, partition, "--config", "retention.ms=1")
    #expect(late.status == 1 && late.error.contains("configs alter"))
  }

  @Test("does not make very many partitions for one")
  func mistyped() throws {
    let (directory, partition) = try source("big-99999")
    let store = directory.path + "/store"
    let result = try Tool.run("import", "--dir", store, partition)
    #expect(result.status == 1)
    #expect(result.error.contains("this would make 100000 partitions, of which 1 is given"), "\(result.error)")
    #expect(try Tool.run("topics", "list", "--dir", store).lines == [])
  }
}
