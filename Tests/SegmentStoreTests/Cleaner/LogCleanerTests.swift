import RecordFormat
import SegmentStore
import SegmentStoreTesting
import Testing

/// Kafka's `LogCleanerTest` scenarios: records by segment, and what survives.
@Suite("The log cleaner")
struct LogCleanerTests {
  @Test("keeps of each key the latest record, at its offset, and leaves the active segment alone")
  func latest() throws {
    let world = try CleanerWorld()
    for (key, value) in [("a", "1"), ("b", "1"), ("a", "2")] { try world.put(key, value) }
    try world.roll()
    for (key, value) in [("b", "2"), ("c", "1")] { try world.put(key, value) }
    try world.roll()
    try world.put("a", "3")
    let stats = try world.clean()
    #expect(stats.cleanedTo == 5)
    #expect(
      try world.read().map(\.description) == [
        "2:a=2@1000000", "3:b=2@1000000", "4:c=1@1000000", "5:a=3@1000000",
      ])
    #expect(world.log.segments.map(\.baseOffset) == [0, 5], "two closed segments became one")
    #expect(world.log.logStartOffset == 0)
    #expect(world.log.logEndOffset == 6)
    #expect(try world.log.read(from: 0, maxBytes: 1).batches.first?.header.baseOffset == 2)
    try world.reopen()
    #expect(try world.read().count == 4)
    #expect(world.log.logEndOffset == 6)
  }

  @Test(
    "keeps the shape of batches: base and last offset, though records of it are gone",
    arguments: [
      CompressionType.none, .gzip, .snappy, .lz4, .zstd,
    ])
  func shape(compression: CompressionType) throws {
    let world = try CleanerWorld()
    try world.put([("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")], compression: compression)
    try world.put([("a", "2"), ("d", "2")], compression: compression)
    try world.roll()
    try world.clean()
    let batches = try world.batches()
    #expect(
      batches.map { [$0.header.baseOffset, $0.header.lastOffset, Int64($0.header.recordCount)] } == [
        [0, 3, 2], [4, 5, 2],
      ])
    #expect(batches.allSatisfy { $0.header.attributes.compression == compression })
    #expect(try world.read().map(\.offset) == [1, 2, 4, 5])
    let log = try Files.read(world.log.segments[0].files.log)
    try world.put("e", "1")
    try world.roll()
    try world.clean()
    #expect(try Files.read(world.log.segments[0].files.log).starts(with: log), "a batch of which all stays is copied")
  }

  @Test("stamps a tombstone at the first pass, and drops it at one after its horizon: never at once")
  func tombstones() throws {
    let world = try CleanerWorld()
    try world.put("a", "1")
    try world.put([("a", nil), ("b", "1")], timestamp: world.now - 5)
    try world.roll()
    world.now += 1_000_000
    try world.clean()
    #expect(try world.read().map(\.description) == ["1:a=null@999995", "2:b=1@999995"])
    #expect(try world.batches().first?.header.deleteHorizon == world.now + 1000)
    world.now += 999
    try world.put("x", "1")
    try world.roll()
    try world.clean()
    #expect(try world.offsets() == [1, 2, 3], "not before the horizon")
    #expect(try world.batches().first?.header.deleteHorizon == world.now + 1, "it is set once")
    world.now += 1
    try world.put("x", "2")
    try world.roll()
    try world.clean()
    #expect(
      try world.read().map(\.description)
        == ["2:b=1@999995", "4:x=2@2000999"].map { $0.replacing("2000999", with: "\(world.now)") })
  }

  @Test("is done with a segment whose last records a crash took, up to where the next one begins")
  func lostEnd() throws {
    let whole = try CleanerWorld()
    for number in 0..<7 { try whole.put("a", "\(number)") }
    try whole.roll()
    try whole.put("b", "1")
    let segments = whole.log.segments
    let last = try #require(try whole.batches().first { $0.header.baseOffset == 6 })
    let torn = try Files.read(segments[0].files.log).dropLast(last.header.sizeInBytes)
    let next = try Files.read(segments[1].files.log).prefix(segments[1].size)
    let world = try CleanerWorld(segments: [Array(torn), Array(next)])
    // It was clean up to there before, as a segment of its own.
    world.checkpoint = 6
    #expect(try world.range().cleanableBytes > 0)
    #expect(try world.clean().cleanedTo == 7)
    #expect(try world.range().cleanableBytes == 0, "else the cleaner would never come to rest")
    #expect(try world.offsets() == [0, 1, 2, 3, 4, 5, 7])
  }

  @Test("drops a tombstone at once that a later record supersedes, and never brings a deleted key back")
  func superseded() throws {
    let world = try CleanerWorld { $0.deleteRetentionMilliseconds = 0 }
    try world.put("a", "1")
    try world.put("a", nil)
    try world.put("a", "2")
    try world.put("b", nil)
    try world.roll()
    try world.clean()
    #expect(try world.offsets() == [2, 3], "even with no retention it takes two passes")
    try world.put("c", "1")
    try world.roll()
    try world.clean()
    #expect(try world.offsets() == [2, 4])
  }

  @Test("drops records without a key, which a topic has from before it was compacted")
  func nullKeys() throws {
    let world = try CleanerWorld(segments: [CraftedBatch.record(0, "no key") + CraftedBatch.record(1, "no key")])
    try world.put("a", "1")
    try world.roll()
    try world.clean()
    #expect(try world.offsets() == [2])
  }

  @Test("leaves alone what is younger than min.compaction.lag.ms, and what comes after it")
  func minLag() throws {
    let world = try CleanerWorld { $0.minCompactionLagMilliseconds = 100 }
    for step in 0..<3 {
      try world.put("a", "\(step)", timestamp: world.now + Int64(step) * 100)
      try world.roll()
    }
    try world.put("a", "active", timestamp: world.now)
    world.now += 100
    #expect(try world.range().firstUncleanableOffset == 1)
    world.now += 100
    #expect(try world.range().firstUncleanableOffset == 2)
    try world.clean()
    #expect(try world.offsets() == [1, 2, 3])
  }

  @Test("is due by the share of what is dirty, strictly above the ratio, or by max.compaction.lag.ms")
  func due() throws {
    let world = try CleanerWorld { $0.minCleanableDirtyRatio = 0.5 }
    #expect(try !world.range().isDue(world.configuration))
    try world.put("a", "1")
    #expect(try !world.range().isDue(world.configuration), "only the active segment")
    try world.roll()
    #expect(try world.range().ratio == 1)
    #expect(try world.range().isDue(world.configuration))
    try world.clean()
    #expect(try !world.range().isDue(world.configuration))
    try world.put("b", "1")
    try world.roll()
    #expect(try world.range().ratio == 0.5)
    #expect(try !world.range().isDue(world.configuration))
    var lag = world.configuration
    lag.maxCompactionLagMilliseconds = 1000
    world.log.update(lag)
    world.now += 1000
    #expect(try !world.range().isDue(lag))
    world.now += 1
    #expect(try world.range().isDue(lag))
    world.checkpoint = 1_000_000
    #expect(try world.range().firstDirtyOffset == 0, "a checkpoint beyond the log end is of no use")
    #expect(try world.range().resetsCheckpoint)
  }

  @Test("with a map that is too small, cleans as far as that goes, and the rest in the next passes")
  func smallMap() throws {
    let world = try CleanerWorld(segmentBytes: 2000)
    for number in 0..<400 { try world.put("key \(number % 100)", "value \(number)") }
    try world.roll()
    world.options.dedupeBufferBytes = 24 * 30
    var passes = 0
    while try world.range().cleanableBytes > 0 {
      let before = world.checkpoint ?? 0
      try world.clean()
      #expect((world.checkpoint ?? 0) > before)
      passes += 1
    }
    #expect(passes > 10)
    #expect(try world.read().map(\.offset) == Array(300..<400))
  }

  @Test("merges neighbours as far as segment.bytes allows")
  func groups() throws {
    let world = try CleanerWorld(segmentBytes: 1000)
    for number in 0..<100 { try world.put("key \(number % 10)", "value \(number)") }
    try world.roll()
    let before = world.log.segments.count
    try world.clean()
    try world.put("x", "1")
    try world.roll()
    try world.clean()
    #expect(world.log.segments.count < before / 3)
    #expect(world.log.segments.allSatisfy { $0.size <= 1000 })
    #expect(try world.read().map(\.offset) == Array(90...100))
    for offset in 0..<100 {
      #expect(
        try world.log.read(from: Int64(offset), maxBytes: 1).batches.first?.header.baseOffset == max(90, Int64(offset)))
    }
    #expect(try world.log.offset(forTimestamp: 0)?.offset == 90)
  }

  @Test("keeps the last batch of the range as a header, so that the end of what was cleaned is known")
  func lastOffset() throws {
    let world = try CleanerWorld()
    try world.put("a", "1")
    try world.put("b", nil)
    try world.roll()
    try world.clean()
    world.now += 1000
    try world.put("a", "2")
    try world.put("b", nil)
    try world.roll()
    try world.clean()
    world.now += 1000
    world.checkpoint = 0
    try world.clean()
    let batches = try world.batches()
    #expect(batches.map { [$0.header.baseOffset, Int64($0.header.recordCount)] } == [[2, 1], [3, 0]])
    #expect(batches.last?.header.attributes.hasDeleteHorizon == false)
    try world.reopen()
    #expect(world.log.logEndOffset == 4)
    #expect(try world.read().map(\.offset) == [2])
  }
}

