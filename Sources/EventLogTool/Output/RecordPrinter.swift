import EventLog

/// Prints records, up to a number of them.
struct RecordPrinter {
  private var output = Terminal.Output()
  private let formatter: RecordFormatter?
  private(set) var remaining: Int

  /// - Parameter format: nil prints JSON.
  init(format: String?, remaining: Int) throws {
    formatter = try format.map(RecordFormatter.init)
    self.remaining = remaining
  }

  mutating func print(_ record: ConsumerRecord) throws {
    if let formatter { try formatter.write(record, to: &output) } else { try output.line(JSON(record).text) }
    remaining -= 1
  }

  mutating func flush() throws { try output.flush() }
}
