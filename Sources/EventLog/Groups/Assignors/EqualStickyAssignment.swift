/// The sticky assignment where all members have the same topics (`ConstrainedAssignmentBuilder`): any partition may go
/// to anybody, so the number that each gets is known beforehand.
struct EqualStickyAssignment {
  private let input: AssignorInput
  private let claims: StickyClaims
  /// What every member gets, and what `surplus` of them get.
  private let least: Int
  private let most: Int
  private let surplus: Int

  private(set) var owners: [Int]
  private(set) var changingHands: [Int] = []

  private var counts: [Int]
  /// The members with fewer than `least`, and those with `least` that may get one more.
  private var short: [Int] = []
  private var even: [Int] = []
  private var isRevoked: [Bool]

  init(_ input: AssignorInput, claims: StickyClaims) {
    self.input = input
    self.claims = claims
    let members = max(1, input.members.count)
    least = input.partitionCount / members
    surplus = input.partitionCount % members
    most = surplus == 0 ? least : least + 1
    owners = [Int](repeating: -1, count: input.partitionCount)
    isRevoked = [Bool](repeating: false, count: input.partitionCount)
    counts = [Int](repeating: 0, count: input.members.count)
  }

  mutating func run(order: [Int]) {
    guard !input.members.isEmpty else { return }
    keep(order: order)
    short.sort()
    even.sort()
    distribute()
  }

  /// Lets each member keep what it had, up to its share. Those that come first in `order` keep the surplus.
  private mutating func keep(order: [Int]) {
    var owned = [[Int]](repeating: [], count: input.members.count)
    for (partition, owner) in claims.owners.enumerated() where owner >= 0 && !claims.disputed.contains(partition) {
      owned[owner].append(partition)
    }
    var rich = 0
    for member in order {
      // By number first, so that a member that has to give up some keeps some of each topic.
      let partitions = owned[member].sorted { a, b in
        let (left, right) = (a - input.bases[input.topicOf[a]], b - input.bases[input.topicOf[b]])
        return left == right ? a < b : left < right
      }
      let kept: Int
      if partitions.count < least {
        kept = partitions.count
        short.append(member)
      } else if partitions.count >= most, rich < surplus {
        kept = most
        rich += 1
        if rich == surplus { even.removeAll() }
      } else {
        kept = least
        if rich < surplus { even.append(member) }
      }
      for partition in partitions.prefix(kept) { owners[partition] = member }
      for partition in partitions.dropFirst(kept) { isRevoked[partition] = true }
      counts[member] = kept
    }
  }

  /// Deals what is left in turn, first to those that are short, then one to each of the others.
  private mutating func distribute() {
    var turn = 0
    var stillShort: [Int] = []
    var nextEven = 0
    for partition in owners.indices where owners[partition] < 0 {
      if turn == short.count {
        short = stillShort
        stillShort = []
        turn = 0
      }
      let member: Int
      if turn < short.count {
        member = short[turn]
        turn += 1
        if counts[member] + 1 == least { even.append(member) } else { stillShort.append(member) }
      } else {
        // Never runs out: the shares add up to the number of partitions.
        member = even[nextEven]
        nextEven += 1
      }
      owners[partition] = member
      counts[member] += 1
      if isRevoked[partition] || claims.disputed.contains(partition) { changingHands.append(partition) }
    }
  }
}
