import RecordFormat
import Testing

@Suite("Kafka's offset checkpoint file")
struct OffsetCheckpointFileTests {
  @Test("is read as it was written, and as Kafka writes it")
  func roundTrip() throws {
    let file = OffsetCheckpointFile(offsets: [TopicPartition("b.c", 12): 5, TopicPartition("a", 0): 7])
    #expect(file.text == "0\n2\na 0 7\nb.c 12 5\n")
    #expect(try OffsetCheckpointFile(text: file.text, name: "f") == file)
    #expect(try OffsetCheckpointFile(text: "0\n0\n", name: "f").offsets.isEmpty)
  }

  @Test(
    "that is none is refused",
    arguments: ["", "x", "1\n0\n", "0\n1\n", "0\n1\na 0\n", "0\n1\na 0 -1\n", "0\n2\na 0 1\n"])
  func damaged(text: String) {
    #expect(throws: EventLogError.self) { try OffsetCheckpointFile(text: text, name: "f") }
  }
}
