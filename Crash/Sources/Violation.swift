/// What did not hold.
struct Violation: Error, CustomStringConvertible {
  var what: String
  var expected: String
  var found: String

  init(_ what: String, expected: String, found: String) {
    self.what = what
    self.expected = expected
    self.found = found
  }

  var description: String { "\(what)\n  expected  \(expected)\n  found     \(found)" }
}

/// Ends the check where something does not hold.
func hold(
  _ holds: Bool, _ what: @autoclosure () -> String, expected: @autoclosure () -> String,
  found: @autoclosure () -> String
) throws {
  guard holds else { throw Violation(what(), expected: expected(), found: found()) }
}

/// A wrong command line.
struct UsageError: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) {
    self.description = description
  }
}
