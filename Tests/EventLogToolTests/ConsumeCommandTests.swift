import Foundation
import Testing

@Suite("eventlog consume")
struct ConsumeCommandTests {
  /// Two partitions with ten batches each; the batch of offset 4 in partition 0 is damaged.
  private func damagedStore() throws -> Store {
    let store = try Store(partitions: 2)
    for number in 0..<10 {
      for partition in ["0", "1"] { _ = try store.produce("line \(partition)/\(number)", "--partition", partition) }
    }
    let log = store.path + "/t-0/00000000000000000000.log"
    let size = try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int ?? 0
    try store.damage("t-0/00000000000000000000.log", at: size * 45 / 100)
    return store
  }

  @Test(
    "reports a damaged batch with its place, prints what is before it and the other partitions, and exits with 1",
    arguments: [[], ["--group", "g", "--members", "2"]])
  func damage(options: [String]) throws {
    let store = try damagedStore()
    let read = try Tool.result(Tool.start(["consume", "--dir", store.path, "--topic", "t"] + options))
    #expect(read.status == 1)
    #expect(Set(read.lines) == Set((0..<4).map { "line 0/\($0)" } + (0..<10).map { "line 1/\($0)" }))
    #expect(read.errors.count == 1)
    #expect(read.error.contains("CORRUPT_MESSAGE"))
    #expect(read.error.contains("partition t-0, offset 4, file \(store.path)/t-0/00000000000000000000.log, position"))
    #expect(try store.consume("--partition", "0", "--from", "5").lines == (5..<10).map { "line 0/\($0)" })
  }

  @Test("reports a last batch that is damaged too, though it could be one that is being written")
  func damagedEnd() throws {
    let store = try Store()
    for number in 0..<3 { _ = try store.produce("line \(number)") }
    let log = "t-0/00000000000000000000.log"
    let size = try FileManager.default.attributesOfItem(atPath: store.path + "/" + log)[.size] as? Int ?? 0
    try store.damage(log, at: size - 1)
    let read = try store.consume()
    #expect(read.status == 1)
    #expect(read.lines == ["line 0", "line 1"])
    #expect(read.error.contains("offset 2"))
  }

  @Test("reports a log whose end was cut off")
  func cutOff() throws {
    let store = try Store()
    for number in 0..<3 { _ = try store.produce("line \(number)") }
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: store.path + "/t-0/00000000000000000000.log"))
    try file.truncate(atOffset: 100)
    try file.close()
    let read = try store.consume()
    #expect(read.status == 1)
    #expect(read.lines == ["line 0"])
    #expect(read.error.contains("CORRUPT_MESSAGE"))
    #expect(read.error.contains("was on the disk up to 3"))
  }

  @Test("begins where it is told to, and never outside of what there is")
  func from() throws {
    let store = try Store()
    _ = try store.produce((0..<10).map { "\($0)" }.joined(separator: "\n"))
    for (from, first) in [
      ("beginning", 0), ("end", 10), ("7", 7), ("99", 10), ("-3", 7), ("-0", 10), ("-99", 0), ("@0", 0),
      ("@9999999999999", 10),
    ] {
      #expect(try store.consume("--from", from).lines == (first..<10).map { "\($0)" }, "--from \(from)")
    }
    #expect(try store.consume("--from", "sideways").status == 64)
    #expect(try store.consume("--group", "g", "--from", "-3").lines == ["7", "8", "9"])
  }

  @Test(
    "ends in order when it is interrupted: it commits what it printed, and leaves its group",
    arguments: [SIGINT, SIGQUIT, SIGTERM])
  func signals(number: Int32) throws {
    let store = try Store()
    _ = try store.produce("one\ntwo")
    let (process, output, error) = try Tool.start(
      ["consume", "--dir", store.path, "--topic", "t", "--group", "g", "--follow"])
    #expect(output.fileHandleForReading.availableData == Data("one\ntwo\n".utf8))
    kill(process.processIdentifier, number)
    let result = Tool.result((process, output, error))
    #expect(process.terminationReason == .exit)
    #expect(result.status == 0)
    #expect(result.error == "")
    let lag = try Tool.run("groups", "lag", "--dir", store.path, "--json").text
    #expect(lag.contains("\"committedOffset\":2,\"logEndOffset\":2,\"lag\":0"))
  }

  @Test("ends quietly, and well, when whoever reads it has had enough; what nobody took is not committed")
  func closedPipe() throws {
    let store = try Store()
    _ = try store.produce((0..<100_000).map { "line \($0)" }.joined(separator: "\n"))
    for options in ["", "--group g", "--json", "--follow"] {
      let read = try Tool.shell(
        "\"$0\" consume -d \"$1\" -t t \(options) | head -1 > /dev/null; exit ${PIPESTATUS[0]}", store.path)
      #expect(read.status == 0, "\(options)")
      #expect(read.error == "", "\(options)")
    }
    let rest = try store.consume("--group", "g").lines
    #expect(rest.count > 0)
    #expect(rest == ((100_000 - rest.count)..<100_000).map { "line \($0)" })
  }

  @Test("fails with the place where a partition's files are gone, and does not take it for empty")
  func filesGone() throws {
    let store = try Store()
    _ = try store.produce("one\ntwo")
    try FileManager.default.removeItem(atPath: store.path + "/t-0")
    let read = try store.consume()
    #expect(read.status == 1)
    #expect(read.error.contains("CORRUPT_MESSAGE") && read.error.contains("was on the disk up to 2"), "\(read.error)")
    #expect(try Tool.run("get-offsets", "--dir", store.path).lines == ["t:0:2"])
  }

  @Test("follows into the partitions that are added")
  func addedPartitions() throws {
    let store = try Store()
    _ = try store.produce("one")
    let started = try Tool.start(["consume", "--dir", store.path, "--topic", "t", "--follow", "--max", "3"])
    #expect(started.output.fileHandleForReading.availableData == Data("one\n".utf8))
    #expect(try Tool.run("topics", "alter", "--dir", store.path, "--topic", "t", "--partitions", "2").status == 0)
    _ = try store.produce("two", "--partition", "1")
    _ = try store.produce("three", "--partition", "0")
    let result = Tool.result(started)
    #expect(Set(result.lines) == ["two", "three"])
    #expect(result.status == 0, "\(result.error)")
  }

  @Test(
    "ends, and says why, when the topic that it follows is deleted, also if it is made anew", arguments: [true, false])
  func deletedTopic(isMadeAnew: Bool) throws {
    let store = try Store()
    _ = try store.produce("one")
    let started = try Tool.start(["consume", "--dir", store.path, "--topic", "t", "--follow"])
    #expect(started.output.fileHandleForReading.availableData == Data("one\n".utf8))
    #expect(try Tool.run("topics", "delete", "--dir", store.path, "--topic", "t").status == 0)
    if isMadeAnew { #expect(try store.produce("other", "--create-topic").status == 0) }
    let result = Tool.result(started)
    #expect(result.status == 1)
    #expect(result.errors.count == 1)
    #expect(
      result.error.contains("UNKNOWN_TOPIC_OR_PARTITION") && result.error.contains("was deleted"), "\(result.error)")
  }

  @Test("says where it begins instead of at an offset that is not in the log", arguments: [[], ["--group", "g"]])
  func beyond(options: [String]) throws {
    let store = try Store()
    _ = try store.produce("one\ntwo")
    let read = try Tool.result(
      Tool.start(["consume", "--dir", store.path, "--topic", "t", "--from", "50"] + options))
    #expect(read.error == "warning: t-0: offset 50 is not in the log; 2 is taken instead\n")
    #expect(read.status == 0)
  }
}
