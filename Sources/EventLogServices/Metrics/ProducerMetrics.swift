internal import EventLog
internal import Metrics
internal import Synchronization

/// What a producer counts, under Kafka's names behind `eventlog.producer.`, by `client-id` and `topic`.
final class ProducerMetrics: Sendable {
  /// The counters of one topic.
  struct OfTopic: Sendable {
    let recordSendTotal: Counter
    let byteTotal: Counter
    let recordErrorTotal: Counter
    let requestLatency: Timer

    func sent(records: Int, bytes: Int, after stopwatch: Stopwatch) {
      recordSendTotal.increment(by: records)
      byteTotal.increment(by: bytes)
      requestLatency.recordNanoseconds(stopwatch.elapsed.nanoseconds)
    }

    func failed(records: Int) { recordErrorTotal.increment(by: records) }
  }

  let flushTime: Counter
  private let factory: any MetricsFactory
  private let clientID: String
  private let topics = Mutex<[String: OfTopic]>([:])

  init(_ factory: any MetricsFactory, clientID: String) {
    self.factory = factory
    self.clientID = clientID
    flushTime = Counter(
      label: "eventlog.producer.flush-time-ns-total", dimensions: [("client-id", clientID)], factory: factory)
  }

  func topic(_ name: String) -> OfTopic {
    topics.withLock { topics in
      if let known = topics[name] { return known }
      let dimensions = [("client-id", clientID), ("topic", name)]
      func counter(_ label: String) -> Counter {
        Counter(label: "eventlog.producer." + label, dimensions: dimensions, factory: factory)
      }
      let made = OfTopic(
        recordSendTotal: counter("record-send-total"), byteTotal: counter("byte-total"),
        recordErrorTotal: counter("record-error-total"),
        requestLatency: Timer(
          label: "eventlog.producer.request-latency", dimensions: dimensions, factory: factory))
      topics[name] = made
      return made
    }
  }
}
