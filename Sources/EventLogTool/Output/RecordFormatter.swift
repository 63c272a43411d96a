import ArgumentParser
import EventLog

/// Prints records by a format with kcat's tokens: `%t` topic, `%p` partition, `%o` offset, `%k` key, `%s` payload, `%h`
/// headers, `%T` timestamp, `%K` and `%S` the sizes of key and payload (-1 for null), `%%`; and `\n`, `\r`, `\t`, `\\`,
/// `\0`, `\xHH`.
struct RecordFormatter {
  private enum Part {
    case literal([UInt8])
    case token(Character)
  }

  private let parts: [Part]

  init(_ format: String) throws {
    var parts: [Part] = []
    var literal: [UInt8] = []
    var rest = format[...]
    while let character = rest.popFirst() {
      switch character {
      case "%":
        guard let token = rest.popFirst() else { throw ValidationError("--format ends with a single %") }
        if token == "%" {
          literal.append(UInt8(ascii: "%"))
          continue
        }
        guard "tpokshTKS".contains(token) else { throw ValidationError("--format knows no token %\(token)") }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        literal = []
        parts.append(.token(token))
      case "\\":
        guard let escape = rest.popFirst() else { throw ValidationError("--format ends with a single backslash") }
        switch escape {
        case "n": literal.append(10)
        case "r": literal.append(13)
        case "t": literal.append(9)
        case "0": literal.append(0)
        case "\\": literal.append(92)
        case "x":
          guard let byte = UInt8(rest.prefix(2), radix: 16), rest.count >= 2 else {
            throw ValidationError("--format: \\x needs two hexadecimal digits")
          }
          rest = rest.dropFirst(2)
          literal.append(byte)
        default: throw ValidationError("--format knows no escape \\\(escape)")
        }
      default: literal += Array(String(character).utf8)
      }
    }
    if !literal.isEmpty { parts.append(.literal(literal)) }
    self.parts = parts
  }

  func write(_ record: ConsumerRecord, to output: inout Terminal.Output) throws {
    for part in parts {
      switch part {
      case .literal(let bytes): try output.write(bytes)
      case .token("t"): try output.write(record.topic)
      case .token("p"): try output.write(String(record.partition))
      case .token("o"): try output.write(String(record.offset))
      case .token("k"): try output.write(record.key ?? [])
      case .token("s"): try output.write(record.value ?? [])
      case .token("T"): try output.write(String(record.timestamp))
      case .token("K"): try output.write(String(record.serializedKeySize))
      case .token("S"): try output.write(String(record.serializedValueSize))
      case .token:
        for (index, header) in record.headers.enumerated() {
          if index > 0 { try output.write(",") }
          try output.write(header.key + "=")
          try output.write(header.value ?? Array("NULL".utf8))
        }
      }
    }
  }
}
