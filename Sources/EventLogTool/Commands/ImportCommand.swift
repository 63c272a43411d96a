import ArgumentParser
import EventLog

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Take partition directories in that Kafka, or another store, wrote.",
    discussion: """
      A directory is called <topic>-<partition>. Its records go there, with their offsets; every batch is checked on the \
      way, and the topic is created if need be. The source is only read; stop its broker first.
      """)

  @OptionGroup var store: StoreOptions
  @Argument(help: "The partition directories.") var partitionDirectories: [String]
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let broker = try store.open()
    defer { try? broker.close() }
    var outcome = Outcome()
    for directory in partitionDirectories {
      let progress = ProgressBar("import")
      do {
        let result = try broker.admin.importPartition(from: directory) { progress.update($0, of: $1) }
        progress.finish()
        // The rest is to be imported, whether somebody reads of it or not.
        do { try Terminal.line(describe(result)) } catch is OutputClosed {}
      } catch let error as EventLogError where error.code != .diskFull {
        // One that can't be taken in does not keep the others out.
        progress.finish()
        outcome.value(Result<Void, EventLogError>.failure(error))
      }
    }
    try broker.close()
    try outcome.finish()
  }

  private func describe(_ result: ImportResult) -> String {
    json
      ? JSON.object([
        ("topic", .string(result.topicPartition.topic)), ("partition", .number(result.topicPartition.partition)),
        ("segments", .number(result.segments)), ("batches", .number(result.batches)),
        ("records", .number(result.records)), ("logStartOffset", .number(result.logStartOffset)),
        ("logEndOffset", .number(result.logEndOffset)), ("sizeInBytes", .number(result.sizeInBytes)),
      ]).text
      : "\(result.topicPartition): \(result.records) records in \(result.batches) batches, offsets "
        + "\(result.logStartOffset) to \(result.logEndOffset)"
  }
}
