public import EventLog
public import RecordFormat

/// An expectation of a test that was not met. Its description is a picture of what was there, for any test library that shows
/// the errors that a test throws.
public struct ExpectationFailure: Error, Sendable, CustomStringConvertible {
  /// What was expected, what was found instead, and where the test says so.
  public let description: String
  /// The test's file, as `#fileID` has it.
  public let fileID: String
  public let line: Int

  init(_ text: String, _ fileID: String, _ line: Int) {
    description = "\(text)\n(expected at \(fileID):\(line))"
    self.fileID = fileID
    self.line = line
  }
}

extension TestBroker {
  /// Expects that a topic holds exactly these records: by partition and offset, or in any order.
  ///
  /// - Returns: the records.
  /// - Throws: `ExpectationFailure` with a table of both where it does not; else as `drain`.
  @discardableResult
  public func expectRecords(
    in topic: String, _ expected: [ExpectedRecord], inAnyOrder: Bool = false, isolation: Isolation = .readUncommitted,
    fileID: String = #fileID, line: Int = #line
  ) async throws -> [ConsumerRecord] {
    let found = try await drain(topic, isolation: isolation)
    try expect(found, toBe: expected, inAnyOrder: inAnyOrder, what: "topic \(topic)", fileID: fileID, line: line)
    return found
  }

  /// Expects these records among those that a consumer returned.
  ///
  /// - Throws: `ExpectationFailure` with a table of both.
  public func expect(
    _ found: some Sequence<ConsumerRecord>, toBe expected: [ExpectedRecord], inAnyOrder: Bool = false,
    what: String = "these records", fileID: String = #fileID, line: Int = #line
  ) throws {
    let found = Array(found)
    let comparison = RecordComparison(found, expected, inAnyOrder: inAnyOrder)
    guard !comparison.isEqual else { return }
    var table = RecordTable(showsTimestamps: expected.contains { $0.timestamp != nil })
    for line in comparison.lines {
      switch line {
      case .same(let record): table.add(record, .same)
      case .missing(let record): table.add(record, .missing)
      case .unexpected(let record): table.add(record, .unexpected)
      }
    }
    throw ExpectationFailure(
      "\(what): expected \(Self.count(expected.count)), found \(Self.count(found.count)); - is missing, + is too much\n"
        + table.text, fileID, line)
  }

  /// Expects that a group has committed exactly these offsets, whatever their metadata.
  ///
  /// - Throws: `ExpectationFailure` with both.
  public func expectCommitted(
    by group: String, _ expected: [TopicPartition: Int64], fileID: String = #fileID, line: Int = #line
  ) throws {
    var found: [TopicPartition: Int64] = [:]
    do {
      found = try admin.listConsumerGroupOffsets(group).mapValues(\.offset)
    } catch let error as EventLogError where error.code == .groupIDNotFound {
      // A group that nobody has heard of has committed nothing.
    }
    guard found != expected else { return }
    var lines = ["group \(group): - was expected, + was committed"]
    let width = Set(expected.keys).union(found.keys).map { $0.description.count }.max() ?? 0
    for partition in Set(expected.keys).union(found.keys).sorted() {
      let name = partition.description.padded(to: width)
      switch (expected[partition], found[partition]) {
      case (let a?, let b?) where a == b: lines.append("     \(name)  \(a)")
      case (let a, let b):
        if let a { lines.append("  -  \(name)  \(a)") }
        if let b { lines.append("  +  \(name)  \(b)") }
      }
    }
    throw ExpectationFailure(lines.joined(separator: "\n"), fileID, line)
  }

  private static func count(_ number: Int) -> String { number == 1 ? "1 record" : "\(number) records" }
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
