import EventLog
import EventLogTesting
import RecordFormat
import Testing

@Suite("A producer's configuration")
struct ProducerConfigurationTests {
  @Test(
    "takes a codec's levels and no others, also of a codec that it does not use",
    arguments: [
      ("gzip", [-1, 1, 9], [-2, 0, 10]),
      ("lz4", [1, 9, 17], [0, 18, -1]),
      ("zstd", [-131_072, 0, 3, 22], [-131_073, 23]),
    ])
  func levels(codec: String, allowed: [Int], refused: [Int]) async throws {
    let name = "compression.\(codec).level"
    let type = try #require(CompressionType(name: codec))
    for level in allowed {
      let configuration = try ProducerConfiguration(properties: ["compression.type": codec, name: String(level)])
      #expect(configuration.compressionLevel == Int32(level))
      #expect(try ProducerConfiguration(properties: [name: String(level)]).compressionLevel == nil)
    }
    for level in refused {
      for properties in [["compression.type": codec, name: String(level)], [name: String(level)]] {
        let error = #expect(throws: EventLogError.self) { try ProducerConfiguration(properties: properties) }
        #expect(error?.code == .invalidConfig)
        #expect(error?.message.contains(name) == true)
      }
      var configuration = ProducerConfiguration()
      configuration.compression = type
      configuration.compressionLevel = Int32(level)
      try await withTestBroker { broker in
        let error = #expect(throws: EventLogError.self) { try broker.producer(configuration) }
        #expect(error?.code == .invalidConfig)
        #expect(error?.message.contains(name) == true)
      }
    }
  }
}
