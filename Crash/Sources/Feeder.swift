import EventLog

/// A producer with a name, which after each death goes on where the log says that it came: record n of a partition is the
/// same in every life, and has the offset n.
actor Feeder {
  nonisolated let producer: Producer
  private let topic: String
  private var next: [Int]

  init(
    _ broker: Broker, to topic: String, compression: CompressionType = .none, linger: Duration = .zero
  ) throws {
    var configuration = ProducerConfiguration()
    configuration.name = "feeder of " + topic
    configuration.compression = compression
    configuration.linger = linger
    let producer = try broker.producer(configuration)
    self.producer = producer
    self.topic = topic
    next = try broker.partitions(of: topic).map { Int(try producer.nextSequence(of: $0)) }
  }

  /// How many records a partition has.
  func count(of partition: Int) -> Int { next[partition] }

  /// Writes the next records of a partition, as one batch.
  ///
  /// - Returns: the numbers of the records.
  /// - Throws: `Violation` where they are not where they belong.
  @discardableResult
  func feed(_ count: Int, to partition: Int, _ record: (Int) -> Record) async throws -> Range<Int> {
    let range = next[partition]..<(next[partition] + count)
    next[partition] = range.upperBound
    let metadata = try await producer.send(range.map(record), to: topic, partition: partition)
    try hold(
      metadata.map { Int($0.offset) } == Array(range), "records \(range) of \(topic)-\(partition)",
      expected: "at these offsets", found: "\(metadata.map(\.offset))")
    return range
  }

  /// Writes the next records of all partitions, side by side, again and again.
  func feedForever(_ count: Int, every pause: Duration, _ record: @escaping @Sendable (Int, Int) -> Record) async throws
  {
    while true {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for partition in next.indices {
          group.addTask { try await self.feed(count, to: partition) { record(partition, $0) } }
        }
        try await group.waitForAll()
      }
      try await Task.sleep(for: pause)
    }
  }
}
