import EventLog
import Foundation
import Testing

@Suite("The tool's administration")
struct AdminCommandTests {
  /// A store with topics `t` (3 partitions, 10 records each, a record each 100 ms from 1970 on) and `u`, and a group `g`
  /// that has committed 6 of `t-0`.
  private func makeStore(_ directory: TemporaryDirectory) throws -> String {
    let store = directory.path + "/store"
    let broker = try Broker.open(store)
    try broker.admin.createTopic("t", partitions: 3)
    try broker.admin.createTopic("u")
    let producer = try broker.producer(ProducerConfiguration(acks: .leader))
    for partition in 0..<3 {
      try producer.append(
        (0..<10).map { Record(value: "v", timestamp: Int64($0) * 100) }, to: TopicPartition("t", partition))
    }
    try broker.admin.alterConsumerGroupOffsets("g", [TopicPartition("t", 0): OffsetAndMetadata(6)])
    try broker.close()
    return store
  }

  @Test("resets offsets of a group: shows the plan, takes it to a file and back, and does it when told to")
  func reset() throws {
    let directory = try TemporaryDirectory()
    let store = try makeStore(directory)
    let reset = ["groups", "reset-offsets", "--dir", store, "--group", "g"]
    for (arguments, offsets) in [
      (["--topic", "t", "--to-earliest"], ["0", "0", "0"]), (["--topic", "t:0,2", "--to-latest"], ["10", "10"]),
      (["--topic", "t", "--partition", "1", "--to-offset", "7"], ["7"]), (["--all-topics", "--shift-by", "-2"], ["4"]),
      (["--all-topics", "--to-current"], ["6"]), (["--topic", "t:0", "--to-timestamp", "250"], ["3"]),
      (["--topic", "t:0", "--to-datetime", "1970-01-01T00:00:00.250"], ["3"]),
      (["--topic", "t:0", "--to-datetime", "1970-01-01T01:00:00.250+01:00"], ["3"]),
      (["--topic", "t:0", "--by-duration", "PT1H"], ["10"]),
      (["--topic", "t:1", "--topic", "u", "--to-offset", "2"], ["2", "0"]),
    ] {
      let result = try Tool.run(reset + arguments + ["--json"])
      #expect(result.status == 0, "\(arguments): \(result.error)")
      #expect(result.lines.count == offsets.count, "\(arguments)")
      for (line, offset) in zip(result.lines, offsets) {
        #expect(line.contains("\"offset\":\(offset),"), "\(arguments): \(line)")
        #expect(line.contains("\"executed\":false"))
      }
    }
    let table = try Tool.run(reset + ["--topic", "t", "--to-offset", "99"])
    #expect(table.lines[0].split(separator: " ") == ["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "NEW-OFFSET"])
    #expect(table.lines[1].split(separator: " ") == ["g", "t", "0", "6", "10"])
    #expect(table.lines[2].split(separator: " ") == ["g", "t", "1", "-", "10"])
    #expect(table.error.contains("offset 99 is not in the log"))
    #expect(table.error.contains("--execute"))
    let file = directory.path + "/plan.csv"
    try Tool.run(reset + ["--topic", "t", "--to-offset", "2", "--export"]).output.write(to: URL(fileURLWithPath: file))
    #expect(try String(contentsOfFile: file, encoding: .utf8) == "t,0,2\nt,1,2\nt,2,2\n")
    #expect(try Tool.run("groups", "lag", "--dir", store, "--json").lines.count == 1, "nothing was done yet")
    let done = try Tool.run(reset + ["--from-file", file, "--execute", "--json"])
    #expect(done.lines.allSatisfy { $0.contains("\"executed\":true") })
    let lag = try Tool.run("groups", "lag", "--dir", store, "--json").lines
    #expect(lag.count == 3)
    #expect(lag.allSatisfy { $0.contains("\"committedOffset\":2,\"logEndOffset\":10,\"lag\":8") })
    for wrong in [
      [], ["--topic", "t"], ["--topic", "t", "--to-earliest", "--to-latest"], ["--to-earliest"],
      ["--topic", "t", "--all-topics", "--to-latest"], ["--topic", "t", "--to-latest", "--dry-run", "--execute"],
      ["--topic", "t:x", "--to-latest"], ["--topic", "t", "--to-datetime", "yesterday"],
      ["--topic", "t", "--by-duration", "1h"], ["--topic", "t:0", "--partition", "0", "--to-latest"],
    ] {
      #expect(try Tool.run(reset + wrong).status == 64, "\(wrong)")
    }
    let unknown = try Tool.run(reset + ["--topic", "t:3", "--to-latest"])
    #expect(unknown.status == 1)
    #expect(unknown.error.contains("UNKNOWN_TOPIC_OR_PARTITION"))
  }

