internal import RecordFormat

/// What is known of one configuration: Kafka's `ConfigDef`.
struct ConfigDefinition: Sendable {
  /// How a value is read, and which values there are.
  enum Kind: Sendable {
    case boolean
    case int(ClosedRange<Int32>)
    case level(CompressionLevels)
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
  /// What a broker calls the default of all topics, the name that wins first: `log.retention.ms` for `retention.ms`.
  let brokerName: String
  let documentation: String

  init(name: String, kind: Kind, defaultValue: String, brokerName: String? = nil, documentation: String) {
    self.name = name
    self.kind = kind
    self.defaultValue = defaultValue
    self.brokerName = brokerName ?? name
    self.documentation = documentation
  }

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
    case .level(let levels):
      guard let number = Int32(value), levels.contains(number) else { throw invalid(text, levels.requirement) }
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
      // As in Kafka, an empty list may be, but not an empty item.
      let parts = value.isEmpty ? [] : value.split(separator: ",", omittingEmptySubsequences: false)
      let items = parts.map { String($0).trimmingSpaces }
      guard items.allSatisfy(allowed.contains) else {
        throw invalid(text, "a list of " + allowed.joined(separator: ", "))
      }
      return items.joined(separator: ",")
    case .notApplicable(let reason):
      // The default says nothing new, and may be there because a configuration was made for Kafka.
      if value == defaultValue { return value }
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
    case .int, .level: "INT"
    case .long: "LONG"
    case .double: "DOUBLE"
    case .choice, .notApplicable: "STRING"
    case .list: "LIST"
    }
  }

  /// Whether setting it means anything here.
  var isApplicable: Bool {
    if case .notApplicable = kind { false } else { true }
  }

  var isList: Bool {
    if case .list = kind { true } else { false }
  }

  private func invalid(_ value: String, _ wanted: String) -> EventLogError {
    .invalidValue(value, of: name, wanted)
  }
}

extension EventLogError {
  /// For a configuration's value that is none of what it has to be.
  static func invalidValue(_ value: String, of name: String, _ wanted: String) -> EventLogError {
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
