public import RecordFormat

/// A consumer whose keys and values are of types of yours: Kafka's `Consumer<K, V>`.
///
/// ```swift
/// let consumer = try broker.consumer(group: "billing", topics: ["orders"], key: .string, value: .json(Order.self))
/// for try await record in consumer.records { charge(record.value) }
/// ```
///
/// A record that can't be deserialized is an error with the code `deserialization` that names its topic, partition and
/// offset. The position stays at it, so that nothing is passed over unseen: go on with
/// `consumer.consumer.seek(partition, to: offset + 1)`.
public struct TypedConsumer<Key: Sendable, Value: Sendable>: Sendable {
  /// The consumer underneath, which reads bytes: to subscribe, seek, pause, commit chosen offsets, and all else.
  public let consumer: Consumer
  private let key: any Deserializer<Key>
  private let value: any Deserializer<Value>

  /// A consumer that reads through another one.
  public init(_ consumer: Consumer, key: some Deserializer<Key>, value: some Deserializer<Value>) {
    self.consumer = consumer
    self.key = key
    self.value = value
  }

  /// Returns records as soon as there are some, or none when `timeout` is over. What precedes a record that can't be
  /// deserialized is returned first.
  ///
  /// - Throws: `deserialization`; else as `Consumer.poll(timeout:)`.
  public func poll(timeout: Duration = .seconds(1)) async throws -> [TypedConsumerRecord<Key, Value>] {
    try await consumer.poll(timeout: timeout, decoding: decode)
  }

  /// As `Consumer.commit()`.
  public func commit() async throws { try await consumer.commit() }

  /// As `Consumer.close(timeout:)`.
  public func close(timeout: Duration = .seconds(30)) async throws { try await consumer.close(timeout: timeout) }

  /// The records as they come, without an end. See `Consumer.records`.
  public var records: Records { Records(consumer: self) }

  /// The records as they come, and between them the errors that do not end the consumer. See `Consumer.results`.
  public var results: Results { Results(consumer: self) }

  public struct Records: AsyncSequence, Sendable {
    let consumer: TypedConsumer

    public struct AsyncIterator: AsyncIteratorProtocol {
      let consumer: TypedConsumer
      let loop: ConsumerLoop

      public mutating func next() async throws -> TypedConsumerRecord<Key, Value>? {
        try await consumer.next(of: loop)
      }
    }

    public func makeAsyncIterator() -> AsyncIterator {
      AsyncIterator(consumer: consumer, loop: consumer.consumer.beginLoop())
    }
  }

  public struct Results: AsyncSequence, Sendable {
    let consumer: TypedConsumer

    public struct AsyncIterator: AsyncIteratorProtocol {
      let consumer: TypedConsumer
      let loop: ConsumerLoop

      public mutating func next() async throws -> Result<TypedConsumerRecord<Key, Value>, EventLogError>? {
        do {
          return .success(try await consumer.next(of: loop))
        } catch let error as EventLogError where error.isPassing {
          return .failure(error)
        }
      }
    }

    public func makeAsyncIterator() -> AsyncIterator {
      AsyncIterator(consumer: consumer, loop: consumer.consumer.beginLoop())
    }
  }

  private func next(of loop: ConsumerLoop) async throws -> TypedConsumerRecord<Key, Value> {
    let record = try await loop.nextRecord()
    do {
      return try decode(record)
    } catch {
      loop.putBack(record)
      throw error
    }
  }

  private func decode(_ record: ConsumerRecord) throws -> TypedConsumerRecord<Key, Value> {
    TypedConsumerRecord(
      record: record, key: try deserialize(record.key, by: key, "key", record),
      value: try deserialize(record.value, by: value, "value", record))
  }

  private func deserialize<T>(
    _ bytes: [UInt8]?, by deserializer: any Deserializer<T>, _ what: String, _ record: ConsumerRecord
  ) throws(EventLogError) -> T? {
    guard let bytes else { return nil }
    do {
      return try deserializer.deserialize(bytes, of: record)
    } catch {
      throw EventLogError(
        .deserialization,
        "the \(what) could not be turned into \(T.self) (\(reason(error))); seek past the record to go on",
        topic: record.topic, partition: record.partition, offset: record.offset)
    }
  }
}

/// A record whose key and value are of types of yours.
public struct TypedConsumerRecord<Key: Sendable, Value: Sendable>: Sendable {
  /// The record as it was read: headers, timestamps, sizes, bytes.
  public let record: ConsumerRecord
  /// nil where the record has none.
  public let key: Key?
  /// nil for a tombstone.
  public let value: Value?

  public var topicPartition: TopicPartition { record.topicPartition }
  public var topic: String { record.topic }
  public var partition: Int { record.partition }
  /// The record's place in its partition.
  public var offset: Int64 { record.offset }
  /// Milliseconds since 1970; -1 where the record has none.
  public var timestamp: Int64 { record.timestamp }
  /// The headers, in order.
  public var headers: [RecordHeader] { record.headers }
}

extension Broker {
  /// A consumer whose keys and values are of types of yours, and that has neither subscribed nor assigned yet.
  ///
  /// - Throws: `invalidConfig`.
  public func consumer<Key, Value>(
    _ configuration: ConsumerConfiguration = .init(), key: some Deserializer<Key>, value: some Deserializer<Value>
  ) throws -> TypedConsumer<Key, Value> {
    TypedConsumer(try consumer(configuration), key: key, value: value)
  }

  /// A consumer whose keys and values are of types of yours, a member of `group` and subscribed to `topics`. It begins as
  /// `consumer(group:topics:)` does.
  public func consumer<Key, Value>(
    group: String, topics: [String], key: some Deserializer<Key>, value: some Deserializer<Value>
  ) throws -> TypedConsumer<Key, Value> {
    TypedConsumer(try consumer(group: group, topics: topics), key: key, value: value)
  }
}

extension Consumer {
  /// A poll whose records are turned into something else. Where one can't be, the position stays at it.
  func poll<T>(timeout: Duration, decoding decode: (ConsumerRecord) throws -> T) async throws -> [T] {
    try refuseInCallback("poll()")
    return try await exclusively {
      let records = try await pollOnce(timeout: timeout)
      var decoded: [T] = []
      var good: [ConsumerBatch] = []
      for (index, batch) in records.batches.enumerated() {
        var failed: (offset: Int64, error: any Error)?
        for record in batch {
          do {
            decoded.append(try decode(record))
          } catch {
            failed = (record.offset, error)
            break
          }
        }
        guard let (offset, error) = failed else {
          good.append(batch)
          continue
        }
        good += batch.runs { $0.offset < offset }
        rewind(to: offset, of: batch.topicPartition, andBefore: records.batches[(index + 1)...])
        guard !decoded.isEmpty else { throw error }
        break
      }
      guard let interceptors else { return decoded }
      return try interceptors.onConsume(ConsumerRecords(good)).map(decode)
    }
  }

  /// Takes back what a poll read: a partition from an offset on, and batches that came behind it. That partition is the first
  /// to be looked at again.
  func rewind(to offset: Int64, of topicPartition: TopicPartition, andBefore batches: ArraySlice<ConsumerBatch> = []) {
    var first = [topicPartition: offset]
    for batch in batches where first[batch.topicPartition] == nil {
      first[batch.topicPartition] = batch.offsets.lowerBound
    }
    state.withLock { state in
      for (partition, offset) in first { state.positions.update(partition) { $0.seek(to: offset) } }
      state.positions.moveToFront([topicPartition] + first.keys.filter { $0 != topicPartition }.sorted())
    }
  }
}