  @Test("describes groups, forgets offsets and groups, each by itself")
  func groups() throws {
    let directory = try TemporaryDirectory()
    let store = try makeStore(directory)
    #expect(try Tool.run("groups", "list", "--dir", store).lines == ["g"])
    #expect(try Tool.run("groups", "list", "--dir", store, "--state").lines.last == "g      Empty")
    let offsets = try Tool.run("groups", "describe", "--dir", store, "--group", "g").lines
    #expect(offsets.last?.split(separator: " ") == ["g", "t", "0", "6", "10", "4", "-"])
    #expect(try Tool.run("groups", "describe", "--dir", store, "--all-groups", "--offsets").lines == offsets)
    let state = try Tool.run("groups", "describe", "--dir", store, "--group", "g", "--state", "--json").text
    #expect(state.contains("\"state\":\"Empty\"") && state.contains("\"members\":0"))
    #expect(try Tool.run("groups", "describe", "--dir", store, "--group", "g", "--members").status == 0)
    #expect(try Tool.run("groups", "describe", "--dir", store).status == 64)
    #expect(try Tool.run("groups", "delete-offsets", "--dir", store, "--group", "g", "--topic", "t:1").status == 0)
    #expect(try Tool.run("groups", "lag", "--dir", store, "--json").lines.count == 1)
    #expect(try Tool.run("groups", "delete-offsets", "--dir", store, "--group", "g", "--topic", "t").status == 0)
    #expect(try Tool.run("groups", "lag", "--dir", store, "--json").lines.isEmpty)
    let deleted = try Tool.run("groups", "delete", "--dir", store, "--group", "none", "--group", "g")
    #expect(deleted.status == 1)
    #expect(deleted.error.contains("GROUP_ID_NOT_FOUND"))
    #expect(try Tool.run("groups", "list", "--dir", store).lines.isEmpty)
  }

