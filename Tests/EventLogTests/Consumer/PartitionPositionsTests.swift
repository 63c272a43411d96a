@testable import EventLog
import EventLogTesting
import SegmentStore
import Testing

@Suite("A consumer's partitions")
struct PartitionPositionsTests {
  @Test("are found by name, and looked at in the order that a model says", arguments: 0..<20 as Range<UInt64>)
  func model(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let all = (0..<12).map { TopicPartition($0 % 2 == 0 ? "a" : "b", $0) }
    var positions = PartitionPositions()
    var order: [TopicPartition] = []
    for step in 0..<200 {
      let some = all.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
      switch Int.random(in: 0..<5, using: &random) {
      case 0:
        for partition in some where !order.contains(partition) {
          let error = EventLogError(.storageError, "not open")
          positions.append(PartitionPosition(partition, .offline(partition, error)))
          order.append(partition)
        }
      case 1:
        positions.remove(Set(some))
        order.removeAll(where: some.contains)
      case 2:
        let moved = order.filter(some.contains)
        positions.moveToEnd(positions.order.filter { moved.contains(positions.slots[$0].topicPartition) })
        order = order.filter { !moved.contains($0) } + moved
      case 3:
        positions.moveToFront(some)
        order = some.filter(order.contains) + order.filter { !some.contains($0) }
      default:
        for partition in some { positions.update(partition) { $0.seek(to: Int64(step)) } }
        for partition in some where order.contains(partition) { #expect(positions[partition]?.offset == Int64(step)) }
      }
      #expect(positions.order.map { positions.slots[$0].topicPartition } == order, "seed \(seed), step \(step)")
      #expect(Set(positions.partitions) == Set(order), "seed \(seed), step \(step)")
      for partition in all {
        let found = positions[partition]?.topicPartition
        #expect(found == (order.contains(partition) ? partition : nil), "seed \(seed), step \(step)")
      }
    }
  }
}
