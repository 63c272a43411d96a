import ArgumentParser
import EventLog
import Foundation

extension Acks: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument {
    case "0": self = .none
    case "1": self = .leader
    case "all", "-1": self = .all
    default: return nil
    }
  }
}

extension CompressionType: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }
}

struct ProduceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "produce", abstract: "Send the lines of standard input, a record each.",
    discussion: "Lines are taken byte for byte; only the newline does not belong to them.")

  @OptionGroup var store: StoreOptions
  @Option(name: .shortAndLong, help: "The topic.") var topic: String
  @Option(name: .shortAndLong, help: "The partition; chosen by the key, or at random, if not said.") var partition: Int?
  @Option(name: [.customShort("K"), .long], help: "What separates key and value; a line without it has no key.")
  var keySeparator: String?
  @Option(help: "Which field of the line, counted from 1 and separated by white space, is also its key.")
  var keyField: Int?
  @Option(name: [.customShort("H"), .long], help: "A header for every record, name=value; may be given again.")
  var header: [KeyValue] = []
  @Option(help: "When a record counts as written: 0, 1 (page cache) or all (disk).") var acks: Acks = .all
  @Option(name: [.customShort("z"), .customLong("compression")], help: "none, gzip, snappy, lz4 or zstd.")
  var compression: CompressionType = .none
  @Option(name: .shortAndLong, help: "Read this file in place of standard input.") var file: String?
  @Flag(name: [.customShort("Z"), .customLong("null")], help: "An empty value is a null: a tombstone.")
  var emptyIsNull = false
  @Flag(help: "Print PARTITION OFFSET for each record, once it counts as written.") var printOffsets = false
  @Flag(help: "Print the same as JSON.") var json = false
  @Flag(help: "Create the topic if it does not exist.") var createTopic = false

  func validate() throws {
    if keySeparator != nil, keyField != nil {
      throw ValidationError("--key-separator and --key-field exclude each other")
    }
    if let keySeparator, keySeparator.isEmpty { throw ValidationError("--key-separator may not be empty") }
    if let keyField, keyField < 1 { throw ValidationError("--key-field counts from 1") }
    if printOffsets || json, acks == .none { throw ValidationError("with --acks 0 no offset is told") }
  }

  func run() throws {
    let broker = try store.open(autoCreateTopics: createTopic)
    defer { try? broker.close() }
    var configuration = ProducerConfiguration()
    configuration.acks = acks
    configuration.compression = compression
    configuration.maxRequestSize = Int(Int32.max)
    let producer = try broker.producer(configuration)
    // Even without a line, a mistyped topic is to be told.
    if !createTopic { _ = try broker.admin.describeTopic(topic) }
    var reader = try LineReader(file: file)
    let progress = ProgressBar("produce")
    let total = file.flatMap { try? FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int64 } ?? 0
    var done: Int64 = 0
    let headers = header.map { RecordHeader($0.name, $0.value) }
    while let lines = try reader.next() {
      var start = lines.startIndex
      while start < lines.endIndex {
        // Bounded batches: an acknowledgement comes soon, and memory stays small.
        var bytes = 0
        let end =
          lines[start...].firstIndex { line in
            defer { bytes += line.count + 32 }
            return bytes + line.count > 128 << 10 && bytes > 0
          } ?? lines.endIndex
        try send(lines[start..<end].map { record($0, headers) }, with: producer)
        done += Int64(bytes)
        start = end
      }
      progress.update(done, of: total)
    }
    progress.finish()
    try broker.close()
  }

  private func send(_ records: [Record], with producer: Producer) throws {
    let sent: [(partition: Int, offset: Int64)]
    if let partition {
      let batch = try producer.append(records, to: TopicPartition(topic, partition))
      sent = records.indices.map { (partition, batch.baseOffset + Int64($0)) }
    } else {
      sent = try producer.append(records, to: topic).map { ($0.topicPartition.partition, $0.offset) }
    }
    guard printOffsets || json else { return }
    var output = Terminal.Output()
    for (partition, offset) in sent {
      try output.line(
        json
          ? JSON.object([("topic", .string(topic)), ("partition", .number(partition)), ("offset", .number(offset))])
            .text
          : "\(partition) \(offset)")
    }
    try output.flush()
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
