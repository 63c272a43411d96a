import EventLog
import Foundation
import Testing

@Suite("A dump of a producer snapshot")
struct LogFileDumpTests {
  private static let samples = Bundle.module.bundleURL.appendingPathComponent("kafka-segments")

  private func files(_ suffix: String, in directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(suffix) }.sorted()
      .map { directory + "/" + $0 }
  }

  private func producers(_ path: String) throws -> [LogFileDump.ProducerState] {
    var found: [LogFileDump.ProducerState] = []
    try LogFileDump(path: path).forEachEntry { entry in
      if case .producer(let producer) = entry { found.append(producer) }
    }
    return found
  }

  /// The last batch of data of each producer and epoch before an offset, as the log has it.
  private func lastBatches(_ directory: String, before offset: Int64) throws -> [Int64: LogFileDump.Batch] {
    var last: [Int64: LogFileDump.Batch] = [:]
    for path in try files(".log", in: directory) {
      try LogFileDump(path: path).forEachEntry { entry in
        guard case .batch(let batch) = entry, batch.lastOffset < offset, batch.producerID >= 0 else { return }
        if !batch.isControl { last[batch.producerID] = batch }
      }
    }
    return last
  }

  @Test("says of Kafka's what the log before it says", arguments: ["transactions-0", "transactions-1", "idempotent-0"])
  func kafka(sample: String) throws {
    let directory = Self.samples.appendingPathComponent(sample).path
    var seen = 0
    for path in try files(".snapshot", in: directory) {
      let name = try #require(path.split(separator: "/").last?.prefix(20))
      let offset = try #require(Int64(name))
      let log = try lastBatches(directory, before: offset)
      for producer in try producers(path) {
        guard let batch = producer.lastBatch, let written = log[producer.producerID],
          written.producerEpoch == Int(producer.producerEpoch)
        else { continue }
        #expect(batch.lastOffset == written.lastOffset)
        #expect(Int64(batch.lastSequence) == Int64(written.lastSequence))
        #expect(Int64(batch.firstSequence) == Int64(written.baseSequence))
        #expect(Int64(batch.offsetDelta) == written.lastOffset - written.baseOffset)
        if let first = producer.currentTransactionFirstOffset { #expect(first <= batch.lastOffset) }
        seen += 1
      }
    }
    #expect(seen > 0)
  }

  @Test("that is damaged is refused, with its file")
  func damaged() throws {
    let directory = try TemporaryDirectory()
    let sample = Self.samples.appendingPathComponent("transactions-0")
    let path = try #require(try files(".snapshot", in: sample.path).last)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    let copy = directory("00000000000000000001.snapshot")
    for place in bytes.indices {
      var changed = bytes
      changed[place] ^= 0x10
      try Data(changed).write(to: URL(fileURLWithPath: copy))
      #expect { try producers(copy) } throws: { ($0 as? EventLogError)?.file == copy }
    }
  }
}
