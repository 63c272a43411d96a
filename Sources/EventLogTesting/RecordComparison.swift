internal import EventLog
internal import RecordFormat

/// Compares the records that are there with those that should be.
struct RecordComparison {
  /// What became of each record, in an order in which a reader can follow it.
  enum Line {
    case same(ConsumerRecord)
    case missing(ExpectedRecord)
    case unexpected(ConsumerRecord)
  }

  let lines: [Line]

  var isEqual: Bool {
    lines.allSatisfy { if case .same = $0 { true } else { false } }
  }

  init(_ found: [ConsumerRecord], _ expected: [ExpectedRecord], inAnyOrder: Bool) {
    lines = inAnyOrder ? Self.matchFreely(found, expected) : Self.matchInOrder(found, expected)
  }

  /// The longest common subsequence, so that one record that is missing does not make all that follow wrong.
  private static func matchInOrder(_ found: [ConsumerRecord], _ expected: [ExpectedRecord]) -> [Line] {
    var start = 0
    while start < min(found.count, expected.count), expected[start].matches(found[start]) { start += 1 }
    var lines = found[..<start].map { Line.same($0) }
    let rows = found.count - start
    let columns = expected.count - start
    // Where both are long, the table would be too: what differs is then shown side by side.
    guard rows * columns <= 4_000_000 else {
      return lines + expected[start...].map(Line.missing) + found[start...].map(Line.unexpected)
    }
    // lengths[i][j]: of the longest common subsequence of what comes from i and from j on.
    var lengths = [[Int]](repeating: [Int](repeating: 0, count: columns + 1), count: rows + 1)
    for row in stride(from: rows - 1, through: 0, by: -1) {
      for column in stride(from: columns - 1, through: 0, by: -1) {
        lengths[row][column] =
          expected[start + column].matches(found[start + row])
          ? lengths[row + 1][column + 1] + 1 : max(lengths[row + 1][column], lengths[row][column + 1])
      }
    }
    var (row, column) = (0, 0)
    while row < rows || column < columns {
      if row < rows, column < columns, expected[start + column].matches(found[start + row]) {
        lines.append(.same(found[start + row]))
        (row, column) = (row + 1, column + 1)
      } else if column < columns, row == rows || lengths[row][column + 1] >= lengths[row + 1][column] {
        lines.append(.missing(expected[start + column]))
        column += 1
      } else {
        lines.append(.unexpected(found[start + row]))
        row += 1
      }
    }
    return lines
  }

  private static func matchFreely(_ found: [ConsumerRecord], _ expected: [ExpectedRecord]) -> [Line] {
    var isTaken = [Bool](repeating: false, count: found.count)
    var missing: [ExpectedRecord] = []
    for record in expected.sorted(by: { $0.precision > $1.precision }) {
      if let index = found.indices.first(where: { !isTaken[$0] && record.matches(found[$0]) }) {
        isTaken[index] = true
      } else {
        missing.append(record)
      }
    }
    return found.indices.map { isTaken[$0] ? .same(found[$0]) : .unexpected(found[$0]) } + missing.map(Line.missing)
  }
}
