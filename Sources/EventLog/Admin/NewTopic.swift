/// A topic that is to be made (Kafka's `NewTopic`).
public struct NewTopic: Sendable, Hashable {
  /// From 1 to 249 of the characters `a-z A-Z 0-9 . _ -`; not beginning with `__`.
  public var name: String
  /// At least 1; -1 takes `num.partitions`, or goes by `replicasAssignments`.
  public var partitions: Int
  /// 1, or -1 for the default, which is 1: there is one copy of the log.
  public var replicationFactor: Int
  /// Which brokers have each partition, by partition: for what was written for Kafka. Partitions are counted from 0
  /// without a gap, each on broker 0. Excludes `partitions` and `replicationFactor`.
  public var replicasAssignments: [Int: [Int]]
  /// By Kafka's names; what is not named has its default.
  public var configs: [String: String]

  public init(
    _ name: String, partitions: Int = -1, replicationFactor: Int = -1, replicasAssignments: [Int: [Int]] = [:],
    configs: [String: String] = [:]
  ) {
    self.name = name
    self.partitions = partitions
    self.replicationFactor = replicationFactor
    self.replicasAssignments = replicasAssignments
    self.configs = configs
  }
}
