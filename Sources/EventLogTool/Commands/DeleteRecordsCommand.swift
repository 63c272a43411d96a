import ArgumentParser
import EventLog
import Foundation

struct DeleteRecordsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete-records", abstract: "Delete the records of partitions up to an offset.",
    discussion: """
      What lies below the offset can't be read any more. Its files go when the segments that lie wholly below are cleaned \
      up. --offset-json-file takes Kafka's form: {"partitions": [{"topic": "orders", "partition": 0, "offset": 42}], \
      "version": 1}.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "A topic, or some of its partitions: orders:0,2. May be given again.")
  var topic: [TopicArgument] = []
  @Option(parsing: .unconditional, help: "The first offset to keep; -1 for the log end.") var before: Int64?
  @Option(help: "A file that says partitions and offsets.") var offsetJsonFile: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if offsetJsonFile == nil ? topic.isEmpty || before == nil : !topic.isEmpty || before != nil {
      throw ValidationError("give --topic and --before, or --offset-json-file")
    }
  }

  func run() throws {
    let listed = try offsetJsonFile.map(Self.offsets)
    let broker = try store.openExisting()
    defer { try? broker.close() }
    var offsets = listed ?? [:]
    for topic in topic {
      for partition in try topic.resolve(broker) { offsets[partition] = before }
    }
    let results = try broker.admin.deleteRecords(each: offsets)
    var outcome = Outcome()
    var rows: [[String]] = []
    for partition in results.keys.sorted() {
      guard let start = outcome.value(results[partition]) else { continue }
      rows.append([partition.topic, String(partition.partition), String(start)])
      guard json else { continue }
      try Terminal.line(
        JSON.object([
          ("topic", .string(partition.topic)), ("partition", .number(partition.partition)),
          ("lowWatermark", .number(start)),
        ]).text)
    }
    if !json, !rows.isEmpty { try Terminal.table(["TOPIC", "PARTITION", "LOW-WATERMARK"], rows) }
    try broker.close()
    try outcome.finish()
  }

  private struct OffsetFile: Decodable {
    struct Entry: Decodable {
      var topic: String
      var partition: Int
      var offset: Int64
    }

    var partitions: [Entry]
    var version: Int?
  }

  private static func offsets(_ path: String) throws -> [TopicPartition: Int64] {
    let data = Data(try LineReader.text(of: path).utf8)
    guard let file = try? JSONDecoder().decode(OffsetFile.self, from: data), file.version ?? 1 == 1 else {
      throw EventLogError(
        .invalidRequest,
        "the file is not of the form {\"partitions\": [{\"topic\", \"partition\", \"offset\"}], "
          + "\"version\": 1}", file: path)
    }
    var offsets: [TopicPartition: Int64] = [:]
    for entry in file.partitions {
      guard offsets.updateValue(entry.offset, forKey: TopicPartition(entry.topic, entry.partition)) == nil else {
        throw EventLogError(
          .invalidRequest, "the file names a partition twice", topic: entry.topic, partition: entry.partition,
          file: path)
      }
    }
    return offsets
  }
}
