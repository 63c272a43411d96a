internal import EventLog
internal import Logging
internal import Metrics
internal import Synchronization

/// Kafka's metrics of logs (`eventlog.log.`), and the lag of groups by what they have committed (`eventlog.group.`), also of
/// those whose consumers don't run.
final class BrokerMetrics: Sendable {
  private let broker: Broker
  private let factory: any MetricsFactory
  private let logs: PartitionGauges
  private let groups = Mutex<[String: PartitionGauges]>([:])
  private let logger: Logger

  init(_ broker: Broker, _ telemetry: Telemetry) {
    self.broker = broker
    factory = telemetry.factory
    logger = telemetry.logger
    logs = PartitionGauges("eventlog.log.", [], factory)
  }

  func report() {
    do {
      try reportLogs()
      try reportGroups()
    } catch {
      logger.debug("The broker's metrics could not be told", metadata: .of(error))
    }
  }

  func end() {
    logs.keep([])
    for gauges in groups.withLock({ $0.values }) { gauges.keep([]) }
  }

  private func reportLogs() throws {
    let consumer = try broker.consumer()
    var seen: Set<TopicPartition> = []
    for directory in try broker.admin.describeLogDirs() {
      for (partition, replica) in directory.replicas {
        // A partition that can't be read tells nothing, and keeps nobody from telling.
        guard let start = try? consumer.beginningOffsets([partition])[partition],
          let end = try? consumer.endOffsets([partition])[partition]
        else { continue }
        seen.insert(partition)
        logs.set("size", partition, to: Double(replica.size))
        logs.set("log-start-offset", partition, to: Double(start))
        logs.set("log-end-offset", partition, to: Double(end + replica.offsetLag))
        logs.set("offset-lag", partition, to: Double(replica.offsetLag))
      }
    }
    logs.keep(seen)
  }

  private func reportGroups() throws {
    let names = try broker.admin.listGroups().map(\.id)
    for name in names {
      guard let committed = try? broker.admin.listConsumerGroupOffsets(name) else { continue }
      let gauges = groups.withLock { groups in
        if let known = groups[name] { return known }
        let made = PartitionGauges("eventlog.group.", [("group", name)], factory)
        groups[name] = made
        return made
      }
      for (partition, result) in try broker.admin.describeLag(each: committed.mapValues(\.offset)) {
        if case .success(let lag) = result { gauges.set(partition, lag) }
      }
      gauges.keep(Set(committed.keys))
    }
    let gone = groups.withLock { groups in
      let gone = groups.filter { !names.contains($0.key) }
      for key in gone.keys { groups[key] = nil }
      return gone
    }
    for gauges in gone.values { gauges.keep([]) }
  }
}
