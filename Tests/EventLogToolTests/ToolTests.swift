import EventLog
import Foundation
import Testing

@Suite("The tool")
struct ToolTests {
  @Test("takes lines and gives them back byte for byte")
  func exact() throws {
    let directory = try TemporaryDirectory()
    let store = directory.path + "/store"
    let input = Data("windows\r\n\n\u{e9}t\u{e9}\n".utf8) + Data([0xff, 0xfe, 0x00, 0x0a]) + Data("no newline".utf8)
    #expect(try Tool.run("topics", "create", "--dir", store, "--topic", "t").status == 0)
    let sent = try Tool.run("produce", "--dir", store, "--topic", "t", "--print-offsets", input: input)
    #expect(sent.lines == ["0 0", "0 1", "0 2", "0 3", "0 4"])
    let read = try Tool.run("consume", "--dir", store, "--topic", "t")
    #expect(read.status == 0)
    #expect(read.output == input + Data([0x0a]))
    let json = try Tool.run("consume", "--dir", store, "--topic", "t", "--json").lines
    #expect(json[0].contains("\"payload\":\"windows\\r\""))
    #expect(json[0].contains("\"key\":null"))
    #expect(json[3].contains("\"payload\":{\"base64\":\"//4A\"}"))
    let format = try Tool.run(
      "consume", "--dir", store, "--topic", "t", "--from", "2", "--max", "1", "--format", "%t/%p/%o/%S/%K/%s%%\\n")
    #expect(format.text == "t/0/2/5/-1/\u{e9}t\u{e9}%\n")
    #expect(try Tool.run("verify", store).status == 0)
  }

  @Test("keys lines by a field or a separator, and sends each key to one partition")
  func keys() throws {
    let directory = try TemporaryDirectory()
    let store = directory.path + "/store"
    _ = try Tool.run("topics", "create", "--dir", store, "--topic", "t", "--partitions", "4")
    let lines = (0..<200).map { "line \($0)  user\($0 % 7) rest of it" }
    let input = Data(lines.joined(separator: "\n").utf8)
    _ = try Tool.run("produce", "--dir", store, "--topic", "t", "--key-field", "3", input: input)
    let read = try Tool.run("consume", "--dir", store, "--topic", "t", "--format", "%p %k|%s\\n").lines
    #expect(read.count == 200)
    var partitions: [String: Set<String>] = [:]
    for line in read {
      let parts = line.split(separator: "|")[0].split(separator: " ")
      partitions[String(parts[1]), default: []].insert(String(parts[0]))
    }
    #expect(partitions.count == 7)
    #expect(partitions.values.allSatisfy { $0.count == 1 })
    let separated = try Tool.run(
      "produce", "--dir", store, "--topic", "t", "-K", ":", "--partition", "0", "--print-offsets",
      input: Data("k:v:w".utf8))
    let offset = try #require(separated.lines.first?.split(separator: " ").last)
    let one = try Tool.run(
      "consume", "--dir", store, "--topic", "t", "-p", "0", "--from", String(offset), "--format", "%k=%s")
    #expect(one.text == "k=v:w")
  }

  @Test("ends with a status that says what went wrong, and a sentence on standard error")
  func errors() throws {
    let directory = try TemporaryDirectory()
    let store = directory.path + "/store"
    _ = try Tool.run("topics", "create", "--dir", store, "--topic", "t")
    for (arguments, name) in [
      (["topics", "create", "--dir", store, "--topic", "../x"], "INVALID_TOPIC_EXCEPTION"),
      (["topics", "create", "--dir", store, "--topic", "t"], "TOPIC_ALREADY_EXISTS"),
      (["produce", "--dir", store, "--topic", "none"], "UNKNOWN_TOPIC_OR_PARTITION"),
      (["produce", "--dir", store, "--topic", "t", "--partition", "7", "--file", "/etc/hostname"], "UNKNOWN_TOPIC"),
      (["consume", "--dir", store + "/none", "--topic", "t"], "INPUT_OUTPUT"),
      (["groups", "describe", "--dir", store, "--group", "none"], "GROUP_ID_NOT_FOUND"),
    ] {
      let (process, _, error) = try Tool.start(arguments)
      let message = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 1, "\(arguments)")
      #expect(message.contains(name), "\(arguments): \(message)")
    }
    #expect(try Tool.run("produce", "--dir", store, "--topic", "t", "--compression", "brotli").status == 64)
    let broker = try Broker.open(store)
    let locked = try Tool.run("produce", "--dir", store, "--topic", "t")
    #expect(locked.status == 2)
    #expect(locked.error.contains("DIRECTORY_LOCKED"))
    #expect(try Tool.run("topics", "list", "--dir", store).lines == ["t"])
    try broker.close()
  }

  @Test("shows the place of a damaged byte, and exits with 1")
  func damage() throws {
    let directory = try TemporaryDirectory()
    let store = directory.path + "/store"
    _ = try Tool.run("topics", "create", "--dir", store, "--topic", "t")
    for _ in 0..<3 { _ = try Tool.run("produce", "--dir", store, "--topic", "t", input: Data("some line\n".utf8)) }
    let segment = store + "/t-0/00000000000000000000.log"
    var bytes = try Data(contentsOf: URL(fileURLWithPath: segment))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: segment))
    let verify = try Tool.run("verify", store)
    #expect(verify.status == 1)
    #expect(verify.text.contains("\(segment) at \(bytes.count / 3)"))
    #expect(try Tool.run("dump", segment).status == 1)
  }
}

