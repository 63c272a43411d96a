internal import RecordFormat

/// The names of a segment's files: its base offset in twenty digits, and a suffix for each kind.
package struct SegmentFiles: Sendable, Hashable {
  package let directory: String
  package let baseOffset: Int64

  package init(directory: String, baseOffset: Int64) {
    self.directory = directory
    self.baseOffset = baseOffset
  }

  package enum Kind: String, Sendable, CaseIterable {
    case log
    case index
    case timeindex
    case txnindex
    case snapshot
  }

  /// The base offset in twenty digits.
  var stemName: String {
    var name = ""
    appendStemName(to: &name)
    return name
  }

  /// In two halves, each of which needs no memory of its own: an opening makes many thousands of names.
  private func appendStemName(to name: inout String) {
    assert(baseOffset >= 0, "no log has offsets below 0")
    let (high, low) = baseOffset.magnitude.quotientAndRemainder(dividingBy: 10_000_000_000)
    name += Self.tenDigits(high)
    name += Self.tenDigits(low)
  }

  private static func tenDigits(_ number: UInt64) -> String {
    String(unsafeUninitializedCapacity: 10) { digits in
      var rest = number
      for place in (0..<10).reversed() {
        digits.initializeElement(at: place, to: UInt8(ascii: "0") + UInt8(rest % 10))
        rest /= 10
      }
      return 10
    }
  }

  private func path(_ suffix: String) -> String {
    var path = ""
    path.reserveCapacity(directory.utf8.count + 21 + suffix.utf8.count)
    path += directory
    path += "/"
    appendStemName(to: &path)
    path += suffix
    return path
  }

  /// What a file's name ends in on the way out (`.deleted`), and on the way in: being written (`.cleaned`), complete and
  /// about to take its place (`.swap`).
  package static let deletedSuffix = ".deleted"
  package static let cleanedSuffix = ".cleaned"
  package static let swapSuffix = ".swap"

  package func path(_ kind: Kind) -> String { path("." + kind.rawValue) }

  package var log: String { path(".log") }
  package var offsetIndex: String { path(".index") }
  package var timeIndex: String { path(".timeindex") }
  package var transactionIndex: String { path(".txnindex") }
  /// What was known of the producers before the segment's first offset.
  package var producerSnapshot: String { path(".snapshot") }

  /// The base offset and the kind that a file name states, or nil for a name of something else.
  package static func parse(_ name: String) -> (baseOffset: Int64, kind: Kind)? {
    guard let dot = name.firstIndex(of: "."), let kind = Kind(rawValue: String(name[name.index(after: dot)...])) else {
      return nil
    }
    let digits = name[..<dot]
    guard digits.utf8.count == 20, digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let base = Int64(digits) else {
      return nil
    }
    return (base, kind)
  }

  /// Whether a file's name is that of a segment's file that is about to take its place.
  static func isSwap(_ name: String) -> Bool {
    name.hasSuffix(swapSuffix) && parse(String(name.dropLast(swapSuffix.count))) != nil
  }
}
