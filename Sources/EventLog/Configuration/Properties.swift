internal import RecordFormat

/// Reads configurations by Kafka's dotted names: each name is taken once, and what is left over at the end is unknown.
struct Properties {
  private var rest: [String: String] = [:]
  /// For a source that can be asked for a name, but does not tell which names it has.
  private var lookup: ((String) -> String?)?
  private let kind: String

  init(_ properties: [String: String], of kind: String) {
    rest = properties
    self.kind = kind
  }

  init(_ lookup: @escaping (String) -> String?, of kind: String) {
    self.lookup = lookup
    self.kind = kind
  }

  mutating func take(_ name: String) -> String? {
    (lookup?(name) ?? rest.removeValue(forKey: name))?.trimmingSpaces
  }

  mutating func integer(_ name: String, in range: ClosedRange<Int64>, _ set: (Int64) -> Void) throws(EventLogError) {
    guard let text = take(name) else { return }
    guard let number = Int64(text), range.contains(number) else {
      throw .invalidValue(text, of: name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    set(number)
  }

  /// A codec's level; nothing for a codec that has none.
  mutating func level(of codec: CompressionType, _ set: (Int32) -> Void) throws(EventLogError) {
    let name = "compression.\(codec.name).level"
    guard let levels = codec.levels, let text = take(name) else { return }
    guard let level = Int32(text), levels.contains(level) else {
      throw .invalidValue(text, of: name, levels.requirement)
    }
    set(level)
  }

  /// A number of milliseconds.
  mutating func duration(
    _ name: String, in range: ClosedRange<Int64> = 0...Int64.max, _ set: (Duration) -> Void
  ) throws(EventLogError) {
    try integer(name, in: range) { set(.milliseconds($0)) }
  }

  mutating func boolean(_ name: String, _ set: (Bool) -> Void) throws(EventLogError) {
    guard let text = take(name) else { return }
    switch text.lowercased() {
    case "true": set(true)
    case "false": set(false)
    default: throw .invalidValue(text, of: name, "true or false")
    }
  }

  mutating func choice<Value>(
    _ name: String, _ choices: [(String, Value)], _ set: (Value) -> Void
  ) throws(EventLogError) {
    guard let text = take(name) else { return }
    guard let match = choices.first(where: { $0.0 == text }) else {
      throw .invalidValue(text, of: name, "one of " + choices.map(\.0).joined(separator: ", "))
    }
    set(match.1)
  }

  /// A configuration of Kafka's that this library does not have yet, or that means nothing in one process.
  mutating func refuse(_ name: String, unless allowed: [String] = [], because reason: String) throws(EventLogError) {
    guard let text = take(name), !allowed.contains(text) else { return }
    throw EventLogError(.invalidConfig, "\(name)=\(text) is not supported: \(reason)")
  }

  /// Names that mean something between machines only, and are let pass without effect so that a configuration made for
  /// Kafka can be used as it is.
  mutating func ignore(_ names: String...) {
    for name in names { _ = take(name) }
  }

  func finish() throws(EventLogError) {
    guard let name = rest.keys.min() else { return }
    throw EventLogError(.invalidConfig, "there is no \(kind) configuration \"\(name)\"")
  }
}

extension Duration {
  /// Whole milliseconds. Fractions are cut; what is too large for 64 bits is as large as that allows.
  package var milliseconds: Int64 { parts(perSecond: 1000) }

  /// The same, to be added to times: no more than 285,000 years, so that a few of them still make a number.
  var timeLimit: Int64 { min(milliseconds, 1 << 53) }

  /// The same in nanoseconds.
  package var nanoseconds: Int64 { parts(perSecond: 1_000_000_000) }

  private func parts(perSecond count: Int64) -> Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: count)
    let sum = product.addingReportingOverflow(attoseconds / (1_000_000_000_000_000_000 / count))
    return overflow || sum.overflow ? (seconds < 0 ? .min : .max) : sum.partialValue
  }
}