@Suite("Killed with SIGKILL, the tool")
struct KillTests {
  @Test("has written every offset that it printed", arguments: ["1", "all"], 0..<3)
  func produce(acks: String, round: Int) async throws {
    let directory = try TemporaryDirectory()
    let store = directory.path + "/store"
    let file = URL(fileURLWithPath: directory.path + "/input")
    try Data((0..<60_000).map { "line \($0) of the input\n" }.joined().utf8).write(to: file)
    _ = try Tool.run("topics", "create", "--dir", store, "--topic", "t", "--partitions", "3")
    let (process, output, _) = try Tool.start(
      ["produce", "--dir", store, "--topic", "t", "--acks", acks, "--print-offsets"], input: file)
    var printed = Data()
    let enough = 2000 + round * 150_000
    while printed.count < enough {
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { break }
      printed.append(more)
    }
    kill(process.processIdentifier, SIGKILL)
    printed.append(output.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    // A last line that was cut off acknowledges nothing.
    let whole = printed.prefix((printed.lastIndex(of: 10) ?? -1) + 1)
    let acknowledged = String(decoding: whole, as: UTF8.self).split(separator: "\n").map { $0.split(separator: " ") }
    #expect(!acknowledged.isEmpty)
    var configuration = BrokerConfiguration()
    configuration.warningHandler = { _ in }
    let broker = try Broker.open(store, configuration)
    let consumer = try broker.consumer()
    try consumer.assign((0..<3).map { TopicPartition("t", $0) })
    try consumer.seekToBeginning()
    var found: [TopicPartition: [Int64: String]] = [:]
    while true {
      let records = try await consumer.poll(timeout: .zero)
      if records.isEmpty { break }
      for record in records { found[record.topicPartition, default: [:]][record.offset] = record.valueString }
    }
    for (number, line) in acknowledged.enumerated() {
      let partition = try #require(Int(line[0]))
      let offset = try #require(Int64(line[1]))
      #expect(found[TopicPartition("t", partition)]?[offset] == "line \(number) of the input")
    }
    try broker.close()
  }

  @Test("goes on in its group from what it committed: nothing is missing, and only what was not committed comes twice")
  func consume() throws {
    let directory = try TemporaryDirectory()
    let store = directory.path + "/store"
    let lines = (0..<20_000).map { "line \($0) user\($0 % 50)" }
    _ = try Tool.run("topics", "create", "--dir", store, "--topic", "t", "--partitions", "4")
    let input = Data(lines.joined(separator: "\n").utf8)
    _ = try Tool.run("produce", "--dir", store, "--topic", "t", "--key-field", "3", input: input)
    let (process, output, _) = try Tool.start(
      ["consume", "--dir", store, "--topic", "t", "--group", "g", "--members", "3", "--format", "%p %o %s\\n"])
    var first = Data()
    while first.count < 100_000 { first.append(output.fileHandleForReading.availableData) }
    kill(process.processIdentifier, SIGKILL)
    first.append(output.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    let rest = try Tool.run(
      "consume", "--dir", store, "--topic", "t", "--group", "g", "--members", "2", "--format", "%p %o %s\\n")
    #expect(rest.status == 0)
    func parse(_ data: Data) -> [(Int, Int, String)] {
      String(decoding: data.prefix((data.lastIndex(of: 10) ?? -1) + 1), as: UTF8.self).split(separator: "\n").map {
        let parts = $0.split(separator: " ", maxSplits: 2)
        return (Int(parts[0]) ?? -1, Int(parts[1]) ?? -1, String(parts[2]))
      }
    }
    let all = parse(first) + parse(rest.output)
    #expect(Set(all.map(\.2)) == Set(lines))
    #expect(all.count - lines.count <= 500 * 3, "more came twice than was under way")
    for run in [parse(first), parse(rest.output)] {
      for partition in 0..<4 {
        let offsets = run.filter { $0.0 == partition }.map(\.1)
        #expect(offsets == Array((offsets.first ?? 0)..<((offsets.first ?? 0) + offsets.count)))
      }
    }
  }
}
