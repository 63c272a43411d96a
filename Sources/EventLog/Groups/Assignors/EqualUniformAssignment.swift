/// The uniform assignment where all members have the same topics (`UniformHomogeneousAssignmentBuilder`).
struct EqualUniformAssignment {
  private let input: AssignorInput
  private(set) var owners: [Int]

  init(_ input: AssignorInput) {
    self.input = input
    owners = input.targets
  }

  mutating func run() {
    let members = input.members.count
    guard members > 0 else { return }
    var owned = [[Int]](repeating: [], count: members)
    var unassigned: [Int] = []
    for (partition, owner) in owners.enumerated() {
      if owner < 0 { unassigned.append(partition) } else { owned[owner].append(partition) }
    }

    // As many members as the remainder says get one more: those that have it already, and as it were at the last
    // moment those that come last, so that a second run changes nothing (KAFKA-18688).
    let share = input.partitionCount / members
    var extra = input.partitionCount % members
    var needs: [(member: Int, count: Int)] = []
    for member in owned.indices {
      var quota = share
      if extra > 0, owned[member].count > share || members - member <= extra {
        quota += 1
        extra -= 1
      }
      for partition in owned[member].dropFirst(quota) {
        owners[partition] = -1
        unassigned.append(partition)
      }
      if owned[member].count < quota { needs.append((member, quota - owned[member].count)) }
    }

    var next = unassigned.makeIterator()
    for need in needs {
      for _ in 0..<need.count {
        guard let partition = next.next() else { return }
        owners[partition] = need.member
      }
    }
  }
}