/// `LogCleanerTest`: producers and transactions.
@Suite("The log cleaner and transactions")
struct LogCleanerTransactionTests {
  @Test("keeps a producer's last batch as an empty header with its sequences, until another takes its place")
  func lastSequence() throws {
    let world = try CleanerWorld(segments: [
      ProducerBatch.data(0, [("a", "1"), ("b", "1")], producer: 7, sequence: 10)
        + ProducerBatch.data(2, [("a", "2")], producer: 8, sequence: 0)
        + ProducerBatch.data(3, [("b", "2")], producer: 8, sequence: 1)
    ])
    try world.roll()
    try world.clean()
    let header = try #require(try world.batches().first?.header)
    #expect(header.recordCount == 0 && header.producerID == 7 && header.baseSequence == 10 && header.lastSequence == 11)
    #expect(header.lastOffset == 1 && header.maxTimestamp == 1_000_000 && header.baseTimestamp == -1)
    #expect(try world.offsets() == [2, 3])
    // A producer that has not written for producer.id.expiration.ms has no sequence to remember.
    world.now += 86_400_000
    try world.put("c", "1")
    try world.roll()
    try world.clean()
    #expect(try world.batches().map(\.header.baseOffset) == [2, 3, 4])
  }

  @Test("forgets a producer after the broker's producer.id.expiration.ms, and one with a name never")
  func producerExpiration() throws {
    for (isNamed, age, isKept) in [(false, 999, true), (false, 1000, false), (true, 1000, true), (true, 1 << 40, true)]
    {
      let world = try CleanerWorld(segments: [ProducerBatch.data(0, [("a", "1")], producer: 7, sequence: 10)])
      try world.put("a", "2")
      try world.roll()
      world.now += Int64(age)
      let context = StoreContext(producerIDExpiration: 1000)
      defer { context.shutDown() }
      if isNamed { context.keepProducer(7) }
      _ = try LogCleaner(context: context).clean(world.log, try world.range(), now: world.now)
      #expect(try world.batches().map(\.header.baseOffset) == (isKept ? [0, 1] : [1]), "\(isNamed), \(age)")
    }
  }

