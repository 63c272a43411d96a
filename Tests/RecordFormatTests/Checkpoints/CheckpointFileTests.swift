import RecordFormat
import Testing

@Suite("The small files of a partition")
struct CheckpointFileTests {
  @Test("are Kafka's, byte for byte")
  func bytes() throws {
    #expect(
      PartitionMetadataFile(topicID: "KJpvEw0zRGiHMBFLkACnpQ").text == "version: 0\ntopic_id: KJpvEw0zRGiHMBFLkACnpQ")
    let epochs = LeaderEpochCheckpoint(entries: [.init(epoch: 0, startOffset: 0), .init(epoch: 3, startOffset: 17)])
    #expect(epochs.text == "0\n2\n0 0\n3 17\n")
    #expect(try LeaderEpochCheckpoint(text: epochs.text) == epochs)
    #expect(try PartitionMetadataFile(text: "version: 0\ntopic_id: abc\n").topicID == "abc")
  }

  @Test(
    "that are damaged, or of a later version, are refused",
    arguments: ["", "1\n0\n", "0\n2\n0 0\n", "0\n1\n0\n", "0\n1\n-1 0\n", "x\n0\n", "0\nmany\n"])
  func refused(text: String) {
    #expect(throws: EventLogError.self) { try LeaderEpochCheckpoint(text: text) }
    #expect(throws: EventLogError.self) { try PartitionMetadataFile(text: text) }
  }
}
