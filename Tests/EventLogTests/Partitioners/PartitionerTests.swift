import SegmentStore
import Testing

@testable import EventLog

@Suite("The default partitioner")
struct PartitionerTests {
  @Test(
    "hashes keys as Kafka's clients do",
    arguments: [
      ("21", Int32(-973_932_308)), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
      ("a-little-bit-longer-string", -1_486_304_829),
      ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
    ])
  func murmur2(key: String, hash: Int32) {
    let bytes = Array(key.utf8)
    #expect(Int32(bitPattern: Murmur2.hash(bytes.span.bytes)) == hash)
    let partition = Murmur2.partition(bytes.span.bytes, of: 7)
    #expect(partition == Int(UInt32(bitPattern: hash) & 0x7fff_ffff) % 7)
  }

  @Test("stays with one partition until a batch is full, and treats all alike in the end")
  func sticky() {
    let sticky = StickyPartition(batchSize: 1000, RandomSource.system.generator(for: ""))
    var counts = [0, 0, 0, 0]
    var last = -1
    var changes = 0
    for _ in 0..<40_000 {
      let partition = sticky.partition(of: 4, adding: 100)
      counts[partition] += 1
      if partition != last { changes += 1 }
      last = partition
    }
    #expect(changes <= 4001)
    #expect(counts.allSatisfy { $0 > 8000 && $0 < 12_000 }, "\(counts)")
  }

  @Test("keeps to the partitions that there are when they change")
  func fewer() {
    let sticky = StickyPartition(batchSize: 1_000_000, RandomSource.system.generator(for: ""))
    for count in [8, 4, 1, 3] { #expect(sticky.partition(of: count, adding: 1) < count) }
  }
}
