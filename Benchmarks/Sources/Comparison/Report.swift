import Foundation

/// The tables.
enum Report {
  static func text(of result: Result) -> String {
    var lines = [result.name]
    for row in result.rows {
      var line = "  " + row.name.padding(toLength: 48, withPad: " ", startingAt: 0)
      for (measure, value) in zip(result.measures, row.values) {
        line += "\(measure.name) \(measure.text(value.median))  "
      }
      line += "EventLog/this \(ratio(result.ratio(to: row)))"
      line += "  (\(result.measures[0].text(row.values[0].low)) to \(result.measures[0].text(row.values[0].high)))"
      lines.append(line)
    }
    for line in targets(of: result) { lines.append("  \(line.isMet ? "met" : "MISSED"): \(line.text)") }
    return lines.joined(separator: "\n")
  }

  static func markdown(of result: Result) -> String {
    var text = "# \(result.name)\n\n"
    text += "![The rows as shares of the limit](\(result.id).svg)\n\n"
    text += "| | \(result.measures.map(\.name).joined(separator: " | ")) | EventLog is | lowest to highest |\n"
    text += "|---|\(String(repeating: "---:|", count: result.measures.count))---:|---|\n"
    for row in result.rows {
      let values = zip(result.measures, row.values).map { $0.text($1.median) }.joined(separator: " | ")
      let first = result.measures[0]
      text += "| \(row.name) | \(values) | \(ratio(result.ratio(to: row))) × | "
      text += "\(first.text(row.values[0].low)) to \(first.text(row.values[0].high)) |\n"
    }
    text += "\nMedians of \(result.rounds) round\(result.rounds == 1 ? "" : "s"), in which the contenders took turns. "
    text +=
      "\"EventLog is\" and the range go by \"\(result.measures[0].name)\"; more than 1 means that EventLog is faster.\n"
    let targets = targets(of: result)
    if !targets.isEmpty { text += "\n" }
    for target in targets { text += "- \(target.isMet ? "met" : "missed"): \(target.text)\n" }
    text += "\nMade by `Scripts/benchmark --write --only \(result.id)`.\n"
    return text
  }

  /// A line for each workload.
  static func summary(_ results: [Result]) -> String {
    var text = "| workload | EventLog | best peer | EventLog is | of the limit | aims |\n|---|---:|---|---:|---:|---|\n"
    for result in results {
      let first = result.measures[0]
      let own = first.text(result.rows[0].values[0].median)
      let peer = result.bestPeer()
      let peerText = peer.map { "\($0.name), \(first.text($0.values[0].median))" } ?? "-"
      let peerRatio = peer.map { "\(ratio(result.ratio(to: $0))) ×" } ?? "-"
      let limit = result.limit.map { ratio(result.ratio(to: $0)) } ?? "-"
      let aims = targets(of: result).map { "\($0.isMet ? "met" : "missed") (\($0.short))" }.joined(separator: ", ")
      text +=
        "| [\(result.name)](results/\(result.id).md) | \(own) | \(peerText) | \(peerRatio) | \(limit) | \(aims) |\n"
    }
    return text
  }

  static func targets(of result: Result) -> [(isMet: Bool, text: String, short: String)] {
    result.targets.compactMap { target in
      guard let own = result.ownRow(of: target) else { return nil }
      let measured = result.measures[target.measure]
      var measure = target.measure == 0 ? "" : " (\(measured.name))"
      if let name = target.own { measure += " by \(name)" }
      if let bound = target.bound {
        let value = own.values[target.measure].median
        return (
          measured.ratio(value, to: bound) >= 1,
          "\(measured.text(value))\(measure); the aim is \(measured.text(bound))",
          "\(measured.text(value)) of \(measured.text(bound))\(measure)"
        )
      }
      guard let row = result.row(of: target) else { return nil }
      let reached = result.ratio(of: own, to: row, measure: target.measure)
      return (
        reached >= target.factor,
        "\(ratio(reached)) times \(row.name)\(measure); the aim is \(ratio(target.factor))",
        "\(ratio(reached)) of \(ratio(target.factor)) × \(row.name)\(measure)"
      )
    }
  }

  static func ratio(_ value: Double) -> String { String(format: value >= 10 ? "%.0f" : "%.2f", value) }
}

/// The directory `results`: for each workload what was measured (JSON), a table and a plot; and a summary in the README.
struct Results {
  private let directory: String

  init(_ directory: String) throws {
    self.directory = directory
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  func write(_ result: Result) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(result).write(to: URL(filePath: "\(directory)/\(result.id).json"))
    try Report.markdown(of: result).write(toFile: "\(directory)/\(result.id).md", atomically: true, encoding: .utf8)
    try Plot.shares(of: result).write(toFile: "\(directory)/\(result.id).svg", atomically: true, encoding: .utf8)
  }

  /// From all results that there are, of this run and of earlier ones.
  func summarize(_ ids: [String]) throws {
    let results = try ids.compactMap { id -> Result? in
      let path = "\(directory)/\(id).json"
      guard FileManager.default.fileExists(atPath: path) else { return nil }
      return try JSONDecoder().decode(Result.self, from: Data(contentsOf: URL(filePath: path)))
    }
    try Plot.overview(results).write(toFile: "\(directory)/overview.svg", atomically: true, encoding: .utf8)
    try replace("summary", with: Report.summary(results))
    try replace("settings", with: Peer.settings)
  }

  /// What stands between `<!-- name -->` and `<!-- end of name -->` in the README.
  private func replace(_ name: String, with text: String) throws {
    let path = directory + "/../README.md"
    let old = try String(contentsOfFile: path, encoding: .utf8)
    guard let start = old.range(of: "<!-- \(name) -->\n"), let end = old.range(of: "<!-- end of \(name) -->") else {
      return
    }
    try (old[..<start.upperBound] + text + old[end.lowerBound...]).write(
      toFile: path, atomically: true, encoding: .utf8)
  }
}
