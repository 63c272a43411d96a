/// The sticky assignment where members have different topics (`GeneralAssignmentBuilder`): everybody keeps what it has,
/// the rest goes to whoever has least, and then single partitions move until none can move for the better.
struct UnequalStickyAssignment {
  private let input: AssignorInput
  private(set) var owners: [Int]
  private var counts: [Int]
  private var ranking: MemberRanking
  private var movements: PartitionMovements
  /// Who had a partition before its owner got it, from the claims of older generations.
  private var previous: [Int: Int] = [:]
  /// Whether a member lost partitions because it no longer wants their topic.
  private var hasLostTopics = false

  /// How many moves have made nothing more even.
  private var idleMoves = 0
  /// The answer of `isBalanced`, until something moves.
  private var knownBalance: Bool?
  /// The topic that was not balanced when last looked; the first to look at again.
  private var suspect = 0

  init(_ input: AssignorInput, claims: StickyClaims, order: [Int]) {
    self.input = input
    owners = claims.owners
    counts = [Int](repeating: 0, count: input.members.count)
    for (partition, owner) in owners.enumerated() where owner >= 0 {
      if input.subscribes(owner, to: input.topicOf[partition]) {
        counts[owner] += 1
      } else {
        owners[partition] = -1
        hasLostTopics = true
      }
    }
    ranking = MemberRanking(Array(input.members.indices), counts: counts)
    movements = PartitionMovements(input)
    findPrevious(claims, order)
  }

  private mutating func findPrevious(_ claims: StickyClaims, _ order: [Int]) {
    let newest = input.members.map(\.generation).max() ?? -1
    for member in order where input.members[member].generation < newest {
      for partition in claims.claimed[member] {
        if let other = previous[partition], input.members[other].generation >= input.members[member].generation {
          continue
        }
        previous[partition] = member
      }
    }
  }

  mutating func run() {
    let topics = input.topics.indices.sorted {
      (input.subscriberCounts[$0], $0) < (input.subscriberCounts[$1], $1)
    }
    let all = topics.flatMap { input.partitions(of: $0) }
    let unassigned = all.filter { owners[$0] < 0 }
    let isFirst = !counts.contains { $0 > 0 }
    for partition in unassigned { assignToPoorest(partition) }

    // What only one member can have does not take part in what follows.
    let participating = participants()
    ranking = MemberRanking(participating, counts: counts)
    let before = (owners: owners, score: score(participating))
    if !hasLostTopics { _ = balance(unassigned.filter(isShared)) }
    let hasMoved = balance(all.filter(isShared))
    if !isFirst, hasMoved, score(participating) >= before.score { owners = before.owners }
  }

  private func isShared(_ partition: Int) -> Bool {
    input.subscriberCounts[input.topicOf[partition]] >= 2
  }

  private mutating func assignToPoorest(_ partition: Int) {
    guard let member = poorest(for: input.topicOf[partition]) else { return }
    owners[partition] = member
    ranking.update(member, from: counts[member], to: counts[member] + 1)
    counts[member] += 1
  }

  private func poorest(for topic: Int) -> Int? {
    ranking.first { input.subscribes($0, to: topic) }
  }

  /// The members that could get or give something.
  private func participants() -> [Int] {
    var hasShared = [Bool](repeating: false, count: counts.count)
    for (partition, owner) in owners.enumerated() where owner >= 0 && isShared(partition) { hasShared[owner] = true }
    return input.members.indices.filter { member in
      hasShared[member] || counts[member] < input.subscriptions[member].reduce(0) { $0 + input.counts[$1] }
    }
  }

  /// Goes through the partitions, again and again, moving each that is better off elsewhere.
  private mutating func balance(_ partitions: [Int]) -> Bool {
    var hasMoved = false
    var isModified: Bool
    repeat {
      isModified = false
      for partition in partitions {
        if isBalanced() { break }
        let owner = owners[partition]
        // Kafka would move a partition back even to a member that no longer wants its topic; that is not valid.
        if let earlier = previous[partition], counts[owner] > counts[earlier] + 1,
          input.subscribes(earlier, to: input.topicOf[partition])
        {
          move(partition, to: earlier)
        } else if let poorest = poorest(for: input.topicOf[partition]), counts[owner] > counts[poorest] + 1 {
          move(partition, to: poorest)
        } else {
          continue
        }
        isModified = true
        hasMoved = true
      }
    } while isModified
    return hasMoved
  }

  private mutating func move(_ partition: Int, to member: Int) {
    var moving = movements.substitute(for: partition, from: owners[partition], to: member)
    // The substitute of a partition that moved before may belong to a third member that has no more than this one.
    // Kafka moves it all the same; so that moves cannot go in a circle for ever, that has an end here.
    if counts[owners[moving]] <= counts[member] + 1 {
      if idleMoves < input.partitionCount { idleMoves += 1 } else { moving = partition }
    }
    let old = owners[moving]
    movements.note(moving, from: old, to: member)
    owners[moving] = member
    ranking.update(old, from: counts[old], to: counts[old] - 1)
    ranking.update(member, from: counts[member], to: counts[member] + 1)
    counts[old] -= 1
    counts[member] += 1
    knownBalance = nil
  }

  /// Whether no partition could go to a member with at least two fewer than its owner.
  private mutating func isBalanced() -> Bool {
    if let knownBalance { return knownBalance }
    let extremes = ranking.extremes
    var isBalanced = true
    if extremes.least + 1 < extremes.most {
      for step in input.topics.indices {
        let topic = (suspect + step) % input.topics.count
        guard input.subscriberCounts[topic] >= 2, let poorest = poorest(for: topic) else { continue }
        let limit = counts[poorest] + 1
        if input.partitions(of: topic).contains(where: { counts[owners[$0]] > limit }) {
          suspect = topic
          isBalanced = false
          break
        }
      }
    }
    knownBalance = isBalanced
    return isBalanced
  }

  /// The sum of the differences between all pairs of members: the lower, the more even.
  private func score(_ members: [Int]) -> Int {
    var sum = 0
    var score = 0
    for (index, count) in members.map({ counts[$0] }).sorted().enumerated() {
      score += count * index - sum
      sum += count
    }
    return score
  }
}
