import ArgumentParser
import EventLog

struct LogDirsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log-dirs", abstract: "Show the sizes of partitions, and the room on their volume.",
    discussion: """
      SIZE is what is written; FILES adds indexes, and the room that is reserved ahead of the active segment. Only the \
      process that owns the directory knows OFFSET-LAG; to others it is 0. A partition that can't be read is told of on \
      standard error, and the exit status is 1.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "Only this topic; may be given again.") var topic: [String] = []
  @Flag(help: "Print JSON: an object a directory.") var json = false

  func run() throws {
    let broker = try store.openReadOnly()
    defer { try? broker.close() }
    for name in topic { _ = try broker.admin.describeTopic(name) }
    var outcome = Outcome()
    for directory in try broker.admin.describeLogDirs() {
      let replicas = directory.replicas.filter { topic.isEmpty || topic.contains($0.key.topic) }
        .sorted { $0.key < $1.key }
      for case (_, let replica) in replicas {
        if let error = replica.error { outcome.value(Result<Void, EventLogError>.failure(error)) }
      }
      if json {
        try Terminal.line(JSON(directory, replicas).text)
        continue
      }
      let total = directory.totalBytes.map(String.init) ?? "-"
      try Terminal.line("\(directory.path)  total \(total)  usable \(directory.usableBytes.map(String.init) ?? "-")")
      try Terminal.table(
        ["TOPIC", "PARTITION", "SIZE", "FILES", "OFFSET-LAG"],
        replicas.filter { $0.value.error == nil }.map { partition, replica in
          [
            partition.topic, String(partition.partition), String(replica.size), String(replica.fileSize),
            String(replica.offsetLag),
          ]
        })
    }
    try outcome.finish()
  }
}

extension JSON {
  fileprivate init(_ directory: LogDirDescription, _ replicas: [(key: TopicPartition, value: ReplicaInfo)]) {
    self = .object([
      ("logDir", .string(directory.path)), ("totalBytes", directory.totalBytes.map(JSON.number) ?? .null),
      ("usableBytes", directory.usableBytes.map(JSON.number) ?? .null),
      (
        "partitions",
        .array(
          replicas.map { partition, replica in
            .object([
              ("topic", .string(partition.topic)), ("partition", .number(partition.partition)),
              ("size", .number(replica.size)), ("fileSize", .number(replica.fileSize)),
              ("offsetLag", .number(replica.offsetLag)), ("isFuture", .bool(replica.isFuture)),
              ("error", .optional(replica.error?.description)),
            ])
          })
      ),
    ])
  }
}
