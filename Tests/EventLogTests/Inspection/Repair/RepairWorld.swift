import EventLog
import EventLogTesting
import Foundation
import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

/// A batch as it lies in a file.
struct StoredBatch: Hashable {
  var file: String
  var position: Int
  var base: Int64
  var next: Int64
  var isControl: Bool
  var bytes: [UInt8]

  /// The bytes without the leader epoch, which no checksum covers and no reader asks for.
  var comparable: [UInt8] { Array(bytes[..<12] + bytes[16...]) }
}

/// A store whose files are damaged, and what was in them.
struct RepairWorld: StoreFiles {
  static func random(_ seed: UInt64) -> SplitMix { SplitMix(seed: seed &* 0xd134_2543_de82_ef95) }

  let directory: TemporaryDirectory
  var path: String { directory("store") }
  /// One that does not wait for the disk.
  var repair: StoreRepair {
    StoreRepair(path: path, fileSystem: FaultyFileSystem(root: path, tracksDurability: false, syncs: false))
  }

  init() throws { directory = try TemporaryDirectory() }

  static func quiet() -> BrokerConfiguration {
    var configuration = BrokerConfiguration()
    configuration.warningHandler = { _ in }
    return configuration
  }

  /// Two partitions: plain batches in all codecs, idempotent ones, and transactions that are committed or aborted.
  func fill(
    seed: UInt64, steps: Int = 60, isClean: Bool = true, configs: [String: String] = [:]
  ) throws {
    var random = Self.random(seed)
    let broker = try Broker.open(path, Self.quiet())
    let segment = Int.random(in: 1200...4000, using: &random)
    try broker.admin.createTopic(
      "a", partitions: 2,
      configs: ["segment.bytes": "\(segment)", "index.interval.bytes": "200"].merging(configs) { $1 })
    let codecs: [CompressionType] = [.none, .gzip, .snappy, .lz4, .zstd]
    let plain = try codecs.map { codec in
      var configuration = ProducerConfiguration()
      configuration.acks = .leader
      configuration.enableIdempotence = false
      configuration.compression = codec
      return try broker.producer(configuration)
    }
    let transactional = try (0..<2).map { number in
      var configuration = ProducerConfiguration()
      configuration.transactionalID = "t\(number)"
      let producer = try broker.producer(configuration)
      try producer.initTransactions()
      return producer
    }
    var isOpen = [false, false]
    for step in 0..<steps {
      let partition = Int.random(in: 0..<2, using: &random)
      let key = "\(Int.random(in: 0..<9, using: &random))"
      let value = "value \(step) " + String(repeating: "x", count: Int.random(in: 0..<40, using: &random))
      if Bool.random(using: &random) {
        let records = (0..<Int.random(in: 1...5, using: &random)).map { Record(key: key, value: "\(value) \($0)") }
        _ = try plain[Int.random(in: 0..<5, using: &random)].append(records, to: TopicPartition("a", partition))
        continue
      }
      let number = Int.random(in: 0..<2, using: &random)
      if !isOpen[number] { try transactional[number].beginTransaction() }
      isOpen[number] = true
      _ = try transactional[number].append(ProducerRecord(topic: "a", partition: partition, key: key, value: value))
      guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
      isOpen[number] = false
      if Bool.random(using: &random) {
        try transactional[number].commitTransaction()
      } else {
        try transactional[number].abortTransaction()
      }
    }
    for (producer, isOpen) in zip(transactional, isOpen) where isOpen { try producer.abortTransaction() }
    if isClean { try broker.close() } else { broker.abandon() }
  }

  func change(_ file: String, _ body: (inout [UInt8]) -> Void) throws {
    var bytes = try Self.read(file)
    body(&bytes)
    try Self.write(bytes, to: file)
  }

  /// All batches of a partition whose checksums are right, up to the first that is not one.
  func batches(partition: Int) throws -> [StoredBatch] {
    var found: [StoredBatch] = []
    for file in try files(".log") where file.contains("/a-\(partition)/") { found += try Self.batches(in: file) }
    return found
  }

  static func batches(in file: String) throws -> [StoredBatch] {
    let system = LocalFileSystem()
    let descriptor = try system.open(file, .read)
    defer { system.close(descriptor) }
    var scanner = LogScanner(system, descriptor, path: file, limit: try system.size(of: descriptor, path: file))
    var found: [StoredBatch] = []
    while case .batch(let header, let position, true) = try scanner.next() {
      let batch = try scanner.copy(header, at: position)
      let bytes = withExtendedLifetime(batch) { Array(batch.bytes) }
      found.append(
        StoredBatch(
          file: file, position: Int(position), base: header.baseOffset, next: header.nextOffset,
          isControl: header.attributes.isControl, bytes: bytes))
    }
    return found
  }

  /// What a consumer reads of a partition, by offsets.
  static func values(_ broker: Broker, _ partition: Int, _ isolation: Isolation = .readUncommitted) async throws
    -> [Int64: String]
  {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.isolation = isolation
    let consumer = try broker.consumer(configuration)
    try consumer.assign([TopicPartition("a", partition)])
    try consumer.seekToBeginning()
    var found: [Int64: String] = [:]
    while true {
      let records = try await consumer.poll(timeout: .zero)
      if records.isEmpty { break }
      for record in records { found[record.offset] = record.valueString }
    }
    try await consumer.close()
    return found
  }
}
