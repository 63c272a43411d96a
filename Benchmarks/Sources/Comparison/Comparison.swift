import EventLog
import Foundation

/// Measures EventLog and, on the same work and in the same run, what a user would pick instead and what the machine can do.
///
/// Every contender runs once a round, in turn, so that a machine whose speed drifts is fair to all. What counts are the
/// ratios of one run.
@main
struct Comparison {
  static func main() async throws {
    let arguments = CommandLine.arguments
    let isSmoke = arguments.contains("--smoke")
    let rounds = isSmoke ? 1 : 7
    let scale = isSmoke ? 50 : 1
    let directory = option("--dir") ?? FileManager.default.temporaryDirectory.path
    let root = directory + "/eventlog-benchmark-\(ProcessInfo.processInfo.processIdentifier)"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: root) }
    let only = option("--only")
    var report = Report()
    for workload in Workloads.all(scale: scale) where only.map({ workload.name.contains($0) }) ?? true {
      let result = try await workload.run(rounds: rounds, root: root)
      report.add(result)
      print(report.text(of: result))
    }
    if let path = option("--write") { try report.markdown.write(toFile: path, atomically: true, encoding: .utf8) }
  }

  static func option(_ name: String) -> String? {
    guard let index = CommandLine.arguments.firstIndex(of: name), index + 1 < CommandLine.arguments.count else {
      return nil
    }
    return CommandLine.arguments[index + 1]
  }
}

/// Some work, and who does it.
struct Workload {
  struct Contender {
    var name: String
    /// Does the work in a directory of its own, and returns operations and the seconds that they took.
    var run: (String) async throws -> (operations: Int, seconds: Double)
  }

  struct Result {
    var workload: String
    var rows: [(contender: String, median: Double, low: Double, high: Double)]
  }

  var name: String
  /// The first is what the others are compared with.
  var contenders: [Contender]

  func run(rounds: Int, root: String) async throws -> Result {
    var rates: [String: [Double]] = [:]
    for round in 0..<rounds {
      for contender in contenders {
        let directory = root + "/\(round)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let (operations, seconds) = try await contender.run(directory)
        rates[contender.name, default: []].append(Double(operations) / seconds)
        try FileManager.default.removeItem(atPath: directory)
      }
    }
    return Result(
      workload: name,
      rows: contenders.map { contender in
        let sorted = (rates[contender.name] ?? []).sorted()
        return (contender.name, sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1])
      })
  }
}

/// The tables.
struct Report {
  private var results: [Workload.Result] = []

  mutating func add(_ result: Workload.Result) { results.append(result) }

  func text(of result: Workload.Result) -> String {
    let base = result.rows[0].median
    var lines = [result.workload]
    for row in result.rows {
      lines.append(
        "  " + row.contender.padding(toLength: 44, withPad: " ", startingAt: 0)
          + "\(Self.rate(row.median))/s  \(Self.time(row.median))  EventLog/this \(Self.ratio(base / row.median))"
          + "  (\(Self.rate(row.low)) to \(Self.rate(row.high)))")
    }
    return lines.joined(separator: "\n")
  }

  var markdown: String {
    var text = ""
    for result in results {
      let base = result.rows[0].median
      text +=
        "\n**\(result.workload)**\n\n| | a second | each | EventLog is | lowest to highest |\n|---|---:|---:|---:|---|\n"
      for row in result.rows {
        text +=
          "| \(row.contender) | \(Self.rate(row.median)) | \(Self.time(row.median)) | \(Self.ratio(base / row.median)) × | "
          + "\(Self.rate(row.low)) to \(Self.rate(row.high)) |\n"
      }
    }
    return text
  }

  private static func rate(_ value: Double) -> String {
    value >= 1e6
      ? String(format: "%.1f M", value / 1e6)
      : value >= 1e3 ? String(format: "%.1f k", value / 1e3) : String(format: "%.0f", value)
  }

  private static func time(_ rate: Double) -> String {
    let ns = 1e9 / rate
    return ns >= 1e6
      ? String(format: "%.2f ms", ns / 1e6)
      : ns >= 1e3 ? String(format: "%.1f µs", ns / 1e3) : String(format: "%.0f ns", ns)
  }

  private static func ratio(_ value: Double) -> String { String(format: value >= 10 ? "%.0f" : "%.2f", value) }
}

func seconds(_ body: () throws -> Void) rethrows -> Double {
  let clock = ContinuousClock()
  let start = clock.now
  try body()
  let taken = (clock.now - start).components
  return Double(taken.attoseconds) / 1e18 + Double(taken.seconds)
}

func seconds(_ body: () async throws -> Void) async rethrows -> Double {
  let clock = ContinuousClock()
  let start = clock.now
  try await body()
  let taken = (clock.now - start).components
  return Double(taken.attoseconds) / 1e18 + Double(taken.seconds)
}
