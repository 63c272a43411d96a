import EventLog

/// Looks now and then what has become of a topic that is followed: its owner may add partitions to it, or delete it.
struct TopicWatch {
  let store: StoreOptions
  let topic: String
  let id: String
  /// How many partitions are known.
  var partitions: Int
  private var last = ContinuousClock.now
  private static let interval = Duration.seconds(1)

  init(_ store: StoreOptions, _ topic: TopicDescription) {
    self.store = store
    self.topic = topic.name
    id = topic.id
    partitions = topic.partitions.count
  }

  /// A broker that knows of more partitions, where there are more; nil where there are not, or it is not time to look.
  ///
  /// - Throws: `unknownTopicOrPartition` where the topic was deleted, and maybe created anew.
  mutating func look() throws -> Broker? {
    let now = ContinuousClock.now
    guard now >= last + Self.interval else { return nil }
    last = now
    let broker = try store.openReadOnly()
    do {
      let found = try? broker.admin.describeTopic(topic)
      guard let found, found.id == id else {
        throw EventLogError(.unknownTopicOrPartition, "the topic was deleted meanwhile", topic: topic)
      }
      guard found.partitions.count > partitions else {
        try broker.close()
        return nil
      }
      partitions = found.partitions.count
      return broker
    } catch {
      try? broker.close()
      throw error
    }
  }
}
