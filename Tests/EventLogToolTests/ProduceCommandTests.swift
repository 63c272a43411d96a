import Foundation
import Testing

@Suite("eventlog produce")
struct ProduceCommandTests {
  @Test("refuses a line that is too long by its number; those before it are written, those behind it are not")
  func longLine() throws {
    let store = try Store(partitions: 2, "max.message.bytes=2000")
    let long = String(repeating: "x", count: 1950)
    let text = (1...100).map { $0 == 71 ? long : "line \($0)" }.joined(separator: "\n")
    let sent = try store.produce(text, "--print-offsets")
    #expect(sent.status == 1)
    #expect(sent.errors.count == 1)
    #expect(sent.error.contains("MESSAGE_TOO_LARGE: line 71 of the input"))
    #expect(sent.lines.count == 70)
    #expect(Set(try store.consume().lines) == Set((1...70).map { "line \($0)" }))
  }

  @Test("gives up on input without newlines as soon as no record could hold it")
  func endless() throws {
    let store = try Store("max.message.bytes=100000")
    // What is left of the input tells that most of it was never read.
    let script = """
      head -c 200000000 /dev/zero | { "$0" produce -d "$1" -t t; code=$?; wc -c; exit $code; }
      """
    let sent = try Tool.shell(script, store.path)
    #expect(sent.status == 1)
    #expect(sent.error.contains("line 1 of the input has more than 100000 bytes"))
    #expect(Int(sent.lines.first?.trimmingCharacters(in: .whitespaces) ?? "") ?? 0 > 150_000_000)
    #expect(try store.produce("next", "--print-offsets").lines == ["0 0"])
  }

  @Test("splits its batches by the topic's limits, also for one partition")
  func limits() throws {
    let store = try Store(partitions: 2, "max.message.bytes=1000", "segment.bytes=20000")
    let lines = (0..<3000).map { "line \($0)" }
    #expect(try store.produce(lines.joined(separator: "\n"), "--partition", "1").status == 0)
    #expect(try store.consume("--partition", "1").lines == lines)
    #expect(try Tool.run("verify", store.path).status == 0)
  }

  @Test("tells a mistyped partition, file, codec or acks, also where there is no line to send")
  func arguments() throws {
    let store = try Store(partitions: 2)
    for (options, status, reason) in [
      (["--partition", "-1"], 64, "--partition can't be negative"),
      (["--partition", "2"], 1, "UNKNOWN_TOPIC_OR_PARTITION: the topic has 2 partitions"),
      (["--file", "/nonexistent"], 1, "INPUT_OUTPUT: the input can't be opened: No such file or directory"),
      (["--file", "/tmp"], 1, "INPUT_OUTPUT: the input can't be read: Is a directory"),
      (["--compression", "brotli"], 64, "one of 'none', 'gzip', 'snappy', 'lz4' or 'zstd'"),
      (["--acks", "2"], 64, "one of '0', '1' or 'all'"),
    ] {
      let sent = try Tool.result(Tool.start(["produce", "--dir", store.path, "--topic", "t"] + options))
      #expect(sent.status == Int32(status), "\(options)")
      #expect(sent.errors.first?.contains(reason) == true, "\(options): \(sent.error)")
    }
  }

  @Test("takes each line's key from a field or before a separator, and none where it lacks it")
  func keys() throws {
    let store = try Store(partitions: 1)
    _ = try store.produce("a b c\n\none\n  lead\ttwo three\r\n", "--key-field", "3")
    _ = try store.produce("k::v::w\n::v\nk::\nnone", "-K", "::", "-Z")
    #expect(
      try store.consume("--format", "%k|%K|%S\\n").lines
        == ["c|1|5", "|-1|0", "|-1|3", "three|5|17", "k|1|4", "|0|1", "k|1|-1", "|-1|4"])
  }

  @Test("prints an offset as soon as its record is written, while the input stays open")
  func promptly() throws {
    let store = try Store()
    let input = Pipe()
    let (process, output, error) = try Tool.start(
      ["produce", "--dir", store.path, "--topic", "t", "--print-offsets"], input: input)
    for number in 0..<3 {
      try input.fileHandleForWriting.write(contentsOf: Data("line\n".utf8))
      #expect(output.fileHandleForReading.availableData == Data("0 \(number)\n".utf8))
    }
    try input.fileHandleForWriting.close()
    #expect(Tool.result((process, output, error)).status == 0)
  }

  @Test(
    "closes its store in order when it is interrupted, and says by its status that there was more to send",
    arguments: [SIGINT, SIGTERM])
  func signals(number: Int32) throws {
    let store = try Store()
    let input = Pipe()
    let (process, output, error) = try Tool.start(
      ["produce", "--dir", store.path, "--topic", "t", "--print-offsets"], input: input)
    try input.fileHandleForWriting.write(contentsOf: Data("one\ntwo, without an end".utf8))
    #expect(output.fileHandleForReading.availableData == Data("0 0\n".utf8))
    kill(process.processIdentifier, number)
    let result = Tool.result((process, output, error))
    #expect(process.terminationReason == .exit)
    #expect(result.status == 128 + number)
    #expect(result.error == "")
    // A store that was not closed would have a leader epoch more.
    #expect(try store.consume("--group", "g").lines == ["one"])
    let epochs = try String(contentsOfFile: store.path + "/t-0/leader-epoch-checkpoint", encoding: .utf8)
    #expect(epochs.split(separator: "\n").count <= 3)
    try input.fileHandleForWriting.close()
  }
}
