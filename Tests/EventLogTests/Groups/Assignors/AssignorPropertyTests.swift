import RecordFormat
import Testing

@testable import EventLog
import SegmentStore

@Suite("Every assignor")
struct AssignorPropertyTests {
  typealias Assign = @Sendable ([String: Int], [AssignorMember]) -> [String: [TopicPartition]]

  struct Subject: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var isBalanced: Bool
    var assign: Assign
  }

  static let subjects: [Subject] =
    [GroupAssignor.range, .roundRobin, .sticky].map { assignor in
      Subject(testDescription: assignor.name, isBalanced: assignor == .sticky) {
        assignor.assign(partitionCounts: $0, members: $1)
      }
    }
    + ServerAssignor.allCases.map { assignor in
      Subject(testDescription: "server-side \(assignor.rawValue)", isBalanced: assignor == .uniform) {
        assignor.assign(partitionCounts: $0, members: $1)
      }
    }

  @Test("gives every partition to one member that wants it, whatever the order of the members", arguments: subjects)
  func validity(subject: Subject) throws {
    for seed in UInt64(1)...60 {
      var generator = SplitMix(seed: seed)
      var group = RandomGroup(using: &generator)
      for step in 0..<6 {
        let result = subject.assign(group.counts, group.members)
        try AssignmentValidator(partitionCounts: group.counts, members: group.members)
          .validate(result, of: subject.testDescription, isCooperative: false)
        #expect(Set(result.keys) == Set(group.members.map(\.id)))
        #expect(
          subject.assign(group.counts, group.members.shuffled(using: &generator)) == result,
          "seed \(seed), step \(step)")
        group.take(result)
        #expect(group.unassigned.isEmpty, "seed \(seed), step \(step)")
        if subject.isBalanced {
          #expect(group.improvement == nil, "seed \(seed), step \(step)")
          #expect(subject.assign(group.counts, group.members) == result, "seed \(seed), step \(step): not stable")
        }
        group.change(using: &generator)
      }
    }
  }

  @Test(
    "that is sticky moves no more than evenness takes, where all have the same topics",
    arguments: subjects.filter(\.isBalanced))
  func fewestMoves(subject: Subject) {
    for seed in UInt64(1)...60 {
      var generator = SplitMix(seed: seed)
      var group = RandomGroup(using: &generator, equalTopics: true)
      for step in 0..<6 {
        let before = group.members
        group.take(subject.assign(group.counts, group.members))
        let had = before.map { member in member.owned.filter { group.wanted.contains($0) }.count }
        let (share, surplus) = group.wanted.count.quotientAndRemainder(dividingBy: group.members.count)
        let most = had.reduce(0) { $0 + min($1, share) } + min(surplus, had.count { $0 > share })
        let kept = zip(before, group.members).reduce(0) { $0 + Set($1.0.owned).intersection($1.1.owned).count }
        #expect(kept == most, "seed \(seed), step \(step)")
        group.change(using: &generator)
      }
    }
  }

  @Test("that is sticky never lets two members trade partitions of a topic")
  func noTrades() {
    for seed in UInt64(1)...120 {
      var generator = SplitMix(seed: seed)
      var group = RandomGroup(using: &generator, equalTopics: false)
      for step in 0..<5 {
        let before = Dictionary(
          group.members.flatMap { member in member.owned.map { ($0, member.id) } }, uniquingKeysWith: { a, _ in a })
        let staying = Set(group.members.map(\.id))
        group.take(GroupAssignor.sticky.assign(partitionCounts: group.counts, members: group.members))
        var routes: Set<[String]> = []
        for member in group.members {
          for partition in member.owned {
            guard let old = before[partition], old != member.id, staying.contains(old) else { continue }
            routes.insert([partition.topic, old, member.id])
          }
        }
        #expect(!routes.contains { routes.contains([$0[0], $0[2], $0[1]]) }, "seed \(seed), step \(step)")
        group.change(using: &generator)
      }
    }
  }
}
