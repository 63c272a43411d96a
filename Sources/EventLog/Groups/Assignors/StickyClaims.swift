internal import RecordFormat

/// Who had what, as far as the members' claims can be believed.
struct StickyClaims {
  /// Per partition, the member whose claim counts, or -1.
  private(set) var owners: [Int]
  /// The partitions that two members of one generation claimed.
  private(set) var disputed: Set<Int> = []
  /// What each member claimed, whether it counts or not.
  private(set) var claimed: [[Int]]

  /// - Parameter order: the order in which the claims are looked at, which decides between three and more.
  init(_ input: AssignorInput, order: [Int]) {
    owners = [Int](repeating: -1, count: input.partitionCount)
    claimed = [[Int]](repeating: [], count: input.members.count)
    // The last member with a claim that was not too old, even if it lost it to a dispute.
    var claimants = owners
    for member in order {
      let generation = input.members[member].generation
      for partition in Set(input.members[member].owned.compactMap { input.number(of: $0) }) {
        claimed[member].append(partition)
        let other = claimants[partition]
        if other < 0 || input.members[other].generation < generation {
          owners[partition] = member
          claimants[partition] = member
        } else if input.members[other].generation == generation {
          owners[partition] = -1
          claimants[partition] = member
          disputed.insert(partition)
        }
      }
    }
  }
}
