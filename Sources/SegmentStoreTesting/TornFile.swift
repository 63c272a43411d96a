internal import SegmentStore

/// What a machine might find of a file after a power cut, given what was synced and what had been written since: each page is
/// the one or the other, or torn between two sectors, and the length is the one, the other, or between them.
struct TornFile {
  static let page = 4096
  static let sector = 512

  let synced: [UInt8]
  let written: [UInt8]

  func bytes(by random: inout SplitMix) -> [UInt8] {
    guard synced != written else { return synced }
    let chance = TornFile.chance(by: &random)
    let length = length(by: &random)
    var result = [UInt8](repeating: 0, count: length)
    for start in stride(from: 0, to: length, by: Self.page) {
      let range = start..<min(start + Self.page, length)
      let isWritten = Double.random(in: 0..<1, using: &random) < chance
      guard Int.random(in: 0..<8, using: &random) == 0 else {
        copy(isWritten, range, into: &result)
        continue
      }
      let middle = min(
        range.upperBound, start + Self.sector * Int.random(in: 1..<Self.page / Self.sector, using: &random))
      copy(isWritten, start..<middle, into: &result)
      copy(!isWritten, middle..<range.upperBound, into: &result)
    }
    return result
  }

  /// How probable it is that something survived: all, nothing and some of each are cases of their own.
  static func chance(by random: inout SplitMix) -> Double {
    [0, 0.1, 0.5, 0.9, 1].randomElement(using: &random) ?? 0.5
  }

  private func length(by random: inout SplitMix) -> Int {
    let range = min(synced.count, written.count)...max(synced.count, written.count)
    switch Int.random(in: 0..<6, using: &random) {
    case 0, 1: return synced.count
    case 2, 3: return written.count
    case 4: return max(range.lowerBound, Int.random(in: range, using: &random) / Self.page * Self.page)
    default: return Int.random(in: range, using: &random)
    }
  }

  /// Zeros where the source ends before: room that was reserved, and nothing written into it.
  private func copy(_ isWritten: Bool, _ range: Range<Int>, into result: inout [UInt8]) {
    let source = isWritten ? written : synced
    let end = min(range.upperBound, source.count)
    guard range.lowerBound < end else { return }
    result.replaceSubrange(range.lowerBound..<end, with: source[range.lowerBound..<end])
  }
}
