import RecordFormat
import Testing

@testable import EventLog

@Suite("A topic's name")
struct TopicNameTests {
  @Test("is told from its partition's directory at the last dash")
  func directories() {
    #expect(TopicName.parse(directory: "a-b-12") == TopicPartition("a-b", 12))
    #expect(TopicName.parse(directory: "a--0") == TopicPartition("a-", 0))
    for name in [
      "a", "a-", "-1", "a-01", "a-+1", "a--1x", "a-2147483648", "a-0-delete", "a-0.sync-failed", ".-0", "a b-0",
    ] {
      #expect(TopicName.parse(directory: name) == nil, "\(name)")
    }
  }

  @Test("collides with one that differs in dots and underscores only")
  func collisions() {
    #expect(TopicName.collide("a.b", "a_b"))
    #expect(!TopicName.collide("a.b", "a.b"))
    #expect(!TopicName.collide("a.b", "a-b"))
  }
}
