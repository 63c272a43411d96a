internal import RecordFormat

/// An assignor's input with numbers in place of names, which the algorithms count and compare by the million.
///
/// Topics are numbered by name, members in the order that was asked for, partitions topic by topic.
struct AssignorInput {
  /// The topics that exist and that somebody subscribed to.
  let topics: [String]
  /// How many partitions each topic has.
  let counts: [Int]
  /// The number of each topic's first partition.
  let bases: [Int]
  /// The topic of each partition.
  let topicOf: [Int]
  let members: [AssignorMember]
  /// The topics of each member, ascending.
  let subscriptions: [[Int]]
  /// How many members subscribed to each topic.
  let subscriberCounts: [Int]

  private let numbers: [String: Int]
  /// A bit for each member and topic.
  private let bits: [UInt64]
  private let stride: Int

  var partitionCount: Int { topicOf.count }

  init(
    _ partitionCounts: [String: Int], _ members: [AssignorMember],
    orderedBy precedes: (AssignorMember, AssignorMember) -> Bool = AssignorMember.precedesByID
  ) {
    let members = members.sorted(by: precedes)
    let wanted = members.reduce(into: Set<String>()) { $0.formUnion($1.topics) }
    let existing = partitionCounts.filter { $0.value > 0 && wanted.contains($0.key) }
      .sorted { JavaOrder.precedes($0.key, $1.key) }
    let numbers = Dictionary(zip(existing.map(\.key), existing.indices)) { first, _ in first }
    var bases: [Int] = []
    var topicOf: [Int] = []
    for (number, topic) in existing.enumerated() {
      bases.append(topicOf.count)
      topicOf.append(contentsOf: repeatElement(number, count: topic.value))
    }
    let stride = (existing.count + 63) / 64
    var bits = [UInt64](repeating: 0, count: stride * members.count)
    var subscriberCounts = [Int](repeating: 0, count: existing.count)
    var subscriptions: [[Int]] = []
    for (member, description) in members.enumerated() {
      let subscribed = description.topics.compactMap { numbers[$0] }.sorted()
      for topic in subscribed {
        bits[member * stride + topic / 64] |= 1 << UInt64(topic % 64)
        subscriberCounts[topic] += 1
      }
      subscriptions.append(subscribed)
    }
    topics = existing.map(\.key)
    counts = existing.map(\.value)
    self.bases = bases
    self.topicOf = topicOf
    self.members = members
    self.subscriptions = subscriptions
    self.subscriberCounts = subscriberCounts
    self.numbers = numbers
    self.bits = bits
    self.stride = stride
  }

  func subscribes(_ member: Int, to topic: Int) -> Bool {
    bits[member * stride + topic / 64] & (1 << UInt64(topic % 64)) != 0
  }

  func partitions(of topic: Int) -> Range<Int> {
    bases[topic]..<(bases[topic] + counts[topic])
  }

  /// The number of a partition; nil if nobody subscribed to its topic, or it does not exist (any more).
  func number(of partition: TopicPartition) -> Int? {
    guard let topic = numbers[partition.topic], partition.partition >= 0, partition.partition < counts[topic] else {
      return nil
    }
    return bases[topic] + partition.partition
  }

  /// Whether all members named the same topics, existing or not.
  var hasEqualSubscriptions: Bool {
    guard let first = members.first else { return true }
    return members.allSatisfy { $0.topics == first.topics }
  }

  /// The answer, from the member that gets each partition; -1 stands for nobody.
  func assignment(owners: [Int]) -> [String: [TopicPartition]] {
    var lists = [[TopicPartition]](repeating: [], count: members.count)
    for (partition, owner) in owners.enumerated() where owner >= 0 {
      let topic = topicOf[partition]
      lists[owner].append(TopicPartition(topics[topic], partition - bases[topic]))
    }
    return Dictionary(zip(members.map(\.id), lists)) { first, _ in first }
  }
}

extension AssignorMember {
  /// The order of members in the sticky and uniform assignors.
  static func precedesByID(_ a: AssignorMember, _ b: AssignorMember) -> Bool {
    JavaOrder.precedes(a.id, b.id)
  }

  /// The order of members in the range and round-robin assignors: static ones first, by the id that outlives a restart.
  static func precedesByInstance(_ a: AssignorMember, _ b: AssignorMember) -> Bool {
    switch (a.instanceID, b.instanceID) {
    case (let a?, let b?): JavaOrder.precedes(a, b)
    case (.some, nil): true
    case (nil, .some): false
    case (nil, nil): JavaOrder.precedes(a.id, b.id)
    }
  }
}
