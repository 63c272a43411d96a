/// Members in the order of how many partitions they have, the one with the lower number first among equals.
///
/// A sorted array: with a thousand members, moving its tail costs less than following a tree's pointers.
struct MemberRanking {
  private var keys: [Int]
  private let memberCount: Int

  init(_ members: [Int], counts: [Int]) {
    memberCount = max(1, counts.count)
    keys = []
    keys = members.map { counts[$0] * memberCount + $0 }.sorted()
  }

  /// The least and the greatest count.
  var extremes: (least: Int, most: Int) {
    ((keys.first ?? 0) / memberCount, (keys.last ?? 0) / memberCount)
  }

  func first(where isWanted: (Int) -> Bool) -> Int? {
    for key in keys {
      let member = key % memberCount
      if isWanted(member) { return member }
    }
    return nil
  }

  /// Moves a member to the place of its new count.
  mutating func update(_ member: Int, from old: Int, to new: Int) {
    let place = position(of: old * memberCount + member)
    guard place < keys.count, keys[place] == old * memberCount + member else { return }
    keys.remove(at: place)
    let key = new * memberCount + member
    keys.insert(key, at: position(of: key))
  }

  /// Where a key is, or would be.
  private func position(of key: Int) -> Int {
    var low = 0
    var high = keys.count
    while low < high {
      let middle = (low + high) / 2
      if keys[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
