internal import EventLog
internal import Tracing

/// Spans as OpenTelemetry's conventions for messaging have them. Kafka's own attributes keep their names, since they mean the
/// same here; the system is not Kafka.
enum Messaging {
  enum Operation: String {
    case send, process
  }

  static func attributes(_ operation: Operation, topic: String, clientID: String) -> SpanAttributes {
    var attributes: SpanAttributes = [:]
    attributes["messaging.system"] = "eventlog"
    attributes["messaging.operation.name"] = operation.rawValue
    attributes["messaging.operation.type"] = operation.rawValue
    attributes["messaging.destination.name"] = topic
    attributes["messaging.client.id"] = clientID
    return attributes
  }

  /// - Parameter key: told where it is a text, which the conventions ask for.
  static func describe(key: [UInt8]?, isTombstone: Bool, on span: any Span) {
    if let key = key.flatMap({ String(validating: $0, as: UTF8.self) }) {
      span.attributes["messaging.kafka.message.key"] = key
    }
    if isTombstone { span.attributes["messaging.kafka.message.tombstone"] = true }
  }

  static func fail(_ span: any Span, _ error: any Error) {
    span.attributes["error.type"] = errorType(error)
    span.recordError(error)
    span.setStatus(SpanStatus(code: .error))
  }
}
