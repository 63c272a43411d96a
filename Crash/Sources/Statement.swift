/// A line that the child said: a word, and numbers.
struct Statement {
  var word: String
  var numbers: [Int]
  /// The line as it was.
  var text: String

  init(_ line: some Sequence<UInt8>) {
    text = String(decoding: Array(line), as: UTF8.self)
    var parts = text.split(separator: " ")
    word = parts.isEmpty ? "" : String(parts.removeFirst())
    numbers = parts.compactMap { Int($0) }
  }

  subscript(_ index: Int) -> Int { index < numbers.count ? numbers[index] : -1 }
}
