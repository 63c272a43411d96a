internal import RecordFormat

/// The assignors of the new group protocol (KIP-848), which the broker runs (`group.consumer.assignors`).
///
/// They differ from the classic ones in that they start from the target assignment, which nobody has to claim. Of two
/// equally good answers, Kafka takes the one that random topic ids lead to; here names and member ids decide.
enum ServerAssignor: String, Sendable, CaseIterable {
  /// Evenly, with as few moves as that takes; the default.
  case uniform
  /// Of each topic, every member gets a run of neighbouring partitions, and of topics with as many partitions the same.
  case range

  /// Works out the new target assignment. Topics that do not exist count as not subscribed.
  ///
  /// - Parameter members: with the current target assignment as `owned`; their generations have no meaning here.
  /// - Returns: the partitions of each member, by its id; every member has an entry.
  func assign(partitionCounts: [String: Int], members: [AssignorMember]) -> [String: [TopicPartition]] {
    guard self == .uniform else {
      return RangeAssignor().assign(partitionCounts: partitionCounts, members: members)
    }
    let input = AssignorInput(partitionCounts, members)
    if input.hasEqualSubscriptions {
      var assignment = EqualUniformAssignment(input)
      assignment.run()
      return input.assignment(owners: assignment.owners)
    } else {
      var assignment = UnequalUniformAssignment(input)
      assignment.run()
      return input.assignment(owners: assignment.owners)
    }
  }
}

extension AssignorInput {
  /// Who has each partition in the current target assignment, of those that subscribed to its topic; -1 for nobody.
  var targets: [Int] {
    var owners = [Int](repeating: -1, count: partitionCount)
    for (member, description) in members.enumerated() {
      for partition in description.owned.compactMap(number) {
        guard owners[partition] < 0, subscribes(member, to: topicOf[partition]) else { continue }
        owners[partition] = member
      }
    }
    return owners
  }
}
