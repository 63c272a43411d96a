import Foundation
import Testing

@Suite("With its standard streams closed or full, the tool")
struct StandardStreamTests {
  @Test("says so in a sentence, and nothing is printed into the store", arguments: [">&-", "> /dev/full"])
  func output(redirection: String) throws {
    let store = try Store()
    _ = try store.produce("one\ntwo")
    for command in [
      "consume -d \"$1\" -t t", "consume -d \"$1\" -t t --group g", "topics list -d \"$1\"",
      "topics describe -d \"$1\"",
      "verify \"$1\"", "dump \"$1\"/t-0/*.log --records",
    ] {
      let result = try Tool.shell("\"$0\" \(command) \(redirection)", store.path)
      #expect(result.status == 1, "\(command)")
      #expect(result.errors.count == 1)
      #expect(result.error.contains("standard output can't be written to"), "\(command): \(result.error)")
    }
    #expect(try Tool.run("verify", store.path).status == 0)
    #expect(try store.consume("--group", "g").lines == ["one", "two"])
  }

  @Test("reads no file of the store in place of its input")
  func input() throws {
    let store = try Store()
    let result = try Tool.shell("\"$0\" produce -d \"$1\" -t t --print-offsets <&-", store.path)
    #expect(result.status == 1)
    #expect(result.error.contains("the input can't be read"))
    #expect(try store.consume().lines == [])
  }

  @Test("keeps its status: faults are faults, and lines that were not sent were not sent")
  func statuses() throws {
    let store = try Store()
    _ = try store.produce("one")
    try store.damage("t-0/00000000000000000000.log", at: 65)
    let verify = try Tool.shell("\"$0\" verify \"$1\" | true; exit ${PIPESTATUS[0]}", store.path)
    #expect(verify.status == 1)
    #expect(verify.error == "")
    let dump = try Tool.shell("\"$0\" dump \"$1\"/t-0/*.log | cat > /dev/null; exit ${PIPESTATUS[0]}", store.path)
    #expect(dump.status == 1)
    let produce = try Tool.shell(
      "seq 1 300000 | \"$0\" produce -d \"$1\" -t t --print-offsets | head -1 > /dev/null; exit ${PIPESTATUS[1]}",
      store.path
    )
    #expect(produce.status == 1)
    #expect(produce.error.contains("the input is sent up to line"))
  }
}
