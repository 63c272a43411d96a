/// A partition of a topic, by name and number.
public struct TopicPartition: Hashable, Sendable, Codable {
  /// The topic's name.
  public var topic: String
  /// The partition's number, from 0.
  public var partition: Int

  public init(_ topic: String, _ partition: Int) {
    self.topic = topic
    self.partition = partition
  }
}

extension TopicPartition: CustomStringConvertible {
  /// `<topic>-<partition>`, which is also the name of the partition's directory.
  public var description: String { "\(topic)-\(partition)" }
}

extension TopicPartition: Comparable {
  public static func < (a: TopicPartition, b: TopicPartition) -> Bool {
    a.topic == b.topic ? a.partition < b.partition : a.topic < b.topic
  }
}
