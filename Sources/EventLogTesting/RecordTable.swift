internal import EventLog
internal import RecordFormat

/// The picture that a failed expectation shows: aligned columns, `-` before what is missing and `+` before what is too much.
struct RecordTable {
  enum Mark: String {
    case same = " "
    case missing = "-"
    case unexpected = "+"
  }

  private var rows: [[String]] = [["", "partition", "offset", "timestamp", "key", "value", "headers"]]
  private let showsTimestamps: Bool

  init(showsTimestamps: Bool) {
    self.showsTimestamps = showsTimestamps
  }

  mutating func add(_ record: ConsumerRecord, _ mark: Mark) {
    rows.append([
      mark.rawValue, "\(record.partition)", "\(record.offset)", "\(record.timestamp)", Self.text(record.key),
      Self.text(record.value), Self.text(record.headers),
    ])
  }

  mutating func add(_ record: ExpectedRecord, _ mark: Mark) {
    rows.append([
      mark.rawValue, record.partition.map { "\($0)" } ?? "", record.offset.map { "\($0)" } ?? "",
      record.timestamp.map { "\($0)" } ?? "", Self.text(record.key), Self.text(record.value),
      record.headers.map(Self.text) ?? "",
    ])
  }

  /// The lines, without columns that say nothing.
  var text: String {
    let used = rows[0].indices.filter { column in
      if column == 3 { return showsTimestamps }
      return column < 6 || rows.dropFirst().contains { !$0[column].isEmpty }
    }
    let widths = used.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, width) in zip(used, widths) {
        let cell = row[column]
        line += cell + String(repeating: " ", count: width - cell.count + 2)
      }
      while line.last == " " { line.removeLast() }
      return "  " + line
    }.joined(separator: "\n")
  }

  private static func text(_ headers: [RecordHeader]) -> String {
    headers.map { "\($0.key)=\(text($0.value))" }.joined(separator: " ")
  }

  /// Short enough for a line; bytes that are no readable text as hexadecimal digits.
  static func text(_ bytes: [UInt8]?) -> String {
    guard let bytes else { return "∅" }
    if bytes.isEmpty { return "\"\"" }
    let most = 60
    let escaped = Escape.escape(bytes)
    return escaped.count <= most ? escaped : "\(escaped.prefix(most))… (\(bytes.count) bytes)"
  }
}

/// Bytes as text that can be read, and read back.
enum Escape {
  private static let digits = Array("0123456789abcdef")

  /// Text as it is, but for quotes, backslashes and what can't be seen.
  static func escape(_ bytes: [UInt8]) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else { return bytes.map(hex).joined() }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f: result += hex(UInt8(scalar.value))
      case _ where scalar.properties.generalCategory == .format || scalar.properties.generalCategory == .lineSeparator:
        result += Array(String(scalar).utf8).map(hex).joined()
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func hex(_ byte: UInt8) -> String {
    "\\x\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
  }

  /// The bytes of an escaped text; nil where it has an escape that `escape` never makes.
  static func unescape(_ text: Substring) -> [UInt8]? {
    var result: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        result.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "n"): result.append(10)
      case UInt8(ascii: "t"): result.append(9)
      case UInt8(ascii: "r"): result.append(13)
      case UInt8(ascii: "\""): result.append(34)
      case UInt8(ascii: "\\"): result.append(92)
      case UInt8(ascii: "x"):
        guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else {
          return nil
        }
        rest = rest.dropFirst(2)
        result.append(value)
      default: return nil
      }
    }
    return result
  }
}