  @Test("drops aborted records at once, and does not let them stand for committed ones")
  func aborted() throws {
    let world = try CleanerWorld(segments: [
      ProducerBatch.data(0, [("a", "committed"), ("b", "1")], producer: 1)
        + ProducerBatch.data(2, [("a", "aborted")], producer: 2, isTransactional: true)
        + ProducerBatch.marker(3, false, producer: 2)
        + ProducerBatch.data(4, [("b", "2")], producer: 2, sequence: 1, isTransactional: true)
        + ProducerBatch.marker(5, true, producer: 2)
    ])
    try world.roll()
    try world.clean()
    #expect(try world.offsets() == [0, 4])
    #expect(try world.batches().map(\.header.baseOffset) == [0, 3, 4, 5], "markers stay until their time is over")
  }

  @Test("a transaction that was aborted in the clean part says nothing of its producer's later ones")
  func abortedBefore() throws {
    let world = try CleanerWorld(segments: [
      ProducerBatch.data(0, [("a", "old")], producer: 1)
        + ProducerBatch.data(1, [("x", "aborted")], producer: 2, isTransactional: true)
        + ProducerBatch.marker(2, false, producer: 2),
      ProducerBatch.data(3, [("a", "committed")], producer: 2, sequence: 1, isTransactional: true)
        + ProducerBatch.marker(4, true, producer: 2),
    ])
    try world.roll()
    // The first segment was cleaned before; its marker stays as long as its producer's last batch.
    world.checkpoint = 3
    try world.clean()
    #expect(try world.read().map(\.value) == ["committed"])
  }

