/// A record's value: numbers that say what it is, and filler that follows from them, so that each byte can be compared.
enum Payload {
  static func bytes(_ numbers: Int...) -> [UInt8] { bytes(of: numbers) }

  static func bytes(of numbers: [Int]) -> [UInt8] {
    var text = Array(numbers.map { String($0) }.joined(separator: " ").utf8)
    text.append(UInt8(ascii: "|"))
    var generator = Generator(numbers.reduce(17) { $0 &* 31 &+ UInt64(truncatingIfNeeded: $1) })
    // Words of a few letters, so that there is something to compress.
    for _ in 0..<Int.random(in: 0...12, using: &generator) {
      let letter = UInt8(ascii: "a") + UInt8(truncatingIfNeeded: generator.next() % 26)
      text += Array(repeating: letter, count: Int.random(in: 1...24, using: &generator))
    }
    return text
  }

  /// The numbers that a value was made of; nil where a byte of it is another.
  static func numbers(_ value: [UInt8]?) -> [Int]? {
    guard let value, let end = value.firstIndex(of: UInt8(ascii: "|")) else { return nil }
    var numbers: [Int] = []
    for part in value[..<end].split(separator: UInt8(ascii: " ")) {
      guard let number = Int(String(decoding: part, as: UTF8.self)) else { return nil }
      numbers.append(number)
    }
    return bytes(of: numbers) == value ? numbers : nil
  }
}
