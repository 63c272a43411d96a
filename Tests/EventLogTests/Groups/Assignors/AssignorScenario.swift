import RecordFormat
import Testing

@testable import EventLog

/// A situation of a group, and what each member is to get in it.
///
/// Partitions are written `topic:0,1,2`, several topics with spaces between.
struct AssignorScenario: Sendable, CustomTestStringConvertible {
  struct Member: Sendable {
    var id: String
    var topics: String
    var has = ""
    var generation: Int32 = 1
    var instance: String?
    var gets: String

    init(
      _ id: String, _ topics: String, has: String = "", generation: Int32 = 1, instance: String? = nil, gets: String
    ) {
      self.id = id
      self.topics = topics
      self.has = has
      self.generation = generation
      self.instance = instance
      self.gets = gets
    }
  }

  var testDescription: String
  var topics: [String: Int]
  var members: [Member]

  init(_ description: String, _ topics: [String: Int], _ members: Member...) {
    testDescription = description
    self.topics = topics
    self.members = members
  }

  var input: [AssignorMember] {
    members.map {
      AssignorMember(
        id: $0.id, instanceID: $0.instance, topics: Set($0.topics.split(separator: " ").map(String.init)),
        owned: Self.partitions($0.has), generation: $0.generation)
    }
  }

  var expected: [String: [TopicPartition]] {
    Dictionary(uniqueKeysWithValues: members.map { ($0.id, Self.partitions($0.gets).sorted()) })
  }

  static func partitions(_ text: String) -> [TopicPartition] {
    text.split(separator: " ").flatMap { part in
      let halves = part.split(separator: ":")
      return halves[1].split(separator: ",").compactMap { Int($0) }.map { TopicPartition(String(halves[0]), $0) }
    }
  }
}
