/// The uniform assignment where members have different topics (`UniformHeterogeneousAssignmentBuilder`): topic by topic
/// what nobody has goes to whoever has least, and then, topic by topic and a limited number of times, partitions go
/// from those with most to those with least.
struct UnequalUniformAssignment {
  /// Topics that influence each other may need many rounds for little gain; Kafka's limit.
  private static let maxRounds = 16

  private let input: AssignorInput
  private(set) var owners: [Int]
  private var sizes: [Int]
  private let subscribers: [[Int]]

  init(_ input: AssignorInput) {
    self.input = input
    owners = input.targets
    sizes = [Int](repeating: 0, count: input.members.count)
    for owner in owners where owner >= 0 { sizes[owner] += 1 }
    var subscribers = [[Int]](repeating: [], count: input.topics.count)
    for (member, topics) in input.subscriptions.enumerated() {
      for topic in topics { subscribers[topic].append(member) }
    }
    self.subscribers = subscribers
  }

  mutating func run() {
    let topics = sortedTopics()
    for topic in topics {
      let unassigned = input.partitions(of: topic).filter { owners[$0] < 0 }
      guard !unassigned.isEmpty else { continue }
      var levels = LoadLevels(subscribers[topic], sizes: sizes)
      for partition in unassigned { assign(partition, to: levels.nextLeastLoaded(sizes)) }
    }
    balance(topics.filter { subscribers[$0].count >= 2 })
  }

  /// The topics with most partitions for each subscriber come first, then those with the fewest subscribers.
  private func sortedTopics() -> [Int] {
    input.topics.indices.sorted { a, b in
      let left = Double(input.counts[a]) / Double(subscribers[a].count)
      let right = Double(input.counts[b]) / Double(subscribers[b].count)
      if left != right { return left > right }
      return (subscribers[a].count, a) < (subscribers[b].count, b)
    }
  }

  private mutating func assign(_ partition: Int, to member: Int) {
    if owners[partition] >= 0 { sizes[owners[partition]] -= 1 }
    owners[partition] = member
    sizes[member] += 1
  }

  private mutating func balance(_ topics: [Int]) {
    // Ends when a whole round since the last change has changed nothing.
    var lastChanged: Int?
    for _ in 0..<Self.maxRounds {
      for topic in topics {
        if topic == lastChanged { return }
        if balance(topic) || lastChanged == nil { lastChanged = topic }
      }
    }
  }

  /// Moves partitions of one topic, and says whether any moved.
  private mutating func balance(_ topic: Int) -> Bool {
    var levels = LoadLevels(subscribers[topic], sizes: sizes)
    guard levels.imbalance > 1 else { return false }
    // Of each member the last partition goes first. What a member gets in this round it does not give away again.
    var givable: [Int: [Int]] = [:]
    for partition in input.partitions(of: topic) { givable[owners[partition], default: []].append(partition) }

    var hasMoved = false
    while !levels.isBalanced {
      var taken: Int?
      while let member = levels.nextMostLoaded(sizes) {
        taken = givable[member]?.popLast()
        if taken != nil { break }
        levels.excludeMostLoaded()
      }
      guard let partition = taken else { break }
      let receiver = levels.nextLeastLoaded(sizes)
      if levels.isBalanced { break }
      assign(partition, to: receiver)
      hasMoved = true
    }
    return hasMoved
  }
}
