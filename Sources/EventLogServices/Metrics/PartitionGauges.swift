internal import EventLog
internal import Metrics
internal import Synchronization

/// Gauges of partitions that come and go: those of a partition that went are destroyed, so that none tells of the past.
final class PartitionGauges: Sendable {
  private let prefix: String
  private let dimensions: [(String, String)]
  private let factory: any MetricsFactory
  private let gauges = Mutex<[TopicPartition: [String: Gauge]]>([:])

  init(_ prefix: String, _ dimensions: [(String, String)], _ factory: any MetricsFactory) {
    self.prefix = prefix
    self.dimensions = dimensions
    self.factory = factory
  }

  func set(_ name: String, _ topicPartition: TopicPartition, to value: Double) {
    let gauge = gauges.withLock { gauges -> Gauge in
      if let known = gauges[topicPartition]?[name] { return known }
      let made = Gauge(
        label: prefix + name,
        dimensions: dimensions + [
          ("topic", topicPartition.topic), ("partition", "\(topicPartition.partition)"),
        ], factory: factory)
      gauges[topicPartition, default: [:]][name] = made
      return made
    }
    gauge.record(value)
  }

  /// Destroys the gauges of all partitions but these.
  func keep(_ partitions: Set<TopicPartition>) {
    let gone = gauges.withLock { gauges -> [Gauge] in
      let gone = gauges.filter { !partitions.contains($0.key) }
      for key in gone.keys { gauges[key] = nil }
      return gone.values.flatMap(\.values)
    }
    for gauge in gone { gauge.destroy() }
  }

  /// What a lag is told by: `records-lag`, `bytes-lag`, and `lag-age-seconds`.
  func set(_ topicPartition: TopicPartition, _ lag: PartitionLag) {
    set("records-lag", topicPartition, to: Double(lag.records))
    if let bytes = lag.bytes { set("bytes-lag", topicPartition, to: Double(bytes)) }
    set("lag-age-seconds", topicPartition, to: lag.age.inSeconds)
  }
}
