import EventLog
import Foundation

/// JSON, an object a line, with members in the order in which they are given.
enum JSON {
  case null
  case bool(Bool)
  case number(Int64)
  case string(String)
  /// Bytes: a string where they are UTF-8, else an object with them in base64.
  case bytes([UInt8]?)
  case array([JSON])
  case object([(String, JSON)])

  static func number(_ value: Int) -> JSON { .number(Int64(value)) }
  static func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }

  var text: String {
    var text = ""
    append(to: &text)
    return text
  }

  private func append(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let value): text += String(value)
    case .string(let value): Self.append(value, to: &text)
    case .bytes(nil): text += "null"
    case .bytes(let bytes?):
      if let string = String(validating: bytes, as: UTF8.self) {
        Self.append(string, to: &text)
      } else {
        text += "{\"base64\":\"\(Data(bytes).base64EncodedString())\"}"
      }
    case .array(let items):
      text += "["
      for (index, item) in items.enumerated() {
        if index > 0 { text += "," }
        item.append(to: &text)
      }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { text += "," }
        Self.append(member.0, to: &text)
        text += ":"
        member.1.append(to: &text)
      }
      text += "}"
    }
  }

  private static func append(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{0}"..."\u{1f}", "\u{7f}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

extension JSON {
  /// A record in the shape of kcat's `-J`.
  init(_ record: ConsumerRecord) {
    self = .object([
      ("topic", .string(record.topic)),
      ("partition", .number(record.partition)),
      ("offset", .number(record.offset)),
      ("tstype", .string(record.timestampType == .logAppendTime ? "logappend" : "create")),
      ("ts", .number(record.timestamp)),
      ("headers", .array(record.headers.flatMap { [.string($0.key), .bytes($0.value)] })),
      ("key", .bytes(record.key)),
      ("payload", .bytes(record.value)),
    ])
  }
}
