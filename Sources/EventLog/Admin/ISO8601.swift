/// The two texts of ISO 8601 that Kafka's tools take: a duration and a date with a time. Without Foundation, which would
/// cost the start of every program more than this does.
package enum ISO8601 {
  /// A duration such as `P1DT2H30M` or `-PT0.5S`, as `java.time.Duration` reads it: days, hours, minutes, seconds; a
  /// sign before the whole or before a part. Nil for anything else.
  package static func duration(_ text: String) -> Duration? {
    var rest = text.uppercased()[...]
    var sign = 1.0
    if let first = rest.first, first == "-" || first == "+" {
      if first == "-" { sign = -1 }
      rest.removeFirst()
    }
    guard rest.popFirst() == "P" else { return nil }
    let halves = rest.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
    guard let date = parts(halves[0], units: ["D": 86_400]) else { return nil }
    var seconds = date
    if halves.count == 2 {
      guard !halves[1].isEmpty, let time = parts(halves[1], units: ["H": 3600, "M": 60, "S": 1]) else { return nil }
      seconds += time
    } else if halves[0].isEmpty {
      return nil
    }
    let milliseconds = (seconds * sign * 1000).rounded()
    guard abs(milliseconds) < 9e18 else { return nil }
    return .milliseconds(Int64(milliseconds))
  }

  /// Sums up `2H30M`. Each unit may be there once, the larger ones first; only seconds may have a fraction.
  private static func parts(_ text: Substring, units: [Character: Double]) -> Double? {
    var rest = text
    var sum = 0.0
    var before = Double.infinity
    while let end = rest.firstIndex(where: { $0.isASCII && $0.isLetter }) {
      let number = rest[..<end]
      guard let unit = units[rest[end]], unit < before, let value = decimal(number, mayHaveFraction: unit == 1) else {
        return nil
      }
      sum += value * unit
      before = unit
      rest = rest[rest.index(after: end)...]
    }
    return rest.isEmpty ? sum : nil
  }

  private static func decimal(_ text: Substring, mayHaveFraction: Bool) -> Double? {
    let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text
    let isPlain = digits.allSatisfy { ($0.isASCII && $0.isNumber) || (mayHaveFraction && ($0 == "." || $0 == ",")) }
    guard isPlain, digits.first?.isNumber == true else { return nil }
    return Double(String(text.map { $0 == "," ? "." : $0 }))
  }

  /// A date with a time such as `2024-05-06T07:08:09.123`, with `Z` or an offset such as `+02:00`; UTC without one. In
  /// milliseconds since 1970. Nil for anything else, and for what is in no calendar.
  package static func milliseconds(_ text: String) -> Int64? {
    let halves = text.split(separator: "T", omittingEmptySubsequences: false)
    guard halves.count == 2, let day = days(halves[0]) else { return nil }
    var clock = halves[1]
    var offset: Int64 = 0
    if clock.last == "Z" {
      clock.removeLast()
    } else if let sign = clock.lastIndex(where: { $0 == "+" || $0 == "-" }) {
      guard let minutes = zone(clock[clock.index(after: sign)...]) else { return nil }
      offset = clock[sign] == "-" ? -minutes : minutes
      clock = clock[..<sign]
    }
    guard let time = time(clock) else { return nil }
    return day * 86_400_000 + time - offset * 60_000
  }

  /// Days since 1970 of `2024-05-06`, by the Gregorian calendar.
  private static func days(_ text: Substring) -> Int64? {
    let fields = text.split(separator: "-", omittingEmptySubsequences: false)
    guard fields.count == 3, let year = number(fields[0], digits: 4), let month = number(fields[1], digits: 2),
      let day = number(fields[2], digits: 2), (1...12).contains(month), day >= 1
    else { return nil }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].map(Int64.init)
    guard day <= lengths[Int(month) - 1] else { return nil }
    let before = year - 1
    let leapDays = before / 4 - before / 100 + before / 400
    let sinceYearOne = before * 365 + leapDays + lengths.prefix(Int(month) - 1).reduce(0, +) + day - 1
    return year == 0 ? nil : sinceYearOne - 719_162
  }

  /// Milliseconds of `07:08`, `07:08:09` or `07:08:09.123`.
  private static func time(_ text: Substring) -> Int64? {
    let fields = text.split(separator: ":", omittingEmptySubsequences: false)
    guard fields.count == 2 || fields.count == 3, let hour = number(fields[0], digits: 2), hour < 24,
      let minute = number(fields[1], digits: 2), minute < 60
    else { return nil }
    guard fields.count == 3 else { return (hour * 60 + minute) * 60_000 }
    let parts = fields[2].split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let second = number(parts[0], digits: 2), second < 60 else { return nil }
    var milliseconds: Int64 = 0
    if parts.count == 2 {
      guard (1...9).contains(parts[1].count), number(parts[1], digits: parts[1].count) != nil,
        let thousandths = Int64((parts[1] + "00").prefix(3))
      else { return nil }
      milliseconds = thousandths
    }
    return ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds
  }

  /// Minutes of `02:00`, `0200` or `02`.
  private static func zone(_ text: Substring) -> Int64? {
    let digits = text.filter { $0 != ":" }
    guard digits.count == 2 || digits.count == 4, let hour = number(digits.prefix(2), digits: 2), hour <= 18,
      let minute = digits.count == 2 ? 0 : number(digits.suffix(2), digits: 2), minute < 60
    else { return nil }
    return hour * 60 + minute
  }

  private static func number(_ text: some StringProtocol, digits: Int) -> Int64? {
    guard text.count == digits, text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
    return Int64(String(text))
  }
}
