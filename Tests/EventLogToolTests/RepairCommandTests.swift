import EventLog
import Foundation
import Testing

@Suite("eventlog verify --repair")
struct RepairCommandTests {
  private static let log = "t-0/00000000000000000000.log"

  private func store() throws -> Store {
    let store = try Store()
    for number in 0..<4 { _ = try store.produce("line \(number)") }
    return store
  }

  @Test("says what is wrong, what was done and what is lost, and ends with 1 where a record is")
  func loss() throws {
    let store = try store()
    let size = try Data(contentsOf: URL(fileURLWithPath: store.path + "/" + Self.log)).count / 4
    try store.damage(Self.log, at: size + 66)
    let planned = try Tool.run("verify", store.path, "--repair", "--dry-run")
    #expect(planned.status == 1)
    #expect(planned.lines.count == 2)
    #expect(planned.text.contains("to be taken out of the segment"))
    #expect(try Tool.run("verify", store.path).status == 1, "nothing was changed")
    let done = try Tool.run("verify", store.path, "--repair")
    let quarantine = "\(store.path)/t-0.00000000000000000000-\(size).quarantine"
    #expect(done.status == 1)
    #expect(
      done.lines == [
        "\(store.path)/\(Self.log) at \(size): the checksum of the batch does not fit its bytes; taken out of the segment; "
          + "its bytes saved in \(quarantine); lost: t-0 offsets 1 to 1, 1 record",
        "1 partitions: 1 fault, 1 repaired; lost: 1 records",
      ])
    #expect(try Data(contentsOf: URL(fileURLWithPath: quarantine)).count == size)
    #expect(try Tool.run("verify", store.path).status == 0)
    let again = try Tool.run("verify", store.path, "--repair")
    #expect(again.status == 0 && again.lines == ["1 partitions: all sound"])
    #expect(try store.consume().lines == ["line 0", "line 2", "line 3"])
  }

  @Test("ends with 0 where no record is lost, and prints JSON")
  func index() throws {
    let store = try store()
    try FileManager.default.removeItem(atPath: store.path + "/t-0/00000000000000000000.timeindex")
    let done = try Tool.run("verify", store.path, "--repair", "--json")
    #expect(done.status == 0, "\(done.error)")
    #expect(done.lines.count == 2)
    #expect(
      done.lines[0].hasSuffix(
        "\"fault\":\"the index is missing\",\"remedy\":\"made anew from the log\",\"lost\":null}"))
    #expect(
      done.lines[1]
        == "{\"partitions\":1,\"faults\":1,\"repaired\":1,\"notRepaired\":0,\"losses\":0,\"recordsLost\":0,"
        + "\"lossesOfUnknownSize\":0,\"notes\":0,\"dryRun\":false}")
  }

  @Test("ends with 2 where a process is at work, with 1 where there is no store, and with 64 for --dry-run alone")
  func refusals() throws {
    let store = try store()
    let broker = try Broker.open(store.path)
    let locked = try Tool.run("verify", store.path, "--repair")
    #expect(locked.status == 2 && locked.error.contains("DIRECTORY_LOCKED"))
    try broker.close()
    let directory = try TemporaryDirectory()
    let none = try Tool.run("verify", directory.path, "--repair")
    #expect(none.status == 1 && none.error.contains("METADATA_ERROR"))
    #expect(try Tool.run("verify", store.path, "--dry-run").status == 64)
  }
}
