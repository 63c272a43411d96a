import RecordFormat
import Testing

@Suite("A codec")
struct CodecTests {
  static let codecs: [CompressionType] = [.gzip, .snappy, .lz4, .zstd]

  static func inputs(seed: UInt64) -> [[UInt8]] {
    var generator = SeededGenerator(seed: seed)
    return [
      [], [0], [UInt8](repeating: 65, count: 300_000),
      (0..<200_000).map { _ in UInt8.random(in: 0...255, using: &generator) },
      (0..<100_000).map { UInt8(truncatingIfNeeded: $0 / 97) },
      Array("the same again, ".utf8) + Array("the same again, ".utf8),
    ]
  }

  static func compress(_ bytes: [UInt8], _ codec: CompressionType) throws -> [UInt8] {
    try bytes.withUnsafeBytes { buffer throws(EventLogError) in try Codec.compress(buffer, codec) }
  }

  static func decompress(_ bytes: [UInt8], _ codec: CompressionType, limit: Int = 1 << 24) throws -> [UInt8] {
    let region = try bytes.withUnsafeBytes { buffer throws(EventLogError) in
      try Codec.decompress(buffer, codec, limit: limit)
    }
    defer { withExtendedLifetime(region) {} }
    return Array(region.bytes)
  }

  @Test("gives back what it was given", arguments: codecs)
  func roundTrip(codec: CompressionType) throws {
    for input in Self.inputs(seed: 1) {
      #expect(try Self.decompress(try Self.compress(input, codec), codec) == input)
    }
  }

  @Test("refuses output beyond the limit, whatever the input says of itself", arguments: codecs)
  func bombs(codec: CompressionType) throws {
    let packed = try Self.compress([UInt8](repeating: 0, count: 2_000_000), codec)
    let error = #expect(throws: EventLogError.self) { try Self.decompress(packed, codec, limit: 1_999_999) }
    #expect(error?.code == .corruptMessage)
    #expect(try Self.decompress(packed, codec, limit: 2_000_000).count == 2_000_000)
  }

  @Test("gives what is sound behind an lz4 frame that states its size and is damaged")
  func afterDamage() throws {
    let plain = [UInt8]("some value, some value, some value".utf8)
    let packed = try plain.withUnsafeBytes { try Codec.compress($0, .lz4) }
    // Flags: a content size of 80 bytes; its header's checksum, and a block that is none.
    let damaged: [UInt8] = [0x04, 0x22, 0x4d, 0x18, 0x68, 0x40, 80, 0, 0, 0, 0, 0, 0, 0, 0]
    for checksum in UInt8.min...UInt8.max {
      let frame = damaged.dropLast() + [checksum, 4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]
      _ = frame.withUnsafeBytes { try? Codec.decompress($0, .lz4, limit: 1000) }
      let sound = try packed.withUnsafeBytes { try Codec.decompress($0, .lz4, limit: 1000) }
      #expect(sound.bytes.elementsEqual(plain))
    }
  }

  @Test("refuses what is cut off, at every byte", arguments: codecs)
  func truncated(codec: CompressionType) throws {
    let input = Array("Kafka's log, in a directory. ".utf8) + (0..<200).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let packed = try Self.compress(input, codec)
    for count in 0..<packed.count {
      // Snappy's framing has no end mark: cut between blocks it is whole, but empty here.
      if let output = try? Self.decompress(Array(packed[..<count]), codec) {
        #expect(codec == .snappy && count == 16 && output.isEmpty, "cut at \(count) of \(packed.count)")
      }
    }
  }

  @Test("survives every flipped bit", arguments: codecs)
  func bitFlips(codec: CompressionType) throws {
    let packed = try Self.compress(Array("0123456789".utf8) + [UInt8](repeating: 9, count: 500), codec)
    for bit in 0..<(packed.count * 8) {
      var bytes = packed
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      if let output = try? Self.decompress(bytes, codec, limit: 4096) { #expect(output.count <= 4096) }
    }
  }

  @Test("gives each of many threads its own, between damaged input", arguments: codecs)
  func concurrent(codec: CompressionType) async throws {
    let inputs = Self.inputs(seed: 3)
    let packed = try inputs.map { try Self.compress($0, codec) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<16 {
        group.addTask {
          for round in 0..<12 {
            let index = (task + round) % inputs.count
            let damaged = Array(packed[index].dropLast(2))
            #expect(throws: EventLogError.self) { try Self.decompress(damaged, codec) }
            let plain = try Self.decompress(packed[index], codec)
            let again = try Self.compress(inputs[index], codec)
            #expect(plain == inputs[index])
            #expect(again == packed[index])
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test("takes several gzip members and zstd frames as one", arguments: [CompressionType.gzip, .zstd])
  func concatenated(codec: CompressionType) throws {
    let packed = try Self.compress([1, 2], codec) + Self.compress([3], codec)
    #expect(try Self.decompress(packed, codec) == [1, 2, 3])
  }

  @Test("writes snappy in the framing of Kafka's library, and reads a bare block too")
  func snappyFraming() throws {
    let packed = try Self.compress([UInt8](repeating: 1, count: 40_000), .snappy)
    #expect(Array(packed.prefix(16)) == [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
    let size = Int(packed[16]) << 24 | Int(packed[17]) << 16 | Int(packed[18]) << 8 | Int(packed[19])
    #expect(try Self.decompress(Array(packed[20..<(20 + size)]), .snappy) == [UInt8](repeating: 1, count: 32 << 10))
  }

  @Test("compresses with lz4's quick way at Kafka's default level, and thoroughly at all others, as Kafka does")
  func lz4Levels() throws {
    var generator = SeededGenerator(seed: 7)
    let words = ["GET", "POST", "/orders", "/customers", "200", "404", "user-agent", "curl", "mozilla", "10.0.0.1"]
    var text = ""
    while text.utf8.count < 60_000 { text += (words.randomElement(using: &generator) ?? "") + " " }
    let input = Array(text.utf8)
    func compressed(_ level: Int32?) throws -> [UInt8] {
      try input.withUnsafeBytes { bytes throws(EventLogError) in try Codec.compress(bytes, .lz4, level: level) }
    }
    let quick = try compressed(nil)
    #expect(try compressed(9) == quick)
    for level in [1, 2, 3, 8, 10, 12, 17] as [Int32] {
      let thorough = try compressed(level)
      #expect(thorough.count < quick.count, "level \(level)")
      #expect(try Self.decompress(thorough, .lz4) == input, "level \(level)")
    }
  }

  @Test("writes lz4 frames with independent blocks of 64 KiB and no checksum of the content")
  func lz4Framing() throws {
    let packed = try Self.compress([1, 2, 3], .lz4)
    #expect(Array(packed.prefix(6)) == [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40])
  }
}
