internal import EventLog
internal import RecordFormat

extension StoreSnapshot {
  private static let title = "EventLog snapshot 1"

  /// The snapshot as text: a line for each record, so that what changed is what differs.
  ///
  /// ```
  /// EventLog snapshot 1
  ///
  /// topic orders
  ///   config retention.ms 86400000
  ///   partition 0 from 0 to 2
  ///     0 1700000000000 "customer-42" "created"
  ///     1 1700000000005 "customer-42" null "trace"="7f"
  ///
  /// group billing
  ///   orders 0 2 ""
  /// ```
  public var text: String {
    var lines = [Self.title]
    for topic in topics {
      lines += ["", "topic \(topic.name)"]
      lines += topic.configs.sorted { $0.key < $1.key }.map { "  config \($0.key) \($0.value)" }
      for (number, partition) in topic.partitions.enumerated() {
        lines.append("  partition \(number) from \(partition.logStartOffset) to \(partition.highWatermark)")
        lines += partition.records.map { "    " + Self.line($0) }
      }
    }
    for group in groups {
      lines += ["", "group \(group.id)"]
      for (partition, offset) in group.offsets.sorted(by: { $0.key < $1.key }) {
        lines.append(
          "  \(partition.topic) \(partition.partition) \(offset.offset) \(Self.quoted(Array(offset.metadata.utf8)))")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func line(_ entry: RecordAtOffset) -> String {
    let record = entry.record
    var parts = ["\(entry.offset)", record.timestamp.map { "\($0)" } ?? "-", quoted(record.key), quoted(record.value)]
    parts += record.headers.map { "\(quoted(Array($0.key.utf8)))=\(quoted($0.value))" }
    return parts.joined(separator: " ")
  }

  private static func quoted(_ bytes: [UInt8]?) -> String {
    bytes.map { "\"\(Escape.escape($0))\"" } ?? "null"
  }

  /// Reads what `text` wrote.
  ///
  /// - Throws: `illegalArgument` with the number of the line that is not right.
  public init(text: String) throws {
    self.init()
    var parser = Parser()
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      do throws(EventLogError) {
        guard index > 0 else {
          guard line == Self.title else {
            throw Parser.error("this is no snapshot: it does not begin with \(Self.title)")
          }
          continue
        }
        try parser.add(line.unicodeScalars)
      } catch {
        throw EventLogError(error.code, "line \(index + 1): \(error.message)")
      }
    }
    topics = parser.topics
    groups = parser.groups
  }

  /// Goes by scalars: to characters, a quote and an accent that follows it would be one.
  private struct Parser {
    private typealias Text = Substring.UnicodeScalarView

    var topics: [Topic] = []
    var groups: [Group] = []
    private var isInGroup = false

    static func error(_ message: String) -> EventLogError { EventLogError(.illegalArgument, message) }

    mutating func add(_ line: Substring.UnicodeScalarView) throws(EventLogError) {
      var rest = line.drop { $0 == " " }
      let indentation = line.count - rest.count
      guard let word = Self.word(&rest) else { return }
      switch (indentation, String(word)) {
      case (0, "topic"):
        topics.append(Topic(name: String(rest), partitions: []))
        isInGroup = false
      case (0, "group"):
        groups.append(Group(id: String(rest), offsets: [:]))
        isInGroup = true
      case (2, "config") where !isInGroup && !topics.isEmpty:
        guard let name = Self.word(&rest) else { throw Self.error("a config has a name and a value") }
        topics[topics.count - 1].configs[String(name)] = String(rest)
      case (2, "partition") where !isInGroup && !topics.isEmpty:
        try addPartition(&rest)
      case (2, _) where isInGroup:
        try addOffset(word, &rest)
      case (4, _) where !isInGroup && topics.last?.partitions.isEmpty == false:
        try addRecord(word, &rest)
      default:
        throw Self.error("\"\(String(word))\" is not expected here")
      }
    }

    private mutating func addPartition(_ rest: inout Text) throws(EventLogError) {
      let parts = rest.split(separator: " ").map { String($0) }
      guard parts.count == 5, let number = Int(parts[0]), parts[1] == "from", let start = Int64(parts[2]),
        parts[3] == "to", let end = Int64(parts[4]), start >= 0, end >= start
      else { throw Self.error("a partition reads: partition 0 from 0 to 2") }
      guard number == topics[topics.count - 1].partitions.count else {
        throw Self.error("the partitions of a topic come in order, from 0")
      }
      topics[topics.count - 1].partitions.append(Partition(logStartOffset: start, highWatermark: end))
    }

    private mutating func addOffset(_ topic: Text, _ rest: inout Text) throws(EventLogError) {
      guard let partition = Self.word(&rest).flatMap({ Int(String($0)) }),
        let offset = Self.word(&rest).flatMap({ Int64(String($0)) }),
        let metadata = try Self.bytes(&rest), rest.isEmpty
      else { throw Self.error("an offset reads: orders 0 2 \"metadata\"") }
      groups[groups.count - 1].offsets[TopicPartition(String(topic), partition)] = OffsetAndMetadata(
        offset, metadata: String(decoding: metadata, as: UTF8.self))
    }

    private mutating func addRecord(_ word: Text, _ rest: inout Text) throws(EventLogError) {
      guard let offset = Int64(String(word)), let time = Self.word(&rest).map({ String($0) }),
        let timestamp = time == "-" ? -1 : Int64(time)
      else {
        throw Self.error("a record reads: 0 1700000000000 \"key\" \"value\" \"header\"=\"value\"")
      }
      let key = try Self.bytes(&rest)
      let value = try Self.bytes(&rest)
      var headers: [RecordHeader] = []
      while !rest.isEmpty {
        guard let name = try Self.bytes(&rest, until: "=") else { throw Self.error("a header's name can't be null") }
        headers.append(RecordHeader(String(decoding: name, as: UTF8.self), try Self.bytes(&rest)))
      }
      let record = Record(key: key, value: value, headers: headers, timestamp: time == "-" ? nil : timestamp)
      let topic = topics.count - 1
      topics[topic].partitions[topics[topic].partitions.count - 1].records.append(
        RecordAtOffset(offset: offset, record: record))
    }

    /// The next word, with the space behind it.
    private static func word(_ rest: inout Text) -> Text? {
      let word = rest.prefix { $0 != " " }
      guard !word.isEmpty else { return nil }
      rest = rest.dropFirst(word.count).drop { $0 == " " }
      return word
    }

    /// A quoted text, or null, and what follows it.
    private static func bytes(_ rest: inout Text, until end: Unicode.Scalar = " ") throws(EventLogError) -> [UInt8]? {
      if rest.starts(with: "null".unicodeScalars) {
        rest = rest.dropFirst(4)
        rest = rest.first == end ? rest.dropFirst() : rest
        return nil
      }
      guard rest.first == "\"" else {
        throw error("a text in quotes, or null, is expected at \"\(String(rest.prefix(20)))\"")
      }
      let body = rest.dropFirst()
      var index = body.startIndex
      while index < body.endIndex, body[index] != "\"" {
        let next = body.index(after: index)
        index = body[index] == "\\" && next < body.endIndex ? body.index(after: next) : next
      }
      guard index < body.endIndex else { throw error("the text has no closing quote") }
      guard let bytes = Escape.unescape(Substring(body[..<index])) else {
        throw error("the text has an unknown escape")
      }
      rest = body[body.index(after: index)...]
      rest = rest.first == end ? rest.dropFirst() : rest
      return bytes
    }
  }
}
