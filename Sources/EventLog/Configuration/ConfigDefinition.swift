internal import RecordFormat

/// What is known of one configuration: Kafka's `ConfigDef`.
struct ConfigDefinition: Sendable {
  /// How a value is read, and which values there are.
  enum Kind: Sendable {
    case boolean
    case int(ClosedRange<Int32>)
    case long(ClosedRange<Int64>)
    case double(ClosedRange<Double>)
    case choice([String])
    case list(of: [String])
    /// Known to Kafka, but without meaning in one process; the reason is told to who sets it.
    case notApplicable(String)
  }

  let name: String
  let kind: Kind
  let defaultValue: String
  let documentation: String

  /// The value as it is stored, from what somebody wrote.
  ///
  /// - Throws: `invalidConfig` with the name and what would be right.
  func normalize(_ text: String) throws(EventLogError) -> String {
    let value = text.trimmingSpaces
    switch kind {
    case .boolean:
      switch value.lowercased() {
      case "true": return "true"
      case "false": return "false"
      default: throw invalid(text, "true or false")
      }
    case .int(let range):
      guard let number = Int32(value), range.contains(number) else {
        throw invalid(text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return String(number)
    case .long(let range):
      guard let number = Int64(value), range.contains(number) else {
        throw invalid(text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return String(number)
    case .double(let range):
      guard let number = Double(value), range.contains(number) else {
        throw invalid(text, "a number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    case .choice(let choices):
      guard choices.contains(value) else { throw invalid(text, "one of " + choices.joined(separator: ", ")) }
      return value
    case .list(let allowed):
      let items = Self.split(value)
      guard items.allSatisfy(allowed.contains) else {
        throw invalid(text, "a list of " + allowed.joined(separator: ", "))
      }
      return items.joined(separator: ",")
    case .notApplicable(let reason):
      throw EventLogError(.invalidConfig, "\(name) can't be set here: \(reason)")
    }
  }

  static func split(_ list: String) -> [String] {
    list.split(separator: ",").map(String.init).map(\.trimmingSpaces).filter { !$0.isEmpty }
  }

  /// Kafka's name for the type.
  var typeName: String {
    switch kind {
    case .boolean: "BOOLEAN"
    case .int: "INT"
    case .long: "LONG"
    case .double: "DOUBLE"
    case .choice, .notApplicable: "STRING"
    case .list: "LIST"
    }
  }

  var isList: Bool {
    if case .list = kind { true } else { false }
  }

  private func invalid(_ value: String, _ wanted: String) -> EventLogError {
    EventLogError(.invalidConfig, "\"\(value)\" is no value for \(name): it has to be \(wanted)")
  }
}

extension String {
  var trimmingSpaces: String {
    var text = self[...]
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
