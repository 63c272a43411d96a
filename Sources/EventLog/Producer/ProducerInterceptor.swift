internal import RecordFormat

/// Sees what a producer sends and what becomes of it (Kafka's `ProducerInterceptor`): to count, to trace, to add headers.
///
/// Interceptors form a chain, in the order of ``ProducerConfiguration/interceptors``: each gets the record that the one
/// before it returned. What one throws is warned of, and the chain goes on as if it were not there. They run on the task or
/// thread that sends (`onSend`) or that acknowledges (`onAcknowledgement`), and so are to be short.
///
/// The calls that append many records to one topic or partition send each through the chain; there, what an interceptor
/// changes in topic or partition does not count.
public protocol ProducerInterceptor: Sendable {
  /// Called with a record before its partition is chosen, and returns what is to be sent instead.
  func onSend(_ record: ProducerRecord) throws -> ProducerRecord
  /// Called when the record counts as written, or has failed, just before the caller is told.
  ///
  /// - Parameters:
  ///   - metadata: where the record ended up. With an error, only the topic is valid, and the partition, if it is not -1.
  ///   - error: why it was not written; nil for a success.
  func onAcknowledgement(_ metadata: RecordMetadata, _ error: (any Error)?) throws
  /// Called once, when the producer is closed or gone.
  func close()
}

extension ProducerInterceptor {
  public func onSend(_ record: ProducerRecord) throws -> ProducerRecord { record }
  public func onAcknowledgement(_ metadata: RecordMetadata, _ error: (any Error)?) throws {}
  public func close() {}
}

/// A producer's chain of interceptors.
final class ProducerInterceptors: Sendable {
  private let chain: [any ProducerInterceptor]
  private let warn: @Sendable (EventLogError) -> Void
  private let ending = Once()

  /// nil for a producer without any, which then does not pay for them.
  init?(_ chain: [any ProducerInterceptor], _ warn: @escaping @Sendable (EventLogError) -> Void) {
    guard !chain.isEmpty else { return nil }
    self.chain = chain
    self.warn = warn
  }

  deinit { close() }

  func close() {
    guard ending.isFirst() else { return }
    for interceptor in chain { interceptor.close() }
  }

  // MARK: One record

  func onSend(_ record: ProducerRecord) -> ProducerRecord {
    var record = record
    for interceptor in chain {
      do { record = try interceptor.onSend(record) } catch { warn(.interceptor(interceptor, "onSend", error)) }
    }
    return record
  }

  func onAcknowledgement(_ record: ProducerRecord, _ result: Result<RecordMetadata, any Error>) {
    switch result {
    case .success(let metadata): acknowledge(metadata, nil)
    case .failure(let error):
      let partition = record.partition ?? (error as? EventLogError)?.partition ?? -1
      acknowledge(
        RecordMetadata(
          topicPartition: TopicPartition(record.topic, partition), offset: -1, timestamp: -1, serializedKeySize: -1,
          serializedValueSize: -1), error)
    }
  }

  private func acknowledge(_ metadata: RecordMetadata, _ error: (any Error)?) {
    for interceptor in chain {
      do {
        try interceptor.onAcknowledgement(metadata, error)
      } catch {
        warn(.interceptor(interceptor, "onAcknowledgement", error))
      }
    }
  }

  func around(
    _ record: ProducerRecord, _ send: (ProducerRecord) throws -> RecordMetadata
  ) throws -> RecordMetadata {
    let record = onSend(record)
    do {
      let metadata = try send(record)
      onAcknowledgement(record, .success(metadata))
      return metadata
    } catch {
      onAcknowledgement(record, .failure(error))
      throw error
    }
  }

  func around(
    _ record: ProducerRecord, _ send: (ProducerRecord) async throws -> RecordMetadata
  ) async throws -> RecordMetadata {
    let record = onSend(record)
    do {
      let metadata = try await send(record)
      onAcknowledgement(record, .success(metadata))
      return metadata
    } catch {
      onAcknowledgement(record, .failure(error))
      throw error
    }
  }

  // MARK: Many records

  /// The records as they are to be sent.
  func onSend(_ records: [Record], to topic: String, partition: Int?) -> [Record] {
    records.map { onSend(ProducerRecord(topic: topic, partition: partition, record: $0)).record }
  }

  func onAcknowledgement(
    _ records: [Record], to topic: String, partition: Int?, _ result: Result<[RecordMetadata], any Error>
  ) {
    switch result {
    case .success(let all): for metadata in all { acknowledge(metadata, nil) }
    case .failure(let error):
      for record in records {
        onAcknowledgement(ProducerRecord(topic: topic, partition: partition, record: record), .failure(error))
      }
    }
  }

  func around(
    _ records: [Record], to topic: String, partition: Int?, _ send: ([Record]) throws -> [RecordMetadata]
  ) throws -> [RecordMetadata] {
    let records = onSend(records, to: topic, partition: partition)
    do {
      let all = try send(records)
      onAcknowledgement(records, to: topic, partition: partition, .success(all))
      return all
    } catch {
      onAcknowledgement(records, to: topic, partition: partition, .failure(error))
      throw error
    }
  }

  func around(
    _ records: [Record], to topic: String, partition: Int?, _ send: ([Record]) async throws -> [RecordMetadata]
  ) async throws -> [RecordMetadata] {
    let records = onSend(records, to: topic, partition: partition)
    do {
      let all = try await send(records)
      onAcknowledgement(records, to: topic, partition: partition, .success(all))
      return all
    } catch {
      onAcknowledgement(records, to: topic, partition: partition, .failure(error))
      throw error
    }
  }

  /// For the calls that append one batch to one partition.
  func around(
    _ records: [Record], to topicPartition: TopicPartition, _ send: ([Record]) throws -> BatchMetadata
  ) throws -> BatchMetadata {
    let (topic, partition) = (topicPartition.topic, topicPartition.partition)
    let records = onSend(records, to: topic, partition: partition)
    do {
      let batch = try send(records)
      let all = records.enumerated().map { index, record in
        RecordMetadata(
          topicPartition: topicPartition, offset: batch.baseOffset < 0 ? -1 : batch.baseOffset + Int64(index),
          timestamp: batch.logAppendTime ?? record.timestamp ?? -1, serializedKeySize: record.key?.count ?? -1,
          serializedValueSize: record.value?.count ?? -1)
      }
      onAcknowledgement(records, to: topic, partition: partition, .success(all))
      return batch
    } catch {
      onAcknowledgement(records, to: topic, partition: partition, .failure(error))
      throw error
    }
  }
}
