import EventLog
import Foundation

/// The store of a scenario, as both processes open it.
enum Store {
  static func path(_ directory: String) -> String { directory + "/store" }

  static func open(_ scenario: any Scenario.Type, _ directory: String) throws -> Broker {
    var configuration = BrokerConfiguration()
    // Often, so that kills fall between a checkpoint and what it speaks of.
    configuration.checkpointInterval = .milliseconds(25)
    let warnings = directory + "/warnings"
    configuration.warningHandler = { error in
      let line = Data("\(error)\n".utf8)
      if let file = FileHandle(forWritingAtPath: warnings) {
        file.seekToEndOfFile()
        file.write(line)
      } else {
        _ = FileManager.default.createFile(atPath: warnings, contents: line)
      }
    }
    scenario.configure(&configuration)
    let broker = try Broker.open(path(directory), configuration)
    let known = try broker.admin.listTopics()
    for topic in scenario.topics where !known.contains(topic.name) {
      try broker.admin.createTopic(topic.name, partitions: topic.partitions, configs: topic.configs)
    }
    return broker
  }

  /// Every checksum, record and index entry, and SQLite against the logs; and no file that was left over.
  static func verify(_ directory: String) throws {
    let path = path(directory)
    let report = try StoreVerifier(path: path).run()
    try hold(
      report.isSound, "the store's files", expected: "sound",
      found: report.faults.prefix(3).map { "\($0.file) \($0.offset.map(String.init) ?? ""): \($0.message)" }
        .joined(separator: "; "))
    guard let names = FileManager.default.enumerator(atPath: path) else { return }
    for case let name as String in names {
      let isLeftOver = [".cleaned", ".swap", ".deleted", "-delete", "-import"].contains { name.hasSuffix($0) }
      try hold(!isLeftOver, "files of a store that was closed", expected: "none that is left over", found: name)
    }
  }
}

extension Broker {
  /// The partitions of a topic.
  func partitions(of topic: String) throws -> [TopicPartition] {
    (0..<(try admin.describeTopic(topic).partitions.count)).map { TopicPartition(topic, $0) }
  }

  /// Reads a topic from its start to its end, in order within each partition.
  func forEachRecord(
    of topic: String, _ isolation: Isolation = .readUncommitted, _ body: (ConsumerRecord) throws -> Void
  ) throws {
    var configuration = ConsumerConfiguration()
    configuration.isolation = isolation
    configuration.autoOffsetReset = .earliest
    let consumer = try consumer(configuration)
    let partitions = try partitions(of: topic)
    try consumer.assign(partitions)
    let ends = try consumer.endOffsets(partitions)
    var idle = 0
    while try partitions.contains(where: { try consumer.position($0) < ends[$0, default: 0] }) {
      let records = try consumer.read()
      for record in records { try body(record) }
      idle = records.isEmpty ? idle + 1 : 0
      guard idle < 100 else {
        throw Violation(
          "reading \(topic)", expected: "to get to the end, \(ends)",
          found: "\(try partitions.map { try consumer.position($0) })")
      }
    }
  }

  /// The log start and the log end of a partition.
  func bounds(_ partition: TopicPartition) throws -> Range<Int> {
    let description = try admin.describeTopic(partition.topic).partitions[partition.partition]
    if let error = description.error { throw error }
    return Int(description.logStartOffset)..<Int(description.logEndOffset)
  }
}
