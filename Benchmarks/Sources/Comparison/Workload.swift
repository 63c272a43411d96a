import Foundation

/// Some work, and who does it.
struct Workload {
  /// Names its files.
  var id: String
  var name: String
  /// What each contender gives, in this order; the table's ratio, the plot and the targets go by the first.
  var measures = [Measure.rate("a second")]
  /// Fewer rounds than the others where one takes long.
  var rounds: Int?
  /// What the work aims at.
  var targets: [Target] = []
  /// The first is EventLog.
  var contenders: [Contender]

  struct Contender {
    enum Kind: String, Codable { case eventLog, limit, peer }
    var name: String
    var kind: Kind
    /// Does the work in a directory of its own. nil where it turned out that it can't.
    var run: (String) async throws -> [Double]?
  }

  func run(_ size: Size, root: String, among includes: (Contender) -> Bool = { _ in true }) async throws -> Result {
    let rounds = rounds.map { min($0, size.rounds) } ?? size.rounds
    var values: [String: [[Double]]] = [:]
    for round in 0..<rounds {
      for contender in contenders where includes(contender) {
        let directory = root + "/\(round)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        // What the one before left to the kernel to write would slow this one's syncs.
        sync()
        try WarmMemory.fillPageCache(root + "/warm", bytes: size.memory)
        if let measured = try await contender.run(directory) { values[contender.name, default: []].append(measured) }
        try FileManager.default.removeItem(atPath: directory)
      }
    }
    return Result(
      id: id, name: name, measures: measures, rounds: rounds, targets: targets,
      rows: contenders.compactMap { contender in
        guard let rounds = values[contender.name] else { return nil }
        return .init(
          name: contender.name, kind: contender.kind,
          values: measures.indices.map { measure in
            let sorted = rounds.map { $0[measure] }.sorted()
            return .init(median: sorted[sorted.count / 2], low: sorted[0], high: sorted[sorted.count - 1])
          })
      })
  }
}

/// What is measured.
struct Measure: Codable {
  enum Kind: String, Codable { case rate, seconds, bytes }
  var name: String
  var kind: Kind

  static func rate(_ name: String) -> Measure { Measure(name: name, kind: .rate) }
  static func seconds(_ name: String) -> Measure { Measure(name: name, kind: .seconds) }
  static func bytes(_ name: String) -> Measure { Measure(name: name, kind: .bytes) }

  /// How many times better `value` is than `other`.
  func ratio(_ value: Double, to other: Double) -> Double { kind == .rate ? value / other : other / value }

  func text(_ value: Double) -> String {
    switch kind {
    case .rate:
      value >= 1e6
        ? String(format: "%.1f M", value / 1e6)
        : value >= 1e3 ? String(format: "%.1f k", value / 1e3) : String(format: "%.0f", value)
    case .seconds:
      value >= 1
        ? String(format: "%.2f s", value)
        : value >= 1e-3
          ? String(format: "%.1f ms", value * 1e3)
          : value >= 1e-6 ? String(format: "%.1f µs", value * 1e6) : String(format: "%.0f ns", value * 1e9)
    case .bytes:
      value >= 1_048_576 ? String(format: "%.1f MiB", value / 1_048_576) : String(format: "%.0f B", value)
    }
  }
}

/// What EventLog aims at, in multiples of another row, or at most.
struct Target: Codable {
  /// The beginning of the other row's name; nil is the best peer.
  var row: String?
  var factor: Double
  /// Which measure.
  var measure = 0
  /// Which row of EventLog's; nil is the first.
  var own: String?
  /// What the row may come to, whatever the others do.
  var bound: Double?

  static func peer(_ name: String, _ factor: Double, measure: Int = 0) -> Target {
    Target(row: name, factor: factor, measure: measure)
  }
  static func bestPeer(_ factor: Double, measure: Int = 0) -> Target {
    Target(row: nil, factor: factor, measure: measure)
  }
  static func eventLog(_ name: String, _ factor: Double, measure: Int = 0) -> Target {
    Target(row: "EventLog, " + name, factor: factor, measure: measure)
  }
  static func limit(_ name: String, _ factor: Double, measure: Int = 0) -> Target {
    Target(row: "limit: " + name, factor: factor, measure: measure)
  }
  static func atMost(_ bound: Double, measure: Int = 0) -> Target {
    Target(factor: 1, measure: measure, bound: bound)
  }

  /// The same for another of EventLog's rows.
  func of(_ own: String) -> Target {
    var target = self
    target.own = own
    return target
  }
}

/// What came out.
struct Result: Codable {
  struct Value: Codable { var median, low, high: Double }
  struct Row: Codable {
    var name: String
    var kind: Workload.Contender.Kind
    var values: [Value]
  }

  var id: String
  var name: String
  var measures: [Measure]
  var rounds: Int
  var targets: [Target]
  var rows: [Row]

  /// How many times better EventLog's first row is than this one.
  func ratio(to row: Row, measure: Int = 0) -> Double { ratio(of: rows[0], to: row, measure: measure) }

  func ratio(of own: Row, to row: Row, measure: Int) -> Double {
    measures[measure].ratio(own.values[measure].median, to: row.values[measure].median)
  }

  func bestPeer(measure: Int = 0) -> Row? {
    rows.filter { $0.kind == .peer }.min { ratio(to: $0, measure: measure) < ratio(to: $1, measure: measure) }
  }

  /// The first limit of the table is the one that the plots go by.
  var limit: Row? { rows.first { $0.kind == .limit } }

  func row(of target: Target) -> Row? {
    guard let name = target.row else { return bestPeer(measure: target.measure) }
    return rows.first { $0.name.hasPrefix(name) }
  }

  func ownRow(of target: Target) -> Row? { target.own.map { name in rows.first { $0.name == name } } ?? rows.first }
}

// MARK: Time

func seconds(_ body: () throws -> Void) rethrows -> Double {
  let clock = ContinuousClock()
  let start = clock.now
  try body()
  return (clock.now - start).inSeconds
}

func seconds(_ body: () async throws -> Void) async rethrows -> Double {
  let clock = ContinuousClock()
  let start = clock.now
  try await body()
  return (clock.now - start).inSeconds
}

/// Calls `body` up to `count` times, and stops when `limit` seconds are over. Returns the rate of calls.
@inline(__always)
func rate(_ count: Int, limit: Double, checkEvery chunk: Int = 16, _ body: () throws -> Void) rethrows -> Double {
  let clock = ContinuousClock()
  let start = clock.now
  let end = start + .seconds(limit)
  var done = 0
  while done < count {
    for _ in 0..<min(chunk, count - done) { try body() }
    done += min(chunk, count - done)
    if clock.now >= end { break }
  }
  return Double(done) / (clock.now - start).inSeconds
}

extension Duration {
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
