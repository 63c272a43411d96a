import ArgumentParser
import EventLog

struct ProduceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "produce", abstract: "Send the lines of standard input, a record each.",
    discussion: """
      Lines are taken byte for byte; only the newline does not belong to them. Interrupted, it closes the store in order: \
      what was sent stays, and the exit status tells that there was more. Where a line is refused, those before it are \
      written, and those behind it are not.
      """)

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "The topic.") var topic: String
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: "The partition; chosen by the key, or at random, if not said.")
  var partition: Int?
  @Option(
    name: [.customShort("K"), .long], parsing: .unconditional,
    help: "What separates key and value; a line without it has no key.")
  var keySeparator: String?
  @Option(
    parsing: .unconditional,
    help: """
      Which field of the line, counted from 1 and separated by white space, is also its key; a line with fewer has none.
      """)
  var keyField: Int?
  @Option(name: [.customShort("H"), .long], help: "A header for every record, name=value; may be given again.")
  var header: [KeyValue] = []
  @Option(parsing: .unconditional, help: "When a record counts as written: 0, 1 (page cache) or all (disk).")
  var acks: Acks = .all
  @Option(
    name: [.customShort("z"), .customLong("compression")], help: "none, gzip, snappy, lz4 or zstd; none if not said.")
  var compression: CompressionType?
  @Option(name: .shortAndLong, help: "Read this file in place of standard input.") var file: String?
  @Flag(name: [.customShort("Z"), .customLong("null")], help: "An empty value is a null: a tombstone.")
  var emptyIsNull = false
  @Flag(help: "Print PARTITION OFFSET for each record, once it counts as written.") var printOffsets = false
  @Flag(help: "Print the same as JSON.") var json = false
  @Flag(help: "Create the topic if it does not exist.") var createTopic = false

  private var codec: CompressionType { compression ?? CompressionType.none }

  func validate() throws {
    if keySeparator != nil, keyField != nil {
      throw ValidationError("--key-separator and --key-field exclude each other")
    }
    if let keySeparator, keySeparator.isEmpty { throw ValidationError("--key-separator may not be empty") }
    if let keyField, keyField < 1 { throw ValidationError("--key-field counts from 1") }
    if let partition, partition < 0 { throw ValidationError("--partition can't be negative") }
    if printOffsets || json, acks == .none { throw ValidationError("with --acks 0 no offset is told") }
  }

  func run() throws {
    var reader = try LineReader(file: file)
    let broker = try createTopic ? store.open() : store.openExisting()
    defer { try? broker.close() }
    let longest = try checkTopic(broker)
    var configuration = ProducerConfiguration()
    configuration.acks = acks
    configuration.compression = codec
    configuration.maxRequestSize = Int(Int32.max)
    let producer = try broker.producer(configuration)
    let progress = ProgressBar("produce")
    let signals = StopSignals()
    defer { signals.end() }
    var done: Int64 = 0
    var line = 1
    while let lines = try reader.next(limit: longest, until: signals) {
      var rest = lines[...]
      while !rest.isEmpty, !signals.mustStop {
        let chunk = rest.prefix(Self.chunk(of: rest, limit: longest))
        try send(chunk, from: line, with: producer)
        line += chunk.count
        done += chunk.reduce(0) { $0 + Int64($1.count) + 1 }
        rest = rest.dropFirst(chunk.count)
      }
      if signals.mustStop { break }
      progress.update(done, of: reader.size)
    }
    progress.finish()
    try broker.close()
    if let status = signals.status { throw ExitCode(status) }
  }

  /// How many lines to send at once. Bounded: an acknowledgement comes soon, and memory stays small. A line that may be
  /// refused goes alone, so that it takes no other with it.
  private static func chunk(of lines: ArraySlice<ArraySlice<UInt8>>, limit: Int) -> Int {
    let room = min(128 << 10, limit / 2)
    var bytes = 0
    let end = lines.firstIndex { line in
      defer { bytes += line.count + 32 }
      return bytes > 0 && bytes + line.count > room
    }
    return (end ?? lines.endIndex) - lines.startIndex
  }

  /// Even without a line, a mistyped topic or partition is to be told.
  ///
  /// - Returns: the longest line that the topic could take.
  private func checkTopic(_ broker: Broker) throws -> Int {
    if createTopic, try !broker.admin.listTopics().contains(topic) { try broker.admin.createTopic(topic) }
    let count = try broker.admin.describeTopic(topic).partitions.count
    if let partition, partition >= count {
      throw EventLogError(
        .unknownTopicOrPartition, "the topic has \(count) partitions, counted from 0", topic: topic,
        partition: partition)
    }
    let limit = try broker.admin.describeConfigs(topic).first { $0.name == "max.message.bytes" }
    // What compression makes of a line shows only when it is tried.
    return codec == .none ? limit.flatMap { Int($0.value) } ?? 1 << 20 : 256 << 20
  }

  private func send(_ lines: ArraySlice<ArraySlice<UInt8>>, from number: Int, with producer: Producer) throws {
    let headers = header.map { RecordHeader($0.name, $0.value) }
    let sent: [RecordMetadata]
    do {
      sent = try producer.append(lines.map { record($0, headers) }, to: topic, partition: partition)
    } catch var error as EventLogError {
      let place = lines.count == 1 ? "line \(number)" : "lines \(number) to \(number + lines.count - 1)"
      error.message = "\(place) of the input: \(error.message)"
      throw error
    }
    guard printOffsets || json else { return }
    var output = Terminal.Output()
    do {
      for record in sent {
        let place = record.topicPartition
        try output.line(
          json
            ? JSON.object([
              ("topic", .string(topic)), ("partition", .number(place.partition)), ("offset", .number(record.offset)),
            ]).text
            : "\(place.partition) \(record.offset)")
      }
      try output.flush()
    } catch is OutputClosed {
      throw EventLogError(
        .inputOutput,
        "whoever read the offsets has gone: the input is sent up to line \(number + lines.count - 1), and no further")
    }
  }

  private func record(_ line: ArraySlice<UInt8>, _ headers: [RecordHeader]) -> Record {
    var key: [UInt8]?
    var value = line
    if let keySeparator, let range = line.firstRange(of: Array(keySeparator.utf8)) {
      key = Array(line[..<range.lowerBound])
      value = line[range.upperBound...]
    } else if let keyField {
      let fields = line.split(maxSplits: keyField, omittingEmptySubsequences: true) { $0 == 32 || $0 == 9 || $0 == 13 }
      // The last piece holds the rest of the line, unless there was none.
      if fields.count >= keyField {
        key = Array(fields[keyField - 1].prefix { $0 != 32 && $0 != 9 && $0 != 13 })
      }
    }
    return Record(key: key, value: emptyIsNull && value.isEmpty ? nil : Array(value), headers: headers)
  }
}
