import ArgumentParser
import EventLog
import Foundation

struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "The whole story in a temporary directory: create, send, read in a group, restart.",
    discussion: "Sends the lines of a log file, keyed by their third field: this machine's package log, or --file.")

  @Option(name: .shortAndLong, help: "The lines to send, in place of some of this machine's.") var file: String?

  func run() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("eventlog-demo-\(UUID().uuidString)")
      .path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let (source, lines) = try input()
    let half = lines.count / 2

    let sent = Date()
    let broker = try Broker.open(directory, StoreOptions.brokerConfiguration)
    try broker.admin.createTopic("events", partitions: 4)
    let producer = try broker.producer()
    try await producer.send(lines.map { Record(key: Self.key($0), value: $0) }, to: "events")
    try Terminal.line(
      "sent \(lines.count) lines of \(source) to 4 partitions in \(Self.milliseconds(since: sent)) ms, on the disk")

    var tally = Tally()
    let first = try broker.consumer(group: "demo", topics: ["events"], Self.consumerConfiguration)
    while tally.count < half { tally.add(try await first.poll(timeout: .seconds(5))) }
    try await first.commit()
    try Terminal.line("group \"demo\" read \(tally.count) of them and committed; now the broker restarts")
    try broker.close()

    let reopened = Date()
    let again = try Broker.open(directory, StoreOptions.brokerConfiguration)
    try Terminal.line("reopened in \(Self.milliseconds(since: reopened)) ms; two members share the rest")
    let members = [
      try again.consumer(group: "demo", topics: ["events"], Self.consumerConfiguration),
      try again.consumer(group: "demo", topics: ["events"], Self.consumerConfiguration),
    ]
    while tally.count < lines.count {
      for member in members {
        tally.add(try await member.poll(timeout: .zero))
        try await member.commit()
      }
    }
    let description = try again.admin.describeTopic("events")
    for member in members { try await member.close() }
    try again.close()

    try Terminal.table(
      ["PARTITION", "RECORDS", "READ", "KEYS", "BYTES"],
      description.partitions.map { partition in
        [
          String(partition.partition), String(partition.logEndOffset), String(tally.records[partition.partition] ?? 0),
          String(tally.keys[partition.partition]?.count ?? 0), String(partition.sizeInBytes),
        ]
      })
    try Terminal.line("each line was read once, in the order of its partition")
  }

  /// What was read, by partition; every record has to follow the one before.
  private struct Tally {
    var count = 0
    var records: [Int: Int] = [:]
    var keys: [Int: Set<[UInt8]?>] = [:]

    mutating func add(_ batch: ConsumerRecords) {
      for record in batch {
        count += 1
        records[record.partition, default: 0] += 1
        keys[record.partition, default: []].insert(record.key)
      }
    }
  }

  private static var consumerConfiguration: ConsumerConfiguration {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.enableAutoCommit = false
    configuration.maxPollRecords = 200
    return configuration
  }

  private func input() throws -> (source: String, lines: [[UInt8]]) {
    let candidates =
      file.map { [$0] } ?? ["/var/log/dpkg.log", "/var/lib/dpkg/status", "/etc/services", "/proc/self/maps"]
    for path in candidates {
      guard file != nil || FileManager.default.isReadableFile(atPath: path) else { continue }
      var reader = try LineReader(file: path)
      var lines: [[UInt8]] = []
      while lines.count < 20_000, let next = try reader.next() { lines += next.map(Array.init) }
      if !lines.isEmpty { return (path, lines) }
    }
    throw EventLogError(.inputOutput, "there is no file with lines to send; name one with --file", file: file)
  }

  private static func key(_ line: [UInt8]) -> [UInt8]? {
    let fields = line.split(separator: 32, maxSplits: 3)
    return fields.count > 2 ? Array(fields[2]) : fields.first.map(Array.init)
  }

  private static func milliseconds(since date: Date) -> Int {
    Int((Date().timeIntervalSince(date) * 1000).rounded())
  }
}
