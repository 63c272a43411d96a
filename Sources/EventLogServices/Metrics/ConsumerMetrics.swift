internal import EventLog
internal import Metrics
internal import Synchronization

/// What a consumer counts, under Kafka's names behind `eventlog.consumer.`, by `client-id`, `group`, `topic`, `partition`.
final class ConsumerMetrics: Sendable {
  private struct OfTopic {
    let records: Counter
    let bytes: Counter
  }

  let rebalanceTotal: Counter
  let partitionsLostTotal: Counter
  let commitTotal: Counter
  let commitLatency: Timer
  let recordErrorTotal: Counter
  let lag: PartitionGauges
  private let assignedPartitions: Gauge
  private let lagMax: [(name: String, gauge: Gauge)]
  private let lastPoll: Gauge
  private let timeBetweenPolls: Timer
  private let factory: any MetricsFactory
  private let dimensions: [(String, String)]
  private let topics = Mutex<[String: OfTopic]>([:])
  /// Since when the consumer is away from `poll`; nil while it is there.
  private let away = Mutex<Stopwatch?>(nil)
  private let clock: any Clock<Duration>

  init(_ telemetry: Telemetry, clientID: String, group: String?) {
    factory = telemetry.factory
    clock = telemetry.clock
    let factory = factory
    let dimensions = [("client-id", clientID)] + (group.map { [("group", $0)] } ?? [])
    self.dimensions = dimensions
    func counter(_ name: String) -> Counter {
      Counter(label: "eventlog.consumer." + name, dimensions: dimensions, factory: factory)
    }
    func gauge(_ name: String) -> Gauge {
      Gauge(label: "eventlog.consumer." + name, dimensions: dimensions, factory: factory)
    }
    func timer(_ name: String) -> Timer {
      Timer(label: "eventlog.consumer." + name, dimensions: dimensions, factory: factory)
    }
    rebalanceTotal = counter("rebalance-total")
    partitionsLostTotal = counter("partitions-lost-total")
    commitTotal = counter("commit-total")
    commitLatency = timer("commit-latency")
    recordErrorTotal = counter("record-error-total")
    assignedPartitions = gauge("assigned-partitions")
    lastPoll = gauge("last-poll-seconds-ago")
    timeBetweenPolls = timer("time-between-poll")
    lagMax = ["records-lag-max", "bytes-lag-max", "lag-age-seconds-max"].map { ($0, gauge($0)) }
    lag = PartitionGauges("eventlog.consumer.", dimensions, factory)
  }

  /// Once for each batch.
  func consumed(_ batch: ConsumerBatch) {
    let topic = topics.withLock { topics -> OfTopic in
      let name = batch.topicPartition.topic
      if let known = topics[name] { return known }
      let dimensions = dimensions + [("topic", name)]
      let made = OfTopic(
        records: Counter(
          label: "eventlog.consumer.records-consumed-total", dimensions: dimensions, factory: factory),
        bytes: Counter(label: "eventlog.consumer.bytes-consumed-total", dimensions: dimensions, factory: factory))
      topics[name] = made
      return made
    }
    topic.records.increment(by: batch.count)
    topic.bytes.increment(by: batch.sizeInBytes)
  }

  func pollBegins() {
    guard
      let stopwatch = away.withLock({ away in
        defer { away = nil }
        return away
      })
    else { return }
    timeBetweenPolls.recordNanoseconds(stopwatch.elapsed.nanoseconds)
  }

  func pollEnds() {
    let stopwatch = Stopwatch(clock)
    away.withLock { $0 = stopwatch }
  }

  func report(_ lags: [TopicPartition: PartitionLag], assigned: Int) {
    for (partition, lag) in lags { self.lag.set(partition, lag) }
    lag.keep(Set(lags.keys))
    let maxima: [Double] = [
      Double(lags.values.map(\.records).max() ?? 0), Double(lags.values.compactMap(\.bytes).max() ?? 0),
      lags.values.map(\.age).max()?.inSeconds ?? 0,
    ]
    for (value, max) in zip(maxima, lagMax) { max.gauge.record(value) }
    assignedPartitions.record(assigned)
    lastPoll.record(away.withLock { $0 }?.elapsed.inSeconds ?? 0)
  }

  func end() {
    lag.keep([])
    for max in lagMax { max.gauge.destroy() }
    assignedPartitions.destroy()
    lastPoll.destroy()
  }
}
