internal import RecordFormat

/// Kafka's `StickyAssignor` (KIP-54): as even as can be, with as few moves as that takes.
struct StickyAssignor: PartitionAssignor {
  var name: String { "sticky" }

  func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
    let plan = StickyPlan(partitionCounts, members)
    return plan.input.assignment(owners: plan.owners)
  }
}

/// Kafka's `CooperativeStickyAssignor` (KIP-429): the sticky assignment, in two steps. A partition that changes hands
/// is given to nobody at first; when its owner has let go of it, the rebalance that follows gives it away.
struct CooperativeStickyAssignor: PartitionAssignor {
  var name: String { "cooperative-sticky" }
  var isCooperative: Bool { true }

  func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
    let plan = StickyPlan(partitionCounts, members)
    var owners = plan.owners
    for partition in plan.changingHands { owners[partition] = -1 }
    return plan.input.assignment(owners: owners)
  }
}

/// What both sticky assignors work out (Kafka's `AbstractStickyAssignor`).
struct StickyPlan {
  let input: AssignorInput
  /// The member that gets each partition.
  let owners: [Int]
  /// The partitions that another member may still be reading.
  let changingHands: [Int]

  init(_ partitionCounts: [String: Int], _ members: [AssignorMember]) {
    input = AssignorInput(partitionCounts, members)
    let order = JavaOrder.hashMapOrder(input.members.map(\.id))
    let claims = StickyClaims(input, order: order)
    if input.hasEqualSubscriptions {
      var assignment = EqualStickyAssignment(input, claims: claims)
      assignment.run(order: order)
      owners = assignment.owners
      changingHands = assignment.changingHands
    } else {
      var assignment = UnequalStickyAssignment(input, claims: claims, order: order)
      assignment.run()
      owners = assignment.owners
      changingHands = Self.changes(owners, claims)
    }
  }

  /// What goes to a member that does not have it, while another says that it has.
  private static func changes(_ owners: [Int], _ claims: StickyClaims) -> [Int] {
    var isClaimed = [Bool](repeating: false, count: owners.count)
    var isKept = isClaimed
    for (member, partitions) in claims.claimed.enumerated() {
      for partition in partitions {
        isClaimed[partition] = true
        if owners[partition] == member { isKept[partition] = true }
      }
    }
    return owners.indices.filter { isClaimed[$0] && !isKept[$0] }
  }
}
