import Foundation

/// Horizontal bars as SVG. Colours change with the reader's light or dark mode.
enum Plot {
  private struct Bar {
    var label: String
    var value: Double
    var text: String
    var style: String
    /// Room above it.
    var gap = 0.0
  }

  /// Each row as a share of the limit; where there is none, of EventLog.
  static func shares(of result: Result) -> String {
    let base = result.limit ?? result.rows[0]
    let measure = result.measures[0]
    let bars = result.rows.filter { $0.name != base.name || result.limit == nil }.map { row in
      let share = measure.ratio(row.values[0].median, to: base.values[0].median)
      return Bar(
        label: row.name, value: share, text: "\(share.shown)   \(measure.text(row.values[0].median))",
        style: row.kind.rawValue)
    }
    let of = result.limit.map { String($0.name.dropFirst("limit: ".count)) } ?? base.name
    return draw(title: result.name, subtitle: "1 = \(of)", bars)
  }

  /// EventLog and the best peer of each workload that has a limit.
  static func overview(_ results: [Result]) -> String {
    var bars: [Bar] = []
    for result in results {
      guard let limit = result.limit else { continue }
      let measure = result.measures[0]
      for (index, row) in ([result.rows[0]] + [result.bestPeer()].compactMap(\.self)).enumerated() {
        let share = measure.ratio(row.values[0].median, to: limit.values[0].median)
        bars.append(
          Bar(
            label: index == 0 ? result.name : row.name, value: share, text: share.shown, style: row.kind.rawValue,
            gap: index == 0 ? 8 : 0))
      }
    }
    return draw(title: "EventLog and the best peer of each workload", subtitle: "1 = what the machine can do", bars)
  }

  private static func draw(title: String, subtitle: String, _ bars: [Bar]) -> String {
    let labelWidth = 440.0
    let barWidth = 340.0
    let row = 22.0
    let largest = max(1, bars.map(\.value).max() ?? 1)
    var y = 56.0
    var body = ""
    for bar in bars {
      y += bar.gap
      let width = max(1, bar.value / largest * barWidth)
      body += """
        <text class="label" x="\(labelWidth - 8)" y="\(y + 14)" text-anchor="end">\(bar.label.escaped)</text>
        <rect class="\(bar.style)" x="\(labelWidth)" y="\(y + 3)" width="\(width.rounded(to: 1))" height="\(row - 7)" rx="2"/>
        <text class="value" x="\((labelWidth + width + 6).rounded(to: 1))" y="\(y + 14)">\(bar.text.escaped)</text>

        """
      y += row
    }
    let one = labelWidth + barWidth / largest
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 \(Int(y + 12))" width="920" height="\(Int(y + 12))" role="img">
      <style>
      text { font: 12px system-ui, sans-serif; fill: #24292f; }
      .title { font-size: 15px; font-weight: 600; }
      .subtitle, .value { fill: #57606a; }
      .eventLog { fill: #0969da; } .peer { fill: #a5adb8; } .limit { fill: #6e7781; }
      line { stroke: #57606a; stroke-dasharray: 3 3; }
      @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; } .subtitle, .value { fill: #9198a1; }
      .eventLog { fill: #4493f8; } .peer { fill: #656c76; } .limit { fill: #9198a1; } line { stroke: #9198a1; }
      }
      </style>
      <title>\(title.escaped)</title>
      <text class="title" x="12" y="22">\(title.escaped)</text>
      <text class="subtitle" x="12" y="42">\(subtitle.escaped)</text>
      <line x1="\(one.rounded(to: 1))" y1="50" x2="\(one.rounded(to: 1))" y2="\(y + 4)"/>
      \(body)</svg>

      """
  }
}

extension Double {
  fileprivate var shown: String { String(format: self >= 10 ? "%.0f" : self >= 0.1 ? "%.2f" : "%.3f", self) }
  fileprivate func rounded(to digits: Int) -> String { String(format: "%.\(digits)f", self) }
}

extension String {
  fileprivate var escaped: String {
    replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
