/// A topic's id (KIP-516): 128 random bits, so that a topic that is deleted and made again is another one.
package struct TopicID: Hashable, Sendable {
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A random id, of the fourth version of UUIDs, that does not begin with a dash in Kafka's text form.
  package init(using generator: inout some RandomNumberGenerator) {
    var id: TopicID
    repeat {
      id = TopicID(
        high: (generator.next() & ~0xf000) | 0x4000, low: (generator.next() & ~(3 << 62)) | (1 << 63))
    } while id.text.hasPrefix("-")
    self = id
  }

  /// Kafka's text form: 22 characters of URL-safe base64.
  package var text: String {
    var text = ""
    var index = 0
    let bytes = bytes
    while index < 16 {
      let a = UInt32(bytes[index])
      let b = index + 1 < 16 ? UInt32(bytes[index + 1]) : 0
      let c = index + 2 < 16 ? UInt32(bytes[index + 2]) : 0
      let group = a << 16 | b << 8 | c
      let characters = min(4, 16 * 8 / 6 + 1 - index / 3 * 4)
      for place in 0..<min(characters, 4) { text.append(Self.alphabet[Int(group >> (18 - 6 * UInt32(place)) & 63)]) }
      index += 3
    }
    return text
  }

  /// The id of Kafka's text form, or nil for a text that is none.
  package init?(text: String) {
    var bits: [UInt8] = []
    var buffer: UInt32 = 0
    var count = 0
    guard text.utf8.count == 22 else { return nil }
    for character in text {
      guard let value = Self.alphabet.firstIndex(of: character) else { return nil }
      buffer = buffer << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        bits.append(UInt8(truncatingIfNeeded: buffer >> UInt32(count)))
      }
    }
    self.init(bytes: bits)
  }

  package init?(bytes: some RandomAccessCollection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    var (high, low): (UInt64, UInt64) = (0, 0)
    // Each byte pushes the ones before it to the left, and the first eight over.
    for byte in bytes { (high, low) = (high << 8 | low >> 56, low << 8 | UInt64(byte)) }
    self.init(high: high, low: low)
  }

  package var bytes: [UInt8] {
    [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) } }
  }

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
}
