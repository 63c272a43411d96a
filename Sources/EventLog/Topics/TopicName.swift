internal import RecordFormat

/// Kafka's rules for the names of topics, which become names of directories.
enum TopicName {
  static let maximumLength = 249

  /// - Throws: `invalidTopic` with the rule that the name breaks.
  static func validate(_ name: String) throws(EventLogError) {
    if let fault = fault(name) {
      throw EventLogError(.invalidTopic, "this can't be a topic's name: \(fault)", topic: printable(name))
    }
  }

  private static func fault(_ name: String) -> String? {
    if name.isEmpty { return "it is empty" }
    if name == "." || name == ".." { return "it may not be \".\" or \"..\"" }
    if name.utf8.count > maximumLength { return "it is longer than \(maximumLength) characters" }
    let isLegal = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    return isLegal ? nil : "only letters, digits, '.', '_' and '-' may be in it"
  }

  /// Whether the name is kept for the library's own topics, as Kafka keeps `__consumer_offsets`.
  static func isInternal(_ name: String) -> Bool { name.hasPrefix("__") }

  /// Whether two names differ only in `.` and `_`, which metrics can't tell apart (Kafka refuses the second).
  static func collide(_ a: String, _ b: String) -> Bool {
    a != b && unified(a) == unified(b)
  }

  static func unified(_ name: String) -> String {
    String(name.map { $0 == "." ? "_" : $0 })
  }

  /// The partition that a directory belongs to, or nil for a name of something else. As in Kafka, the number follows
  /// the last dash.
  static func parse(directory: String) -> TopicPartition? {
    guard let dash = directory.utf8.lastIndex(of: UInt8(ascii: "-")) else { return nil }
    let name = String(directory[..<dash])
    let digits = directory[directory.utf8.index(after: dash)...]
    guard fault(name) == nil, let first = digits.utf8.first, UInt8(ascii: "0")...UInt8(ascii: "9") ~= first,
      first != UInt8(ascii: "0") || digits.utf8.count == 1, let number = Int32(digits)
    else { return nil }
    return TopicPartition(name, Int(number))
  }

  /// Of a name that may be anything, what can be shown.
  private static func printable(_ name: String) -> String {
    String(name.unicodeScalars.prefix(80).map { $0.isASCII && $0.value >= 32 && $0.value < 127 ? Character($0) : "?" })
  }
}
