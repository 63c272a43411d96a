internal import EventLog
internal import Tracing

/// Carries a span's context in a record's headers, under the names that the tracer gives: `traceparent` and `tracestate` for
/// one that speaks W3C Trace Context.
struct HeaderCarrier: Injector, Extractor {
  /// A header of that name that a record brought from elsewhere is replaced.
  func inject(_ value: String, forKey key: String, into headers: inout [RecordHeader]) {
    headers.removeAll { $0.key == key }
    headers.append(RecordHeader(key, value))
  }

  func extract(key: String, from headers: [RecordHeader]) -> String? {
    headers.last { $0.key == key }?.value.map { String(decoding: $0, as: UTF8.self) }
  }

  static func inject(_ context: ServiceContext, into headers: inout [RecordHeader], by tracer: any Tracer) {
    tracer.inject(context, into: &headers, using: HeaderCarrier())
  }

  /// The context that came with a record; nil where none did.
  static func context(in headers: [RecordHeader], by tracer: any Tracer) -> ServiceContext? {
    guard !headers.isEmpty else { return nil }
    var context = ServiceContext.topLevel
    tracer.extract(headers, into: &context, using: HeaderCarrier())
    return context.isEmpty ? nil : context
  }
}