  @Test("shows and changes configurations")
  func configs() throws {
    let directory = try TemporaryDirectory()
    let store = try makeStore(directory)
    let alter = ["configs", "alter", "--dir", store, "--topic", "t"]
    #expect(
      try Tool.run(
        alter + ["--add-config", "cleanup.policy=[compact,delete],segment.ms=9", "--add-config", "flush.ms=1"]
      )
      .status == 0)
    #expect(try Tool.run(alter + ["--add-config", "segment.ms=10", "--validate-only"]).status == 0)
    let described = try Tool.run("configs", "describe", "--dir", store, "--topic", "t").text
    #expect(described.contains("cleanup.policy=compact,delete"))
    #expect(
      described.contains(
        "segment.ms=9 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:segment.ms=9, DEFAULT_CONFIG:log.roll.ms=604800000}"
      ))
    #expect(!described.contains("retention.ms"))
    #expect(
      try Tool.run(alter + ["--delete-config", "segment.ms,flush.ms", "--subtract", "cleanup.policy=delete"]).status
        == 0)
    let json = try Tool.run("configs", "describe", "--dir", store, "--json").lines
    #expect(json.count == 1)
    #expect(json[0].hasPrefix("{\"topic\":\"t\",\"name\":\"cleanup.policy\",\"value\":\"compact\""))
    #expect(try Tool.run("configs", "describe", "--dir", store, "--all").text.contains("retention.ms=604800000"))
    #expect(try Tool.run("configs", "describe", "--dir", store, "--broker", "--all").text.contains("num.partitions=1"))
    let wrong = try Tool.run(alter + ["--add-config", "segment.ms=0"])
    #expect(wrong.status == 1)
    #expect(wrong.error.contains("INVALID_CONFIG"))
    #expect(try Tool.run(alter).status == 64)
    #expect(try Tool.run(alter + ["--add-config", "a=[1"]).status == 64)
  }

  @Test("prints offsets of partitions as Kafka's tool does, by topic, partition and time")
  func getOffsets() throws {
    let directory = try TemporaryDirectory()
    let store = try makeStore(directory)
    let get = ["get-offsets", "--dir", store]
    for (arguments, lines) in [
      ([], ["t:0:10", "t:1:10", "t:2:10", "u:0:0"]), (["--time", "-2"], ["t:0:0", "t:1:0", "t:2:0", "u:0:0"]),
      (["--time", "earliest", "--topic", "t"], ["t:0:0", "t:1:0", "t:2:0"]),
      (["--time", "max-timestamp"], ["t:0:9", "t:1:9", "t:2:9"]), (["--time", "-3", "--partitions", "1"], ["t:1:9"]),
      (["--time", "250", "--topic", "t|u", "--partitions", "0,2"], ["t:0:3", "t:2:3"]),
      (["--time", "901"], []), (["--topic-partitions", "t:1-,u"], ["t:1:10", "t:2:10", "u:0:0"]),
      (["--topic-partitions", "[a-t]:-1"], ["t:0:10"]),
      (["--topic-partitions", ":0-2"], ["t:0:10", "t:1:10", "u:0:0"]),
    ] as [([String], [String])] {
      let result = try Tool.run(get + arguments)
      #expect(result.status == 0, "\(arguments): \(result.error)")
      #expect(result.lines == lines, "\(arguments)")
    }
    #expect(
      try Tool.run(get + ["--time", "250", "--topic-partitions", "t:1", "--json"]).text
        == "{\"topic\":\"t\",\"partition\":1,\"offset\":3,\"timestamp\":300,\"leaderEpoch\":0}\n")
    #expect(try Tool.run(get + ["--topic", "none"]).status == 1)
    #expect(try Tool.run(get + ["--time", "latest-tiered"]).status == 1)
    for wrong in [
      ["--time", "soon"], ["--topic", "("], ["--topic-partitions", "t:x"], ["--topic-partitions", "t", "--topic", "t"],
      ["--partitions", "a"], ["--topic-partitions", "t:-"],
    ] {
      #expect(try Tool.run(get + wrong).status == 64, "\(wrong)")
    }
  }

  @Test("deletes records by options or by Kafka's file, and shows sizes")
  func recordsAndSizes() throws {
    let directory = try TemporaryDirectory()
    let store = try makeStore(directory)
    let delete = ["delete-records", "--dir", store]
    let first = try Tool.run(delete + ["--topic", "t:0,1", "--before", "4"])
    #expect(first.lines.dropFirst().map { $0.split(separator: " ") } == [["t", "0", "4"], ["t", "1", "4"]])
    let file = directory.path + "/offsets.json"
    try Data(
      """
      {"partitions": [{"topic": "t", "partition": 0, "offset": -1}, {"topic": "t", "partition": 1, "offset": 11}],
       "version": 1}
      """.utf8
    ).write(to: URL(fileURLWithPath: file))
    let second = try Tool.run(delete + ["--offset-json-file", file, "--json"])
    #expect(second.status == 1)
    #expect(second.lines == ["{\"topic\":\"t\",\"partition\":0,\"lowWatermark\":10}"])
    #expect(second.error.contains("OFFSET_OUT_OF_RANGE"))
    #expect(
      try Tool.run("get-offsets", "--dir", store, "--topic", "t", "--time", "earliest").lines
        == ["t:0:10", "t:1:4", "t:2:0"])
    #expect(try Tool.run(delete + ["--topic", "t"]).status == 64)
    try Data("{}".utf8).write(to: URL(fileURLWithPath: file))
    #expect(try Tool.run(delete + ["--offset-json-file", file]).status == 1)
    let sizes = try Tool.run("log-dirs", "--dir", store, "--topic", "t")
    #expect(sizes.lines[0].hasPrefix(store + "  total "))
    #expect(sizes.lines.count == 5)
    let json = try Tool.run("log-dirs", "--dir", store, "--json").text
    #expect(json.hasPrefix("{\"logDir\":\"\(store)\",\"totalBytes\":"))
    #expect(json.contains("{\"topic\":\"u\",\"partition\":0,\"size\":0,"))
    #expect(try Tool.run("log-dirs", "--dir", store, "--topic", "none").status == 1)
  }

  @Test("makes no directory where a command is to change what is there")
  func missing() throws {
    let directory = try TemporaryDirectory()
    let store = directory.path + "/typo"
    for arguments in [
      ["topics", "alter", "--topic", "t", "--partitions", "2"], ["topics", "delete", "--topic", "t"],
      ["groups", "delete", "--group", "g"], ["groups", "delete-offsets", "--group", "g", "--topic", "t"],
      ["groups", "reset-offsets", "--group", "g", "--topic", "t", "--to-latest", "--execute"],
      ["configs", "alter", "--topic", "t", "--delete-config", "flush.ms"],
      ["delete-records", "--topic", "t", "--before", "1"],
    ] {
      let result = try Tool.run(arguments + ["--dir", store])
      #expect(result.status == 1, "\(arguments)")
      #expect(result.error.contains("INPUT_OUTPUT"), "\(arguments): \(result.error)")
      #expect(!FileManager.default.fileExists(atPath: store), "\(arguments)")
    }
  }

  @Test("checks topics without making them")
  func validateOnly() throws {
    let directory = try TemporaryDirectory()
    let store = try makeStore(directory)
    let create = ["topics", "create", "--dir", store, "--topic", "new"]
    #expect(try Tool.run(create + ["--partitions", "4", "--validate-only"]).text.hasPrefix("would create new with 4"))
    let copies = try Tool.run(create + ["--replication-factor", "3"])
    #expect(copies.status == 1)
    #expect(copies.error.contains("INVALID_REPLICATION_FACTOR"))
    #expect(
      try Tool.run("topics", "alter", "--dir", store, "--topic", "t", "--partitions", "4", "--validate-only").status
        == 0)
    #expect(try Tool.run("topics", "list", "--dir", store).lines == ["t", "u"])
    #expect(try Tool.run("get-offsets", "--dir", store, "--topic", "t").lines.count == 3)
    #expect(try Tool.run(create + ["--replication-factor", "1"]).status == 0)
  }

  @Test("takes a negative number for what it is, and an empty plan for no plan")
  func refusedResets() throws {
    let directory = try TemporaryDirectory()
    let store = try makeStore(directory)
    let reset = ["groups", "reset-offsets", "--dir", store, "--group", "g"]
    for arguments in [["--to-offset", "-5"], ["--to-timestamp", "-1"], ["--by-duration", "-PT1H"]] {
      let result = try Tool.result(Tool.start(reset + ["--topic", "t"] + arguments))
      #expect(result.status == 64)
      #expect(result.error.contains("\(arguments[0]) can't be negative"), "\(result.error)")
    }
    let plan = directory.path + "/plan.csv"
    try Data().write(to: URL(fileURLWithPath: plan))
    let empty = try Tool.result(Tool.start(reset + ["--from-file", plan, "--execute"]))
    #expect(empty.status == 1 && empty.error.contains("the file names no partition"), "\(empty.error)")
    let created = try Tool.run("topics", "create", "--dir", store, "--topic", "new", "--partitions", "-1")
    #expect(created.status == 0, "\(created.error)")
    let help = try Tool.run("topics", "create", "--help").text + Tool.run("produce", "--help").text
    #expect(!help.contains("default: -1") && !help.contains("default: 0)"))
  }
}

extension Tool {
  fileprivate static func run(_ arguments: [String]) throws -> Result {
    let (process, output, error) = try start(arguments)
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    let message = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return Result(status: process.terminationStatus, output: bytes, error: message)
  }
}
