internal import EventLog
internal import Tracing

extension ConsumerService {
  /// Runs `body` within a span that links to the one that sent the record.
  func traced(_ record: ConsumerRecord, _ tracer: (any Tracer)?, _ body: () async throws -> Void) async throws {
    guard let tracer else { return try await body() }
    let span = startSpan(tracer, record.topicPartition)
    span.attributes["messaging.kafka.offset"] = record.offset
    Messaging.describe(key: telemetry.includesKeys ? record.key : nil, isTombstone: record.isTombstone, on: span)
    if let context = HeaderCarrier.context(in: record.headers, by: tracer) {
      span.addLink(SpanLink(context: context, attributes: [:]))
    }
    try await run(body, in: span)
  }

  /// Runs `body` within a span that links to those that sent the batch's records.
  func traced(_ batch: ConsumerBatch, _ tracer: (any Tracer)?, _ body: () async throws -> Void) async throws {
    guard let tracer else { return try await body() }
    let span = startSpan(tracer, batch.topicPartition)
    span.attributes["messaging.kafka.offset"] = batch.offsets.lowerBound
    span.attributes["messaging.batch.message_count"] = batch.count
    // As many links as OpenTelemetry's spans hold by default; records that were sent together share theirs.
    var links = 128
    var last: [RecordHeader] = []
    batch.forEachRecord { record in
      guard links > 0 else { return }
      let headers = record.headers
      guard headers != last, let context = HeaderCarrier.context(in: headers, by: tracer) else { return }
      last = headers
      links -= 1
      span.addLink(SpanLink(context: context, attributes: [:]))
    }
    try await run(body, in: span)
  }

  private func startSpan(_ tracer: any Tracer, _ topicPartition: TopicPartition) -> any Span {
    let span = tracer.startAnySpan(
      "process \(topicPartition.topic)", context: ServiceContext.current ?? .topLevel, ofKind: .consumer)
    span.attributes = Messaging.attributes(.process, topic: topicPartition.topic, clientID: clientID)
    span.attributes["messaging.destination.partition.id"] = "\(topicPartition.partition)"
    if let group = consumer.group { span.attributes["messaging.consumer.group.name"] = group }
    return span
  }

  private func run(_ body: () async throws -> Void, in span: any Span) async throws {
    defer { span.end() }
    do {
      try await ServiceContext.$current.withValue(span.context) { try await body() }
    } catch {
      Messaging.fail(span, error)
      throw error
    }
  }
}
