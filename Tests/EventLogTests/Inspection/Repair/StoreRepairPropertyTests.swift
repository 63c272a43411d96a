import EventLog
import EventLogTesting
import Foundation
import RecordFormat
import Testing
import SegmentStore

/// Damages stores at random, and holds what a repair leaves against what was in them.
@Suite("A repair of a store that was damaged at random")
struct StoreRepairPropertyTests {
  /// Changes some files; says what it did.
  private func damage(_ world: RepairWorld, _ random: inout SplitMix) throws -> [String] {
    var told: [String] = []
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let logs = try world.files(".log").filter { (try? RepairWorld.read($0).isEmpty) == false }
      guard let log = logs.randomElement(using: &random) else { break }
      let kind = Int.random(in: 0..<8, using: &random)
      var file = log
      if kind >= 5 {
        let suffix = [".index", ".timeindex", ".txnindex", ".snapshot"].randomElement(using: &random) ?? ""
        guard let other = try world.files(suffix).randomElement(using: &random) else { continue }
        file = other
      }
      let size = try RepairWorld.read(file).count
      guard size > 0 else { continue }
      let place = Int.random(in: 0..<size, using: &random)
      let count = Int.random(in: 1...400, using: &random)
      let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
      told.append(
        "\(kind) \(file.split(separator: "/").suffix(2).joined(separator: "/")) at \(place), \(count), \(bit)")
      switch kind {
      case 0, 1, 6: try world.change(file) { $0[place] ^= bit }
      case 2: try world.change(file) { for index in place..<min(size, place + count) { $0[index] = 0 } }
      case 3:
        try world.change(file) { for index in place..<min(size, place + count) { $0[index] = UInt8(index & 0xff) } }
      case 4: try world.change(file) { $0.removeLast(min(count, size)) }
      case 5: try FileManager.default.removeItem(atPath: file)
      default: try world.change(file) { $0.removeLast(min(size, count)) }
      }
    }
    return told
  }

  private func isIntact(_ batch: StoredBatch) -> Bool {
    guard let bytes = try? RepairWorld.read(batch.file), bytes.count >= batch.position + batch.bytes.count else {
      return false
    }
    let now = Array(bytes[batch.position..<(batch.position + batch.bytes.count)])
    return now[..<12] == batch.bytes[..<12] && now[16...] == batch.bytes[16...]
  }

  @Test(
    "keeps every batch that was right, returns none that was not, and tells of all that is gone; the store goes on",
    arguments: 0..<150 as Range<UInt64>)
  func random(seed: UInt64) async throws {
    let world = try RepairWorld()
    var random = RepairWorld.random(seed &+ 7_000)
    let isClean = Int.random(in: 0..<3, using: &random) > 0
    try world.fill(seed: seed, isClean: isClean)
    let before = try (0..<2).map { try world.batches(partition: $0) }
    let told = try damage(world, &random)
    let note: Comment = "seed \(seed), clean \(isClean): \(told)"
    let intact = before.map { $0.filter(isIntact) }

    let report = try world.repair.run()
    #expect(report.notRepaired == 0, "\(note) \(report.findings)")
    let check = try StoreVerifier(path: world.path).run()
    #expect(check.faults == [], note)
    let second = try world.repair.run().findings
    #expect(second == [], "\(note) \(report.findings)")

    let repaired = try (0..<2).map { try world.batches(partition: $0) }
    for partition in 0..<2 {
      let after = repaired[partition]
      let known = Set(before[partition].map(\.comparable))
      for batch in after where !batch.isControl {
        let isKnown = known.contains(batch.comparable)
        #expect(isKnown, "\(note): a batch at \(batch.base) that nobody wrote")
      }
      let kept = Set(after.map(\.comparable))
      for batch in intact[partition] {
        let isKept = kept.contains(batch.comparable)
        #expect(isKept, "\(note): the batch at \(batch.base) of \(partition) is gone")
      }
      let losses = report.losses.filter { $0.topicPartition.partition == partition }
      for batch in before[partition] where !batch.isControl && !kept.contains(batch.comparable) {
        let isTold =
          losses.contains { $0.offsets.contains(batch.base) && $0.offsets.contains(batch.next - 1) }
          // What was not on the disk when the store was killed may be cut as a crash would have cut it.
          || !isClean
        #expect(isTold, "\(note): nothing was said of \(batch.base) to \(batch.next - 1) of \(partition): \(losses)")
      }
    }

    let broker = try Broker.open(world.path, RepairWorld.quiet())
    var producer = ProducerConfiguration()
    producer.enableIdempotence = false
    for partition in 0..<2 {
      let values = try await RepairWorld.values(broker, partition)
      // What the repair left, and not what the opening left of that.
      for batch in repaired[partition] where !batch.isControl {
        #expect(values[batch.next - 1] != nil, "\(note): offset \(batch.next - 1) of \(partition) can't be read")
      }
      let metadata = try broker.producer(producer).append(
        ProducerRecord(topic: "a", partition: partition, key: "k", value: "goes on"))
      if isClean, let end = before[partition].last?.next { #expect(metadata.offset >= end, note) }
      #expect(try await RepairWorld.values(broker, partition)[metadata.offset] == "goes on", note)
    }
    try broker.close()
    let last = try StoreVerifier(path: world.path).run().faults
    #expect(last == [], note)
  }

  @Test("that is a dry one changes nothing, and says what the repair then does", arguments: 0..<20 as Range<UInt64>)
  func dryRun(seed: UInt64) throws {
    let world = try RepairWorld()
    var random = RepairWorld.random(seed &+ 9_000)
    try world.fill(seed: seed)
    let told = try damage(world, &random)
    func state() throws -> [String: [UInt8]] {
      var state: [String: [UInt8]] = [:]
      for file in try FileManager.default.subpathsOfDirectory(atPath: world.path)
      where !file.hasPrefix(".lock") && !file.hasPrefix("metadata.sqlite") {
        state[file] = (try? RepairWorld.read(world.path + "/" + file)) ?? []
      }
      return state
    }
    let before = try state()
    let planned = try world.repair.run(dryRun: true)
    let isUnchanged = try state() == before
    #expect(isUnchanged, "seed \(seed): \(told)")
    let done = try world.repair.run()
    #expect(planned.losses == done.losses, "seed \(seed): \(told)")
    #expect(Set(planned.findings).isSubset(of: Set(done.findings)), "seed \(seed): \(told)")
  }
}
