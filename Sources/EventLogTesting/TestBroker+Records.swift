public import EventLog
public import RecordFormat
internal import SegmentStore

extension TestBroker {
  // MARK: Producing

  /// Sends records, as one batch for each partition, and waits until they count as written. Makes the topic if it is missing,
  /// with `num.partitions` partitions.
  ///
  /// - Throws: as `Producer.send`.
  @discardableResult
  public func produce(
    _ topic: String, _ records: [Record], partition: Int? = nil
  ) async throws -> [RecordMetadata] {
    if try !admin.listTopics().contains(topic) { try admin.createTopic(topic) }
    return try await sharedProducer().send(records, to: topic, partition: partition)
  }

  /// Sends keys with their values. See `produce(_:_:partition:)`.
  @discardableResult
  public func produce(
    _ topic: String, _ records: KeyValuePairs<String, String>, partition: Int? = nil
  ) async throws -> [RecordMetadata] {
    try await produce(topic, records.map { Record(key: $0.key, value: $0.value) }, partition: partition)
  }

  /// Sends values without keys. See `produce(_:_:partition:)`.
  @discardableResult
  public func produce(
    _ topic: String, values: [String], partition: Int? = nil
  ) async throws -> [RecordMetadata] {
    try await produce(topic, values.map { Record(value: $0) }, partition: partition)
  }

  // MARK: Consuming

  /// All records of a topic, by partition and offset, without a group's noticing.
  ///
  /// - Parameter isolation: whether records of open and aborted transactions are among them.
  /// - Throws: `unknownTopicOrPartition`; `corruptMessage` where a batch is damaged.
  public func drain(_ topic: String, isolation: Isolation = .readUncommitted) async throws -> [ConsumerRecord] {
    var configuration = ConsumerConfiguration()
    configuration.autoOffsetReset = .earliest
    configuration.isolation = isolation
    let consumer = try consumer(configuration)
    let partitions = try admin.describeTopic(topic).partitions.map { TopicPartition(topic, $0.partition) }
    try consumer.assign(partitions)
    try consumer.seekToBeginning(partitions)
    let records = try await readAll(consumer)
    try await consumer.close()
    return records.sorted { ($0.partition, $0.offset) < ($1.partition, $1.offset) }
  }

  /// What a group has not read yet of some topics: joins it, reads up to the end, commits, and leaves. In the order in which
  /// the records came.
  ///
  /// - Throws: `rebalanceInProgress` where the group has other members, and they keep it from becoming stable because they
  ///   don't poll; else as `Consumer.poll` and `Consumer.commit`.
  public func drain(_ topics: String..., group: String) async throws -> [ConsumerRecord] {
    let consumer = try consumer(group: group, topics: topics)
    var records: [ConsumerRecord] = []
    // Joining alone takes one poll; with a cooperative assignor, or where others have to let go, some more.
    var patience = 20
    while consumer.assignment.isEmpty {
      records += try await consumer.poll(timeout: .zero)
      patience -= 1
      guard patience > 0 || !consumer.assignment.isEmpty else {
        try await consumer.close()
        throw EventLogError(
          .rebalanceInProgress,
          "the members of group \(group) leave nothing for one more: close them, or have them poll meanwhile")
      }
    }
    records += try await readAll(consumer)
    try await consumer.commit()
    try await consumer.close()
    return records
  }

  private func readAll(_ consumer: Consumer) async throws -> [ConsumerRecord] {
    var records: [ConsumerRecord] = []
    while true {
      let polled = try await consumer.poll(timeout: .zero)
      records += polled
      guard polled.isEmpty else { continue }
      // A poll may return nothing because it went over records that are not shown.
      guard try consumer.assignment.contains(where: { try consumer.lag(of: $0) > 0 }) else { return records }
    }
  }

  // MARK: Damage

  /// Flips a bit of the batch that holds the record at `offset`, on the disk and in the mapping: whoever reads it gets
  /// `corruptMessage`. All records of that batch go with it; send them one by one where only one is to be hit.
  ///
  /// - Parameter byte: which byte of the batch, from 0; the last one where it is nil. From 21 on the checksum covers it.
  /// - Throws: `offsetOutOfRange` where no batch holds the offset; `illegalArgument` for a byte outside of the batch.
  public func corrupt(_ topic: String, partition: Int = 0, offset: Int64, byte: Int? = nil) throws {
    let batch = try broker.locate(TopicPartition(topic, partition), offset: offset)
    let byte = byte ?? batch.sizeInBytes - 1
    guard byte >= 0, byte < batch.sizeInBytes else {
      throw EventLogError(.illegalArgument, "the batch has \(batch.sizeInBytes) bytes, counted from 0")
    }
    faults.noteDamage()
    let fileSystem = LocalFileSystem()
    let file = try fileSystem.open(batch.file, .readWrite)
    defer { fileSystem.close(file) }
    let position = batch.position + Int64(byte)
    let old = try fileSystem.read(file, at: position, count: 1, path: batch.file)
    try fileSystem.write(file, old.map { $0 ^ 1 }, at: position, path: batch.file)
  }
}