  @Test("a reader that is still at the old segment finds in the new index all that was aborted, however it overlaps")
  func overlappingAborted() throws {
    let world = try CleanerWorld(segments: [
      ProducerBatch.data(0, [("a", "1")], producer: 1)
        + ProducerBatch.data(1, [("b", "aborted")], producer: 3, isTransactional: true)
        + ProducerBatch.data(2, [("c", "aborted")], producer: 2, isTransactional: true)
        + ProducerBatch.marker(3, false, producer: 2)
        + ProducerBatch.data(4, [("d", "4")], producer: 1, sequence: 1)
        + ProducerBatch.marker(5, false, producer: 3)
    ])
    let before = world.log.abortedTransactions(from: 0, below: 3)
    #expect(before.map(\.producerID) == [2, 3])
    try world.roll()
    try world.clean()
    #expect(world.log.abortedTransactions(from: 0, below: 3) == before)
  }

  @Test("an open transaction holds it back")
  func open() throws {
    let world = try CleanerWorld(segments: [
      ProducerBatch.data(0, [("a", "1")], producer: 1),
      ProducerBatch.data(1, [("a", "2")], producer: 2, isTransactional: true),
    ])
    try world.put("a", "3")
    try world.roll()
    #expect(try world.range().firstUncleanableOffset == 1)
    try world.clean()
    #expect(try world.offsets() == [0, 1, 2])
  }

  @Test(
    "a marker goes once nothing of its transaction is left and its horizon is over; a producer's empty batch keeps it")
  func markers() throws {
    let world = try CleanerWorld(segments: [
      ProducerBatch.data(0, [("a", "1")], producer: 1, isTransactional: true)
        + ProducerBatch.marker(1, true, producer: 1)
        + ProducerBatch.data(2, [("x", "aborted")], producer: 2, isTransactional: true)
        + ProducerBatch.marker(3, false, producer: 2)
    ])
    try world.put("a", "2")
    try world.roll()
    try world.clean()
    // Both data batches are the last of their producers: empty, and so the markers stay without a horizon.
    #expect(
      try world.batches().map { [$0.header.baseOffset, Int64($0.header.recordCount)] } == [
        [0, 0], [1, 1], [2, 0], [3, 1], [4, 1],
      ])
    #expect(try world.batches().allSatisfy { $0.header.deleteHorizon == nil })
    // The producers expire: their batches go, and the markers' time begins.
    world.now += 86_400_000
    try world.put("a", "3")
    try world.roll()
    try world.clean()
    var headers = try world.batches().map(\.header)
    #expect(headers.map(\.baseOffset) == [1, 3, 5] || headers.map(\.baseOffset) == [1, 3, 4, 5])
    try world.put("a", "4")
    try world.roll()
    try world.clean()
    headers = try world.batches().map(\.header)
    #expect(headers.filter(\.attributes.isControl).map(\.baseOffset) == [1, 3])
    #expect(headers.filter(\.attributes.isControl).allSatisfy { $0.deleteHorizon != nil })
    world.now += 1000
    try world.put("a", "5")
    try world.roll()
    try world.clean()
    #expect(try world.batches().filter(\.header.attributes.isControl).isEmpty)
    #expect(try world.read().last?.value == "5")
  }

  @Test("a marker that lies in the active segment counts for what was cleaned")
  func markerInActive() throws {
    let world = try CleanerWorld(segments: [
      ProducerBatch.data(0, [("a", "old")], producer: 1)
        + ProducerBatch.data(1, [("a", "aborted")], producer: 2, isTransactional: true),
      ProducerBatch.marker(2, false, producer: 2),
    ])
    try world.clean()
    #expect(try world.read().map(\.value) == ["old"])
  }
}
