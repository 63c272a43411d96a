/// The subscribers of a topic sorted by how much they have, with a level that rises from below and one that sinks from
/// above (`MemberAssignmentBalancer`). Each member at a level is named once before the level moves on to the next count
/// and takes in the members that have it.
struct LoadLevels {
  private var members: [Int]
  /// How many members, from the first, the lower level has reached.
  private var lowEnd = 0
  private var lowLevel: Int
  private var nextLow = 0
  /// The members that the upper level has reached, without those that have nothing to give.
  private var highStart: Int
  private var highEnd: Int
  private var highLevel: Int
  private var nextHigh: Int
  /// How many more the one with most has than the one with least, at the beginning.
  let imbalance: Int

  /// - Parameter members: at least one.
  init(_ members: [Int], sizes: [Int]) {
    self.members = members.sorted { (sizes[$0], $0) < (sizes[$1], $1) }
    let least = self.members.first.map { sizes[$0] } ?? 0
    let most = self.members.last.map { sizes[$0] } ?? 0
    imbalance = most - least
    lowLevel = least - 1
    highLevel = most + 1
    highStart = members.count
    highEnd = members.count
    nextHigh = members.count - 1
  }

  var isBalanced: Bool { highLevel - lowLevel <= 1 }

  /// The member that gets the next partition.
  mutating func nextLeastLoaded(_ sizes: [Int]) -> Int {
    if nextLow >= lowEnd {
      lowLevel += 1
      while lowEnd < members.count, sizes[members[lowEnd]] == lowLevel { lowEnd += 1 }
      nextLow = 0
    }
    defer { nextLow += 1 }
    return members[nextLow]
  }

  /// The member that gives the next partition; nil if nobody is left that could.
  mutating func nextMostLoaded(_ sizes: [Int]) -> Int? {
    if nextHigh < highStart {
      if highEnd <= highStart, highStart > 0 {
        // All at this level were excluded: on to the next count that somebody has.
        highLevel = sizes[members[highStart - 1]]
      } else {
        highLevel -= 1
      }
      while highStart > 0, sizes[members[highStart - 1]] == highLevel { highStart -= 1 }
      nextHigh = highEnd - 1
    }
    guard nextHigh >= 0 else { return nil }
    defer { nextHigh -= 1 }
    return members[nextHigh]
  }

  /// Leaves out the member that was named last: it has nothing to give.
  mutating func excludeMostLoaded() {
    members.swapAt(nextHigh + 1, highEnd - 1)
    highEnd -= 1
  }
}
