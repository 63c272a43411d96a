import RecordFormat
import Testing

@Suite("A producer snapshot")
struct ProducerSnapshotTests {
  private let snapshot = ProducerSnapshot(entries: [
    .init(
      producerID: 7, producerEpoch: 3, lastSequence: .max, lastOffset: 41, offsetDelta: 4, timestamp: 1_700_000_000_000,
      coordinatorEpoch: -1, transactionStart: 12),
    .init(
      producerID: .max, producerEpoch: 32_766, lastSequence: -1, lastOffset: -1, offsetDelta: 0, timestamp: -1,
      coordinatorEpoch: 2, transactionStart: -1),
  ])

  @Test("is read as it was written")
  func roundTrip() throws {
    #expect(try ProducerSnapshot(bytes: snapshot.bytes) == snapshot)
    #expect(try ProducerSnapshot(bytes: ProducerSnapshot(entries: []).bytes).entries.isEmpty)
  }

  @Test("without producers has the ten bytes that Kafka writes")
  func empty() {
    #expect(ProducerSnapshot(entries: []).bytes == [0, 1, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0])
  }

  @Test("is refused where any bit is wrong, and where it ends early or late")
  func damage() throws {
    let bytes = snapshot.bytes
    for index in bytes.indices {
      for bit in 0..<8 {
        var damaged = bytes
        damaged[index] ^= 1 << bit
        #expect(throws: EventLogError.self) { try ProducerSnapshot(bytes: damaged) }
      }
      #expect(throws: EventLogError.self) { try ProducerSnapshot(bytes: Array(bytes[..<index])) }
    }
    #expect(throws: EventLogError.self) { try ProducerSnapshot(bytes: bytes + [0]) }
  }
}
