public import EventLog
internal import Tracing

extension ProducerService {
  /// Sends a record, and waits until it counts as written (`acks`). With a tracer, a span of kind producer covers the call,
  /// and its context travels in the record's headers, in place of what was there.
  ///
  /// - Throws: as `Producer.send(_:)`.
  @discardableResult
  public func send(_ record: ProducerRecord) async throws -> RecordMetadata {
    guard let tracer = telemetry.activeTracer else { return try await counted(record) }
    let span = startSpan(tracer, record.topic)
    defer { span.end() }
    do {
      let metadata = try await counted(traced(record, tracer, span))
      finish(span, metadata)
      return metadata
    } catch {
      fail(span, error)
      throw error
    }
  }

  /// Sends a record of texts. See `send(_:)`.
  @discardableResult
  public func send(
    _ topic: String, partition: Int? = nil, key: String? = nil, value: String, headers: [RecordHeader] = [],
    timestamp: Int64? = nil
  ) async throws -> RecordMetadata {
    try await send(
      ProducerRecord(
        topic: topic, partition: partition, key: key, value: value, headers: headers, timestamp: timestamp))
  }

  /// Sends records to a topic, in as few batches as their partitions allow, as `Producer.send(_:to:partition:)`: one span and
  /// one step of each counter for all of them.
  @discardableResult
  public func send(_ records: [Record], to topic: String, partition: Int? = nil) async throws -> [RecordMetadata] {
    guard let tracer = telemetry.activeTracer else { return try await counted(records, topic, partition) }
    let span = startSpan(tracer, topic)
    defer { span.end() }
    span.attributes["messaging.batch.message_count"] = records.count
    var traced = records
    for index in traced.indices { HeaderCarrier.inject(span.context, into: &traced[index].headers, by: tracer) }
    do {
      return try await counted(traced, topic, partition)
    } catch {
      fail(span, error)
      throw error
    }
  }

  /// Sends a record and goes on; `onDelivery` is told the outcome, and the span ends with it.
  ///
  /// - Throws: as `Producer.send(_:onDelivery:)`.
  public func send(_ record: ProducerRecord, onDelivery: @escaping Producer.DeliveryCallback) throws {
    let tracer = telemetry.activeTracer
    let span = tracer.map { startSpan($0, record.topic) }
    let stopwatch = Stopwatch(telemetry.clock)
    let topic = metrics.topic(record.topic)
    var record = record
    if let tracer, let span { record = traced(record, tracer, span) }
    do {
      try producer.send(record) { result in
        switch result {
        case .success(let metadata):
          topic.sent(records: 1, bytes: metadata.serializedSize, after: stopwatch)
          if let span { self.finish(span, metadata) }
        case .failure(let error):
          topic.failed(records: 1)
          if let span { self.fail(span, error) }
        }
        span?.end()
        onDelivery(result)
      }
    } catch {
      topic.failed(records: 1)
      if let span { fail(span, error) }
      span?.end()
      throw error
    }
  }

  // MARK: Counting

  private func counted(_ record: ProducerRecord) async throws -> RecordMetadata {
    let topic = metrics.topic(record.topic)
    let stopwatch = Stopwatch(telemetry.clock)
    do {
      let metadata = try await producer.send(record)
      topic.sent(records: 1, bytes: metadata.serializedSize, after: stopwatch)
      return metadata
    } catch {
      topic.failed(records: 1)
      throw error
    }
  }

  private func counted(_ records: [Record], _ name: String, _ partition: Int?) async throws -> [RecordMetadata] {
    let topic = metrics.topic(name)
    let stopwatch = Stopwatch(telemetry.clock)
    do {
      let metadata = try await producer.send(records, to: name, partition: partition)
      topic.sent(
        records: records.count, bytes: metadata.reduce(0) { $0 + $1.serializedSize }, after: stopwatch)
      return metadata
    } catch {
      topic.failed(records: records.count)
      throw error
    }
  }

  // MARK: Tracing

  private func startSpan(_ tracer: any Tracer, _ topic: String) -> any Span {
    let span = tracer.startAnySpan(
      "send \(topic)", context: ServiceContext.current ?? .topLevel, ofKind: .producer)
    span.attributes = Messaging.attributes(.send, topic: topic, clientID: clientID)
    return span
  }

  private func traced(_ record: ProducerRecord, _ tracer: any Tracer, _ span: any Span) -> ProducerRecord {
    var record = record
    HeaderCarrier.inject(span.context, into: &record.record.headers, by: tracer)
    Messaging.describe(
      key: telemetry.includesKeys ? record.record.key : nil, isTombstone: record.record.value == nil, on: span)
    return record
  }

  private func finish(_ span: any Span, _ metadata: RecordMetadata) {
    span.attributes["messaging.destination.partition.id"] = "\(metadata.topicPartition.partition)"
    if metadata.offset >= 0 { span.attributes["messaging.kafka.offset"] = metadata.offset }
  }

  private func fail(_ span: any Span, _ error: any Error) { Messaging.fail(span, error) }
}

extension RecordMetadata {
  var serializedSize: Int { max(0, serializedKeySize) + max(0, serializedValueSize) }
}
