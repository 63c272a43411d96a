import EventLog
import Foundation
import RecordFormat
import SegmentStore
import Testing

@Suite("Of a log that Kafka wrote")
struct KafkaProducerFilesTests {
  private static let samples = Bundle.module.bundleURL.appendingPathComponent("kafka-segments")

  private static func bytes(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test(
    "the transaction indexes and producer snapshots that are made from its batches are Kafka's, byte for byte",
    arguments: ["transactions-0", "transactions-1", "idempotent-0", "idempotent-1", "codec-none-0"])
  func sameFiles(name: String) throws {
    let directory = try TemporaryDirectory()
    let source = Self.samples.appendingPathComponent(name).path
    let broker = try Broker.open(directory("store"))
    try broker.admin.importPartition(from: source)
    try broker.close()
    let theirs = try FileManager.default.contentsOfDirectory(atPath: source)
    var compared = 0
    for file in theirs where file.hasSuffix(".snapshot") || file.hasSuffix(".txnindex") {
      let ours = try Self.bytes(directory("store/\(name)/\(file)"))
      #expect(ours == (try Self.bytes(source + "/" + file)), "\(file)")
      compared += 1
    }
    #expect(compared > 0)
    let made = try directory.files("store/\(name)").filter { $0.hasSuffix(".txnindex") }.sorted()
    #expect(made == theirs.filter { $0.hasSuffix(".txnindex") }.sorted(), "no index where nothing was aborted")
  }

  @Test("the markers are the bytes that we write")
  func sameMarkers() throws {
    let source = Self.samples.appendingPathComponent("transactions-0")
    let fileSystem = LocalFileSystem()
    var kinds: [ControlRecord.Kind: Int] = [:]
    for name in try fileSystem.list(source.path).sorted() where name.hasSuffix(".log") {
      let path = source.path + "/" + name
      let file = try fileSystem.open(path, .read)
      defer { fileSystem.close(file) }
      var scanner = LogScanner(fileSystem, file, path: path, limit: try fileSystem.size(of: file, path: path))
      while case .batch(let header, let position, _) = try scanner.next() {
        guard header.attributes.isControl else { continue }
        let batch = try scanner.copy(header, at: position)
        let marker = try ControlRecord(decoding: batch)
        kinds[marker.kind, default: 0] += 1
        #expect(try Self.written(marker, header) == Array(batch.bytes))
      }
    }
    #expect(kinds[.commit] ?? 0 > 5)
    #expect(kinds[.abort] ?? 0 > 5)
  }

  /// The bytes of a marker that a log of ours begins with, at the place and time of Kafka's.
  private static func written(_ marker: ControlRecord, _ header: RecordBatchHeader) throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    let context = StoreContext(time: .manual(ManualTime(wallMilliseconds: header.baseTimestamp)))
    defer { context.shutDown() }
    let log = try PartitionLog(
      TopicPartition("t", 0), directory: directory("t-0"), topicID: "KJpvEw0zRGiHMBFLkACnpQ", configuration: .init(),
      checkpoint: PartitionCheckpoint(logStartOffset: header.baseOffset), wasClean: true, context: context)
    let result = try log.appendMarker(
      marker, producerID: header.producerID, producerEpoch: header.producerEpoch)
    #expect(result.baseOffset == header.baseOffset)
    let path = try #require(log.segments.last).files.log
    _ = try log.close()
    return try bytes(path)
  }
}
