import EventLog
import EventLogTesting
import Testing
import SegmentStore

@Suite("An expectation")
struct ExpectationTests {
  @Test("that is not met shows what was there, what is missing, and what is too much")
  func picture() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("orders", partitions: 2)
      try await broker.produce("orders", ["a": "1", "b": "2"], partition: 0)
      try await broker.produce("orders", [Record(key: Array("c".utf8), value: nil)], partition: 1)
      // Not within a macro, which would have a line of its own.
      let line = #line + 3
      var failure: (any Error)?
      do {
        try await broker.expectRecords(in: "orders", ["a=1", "x=9", "c=∅"])
      } catch { failure = error }
      #expect(
        failure.map { "\($0)" } == """
          topic orders: expected 3 records, found 3 records; - is missing, + is too much
               partition  offset  key  value
               0          0       a    1
            -                     x    9
            +  0          1       b    2
               1          0       c    ∅
          (expected at EventLogTestingTests/ExpectationTests.swift:\(line))
          """)
    }
  }

  @Test("is met by exactly these records")
  func met() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", [Record(key: [0xff, 1], value: [], headers: [.init("h", "v")], timestamp: 5)])
      try await broker.produce("t", ["k": "v"])
      try await broker.expectRecords(
        in: "t",
        [.init(key: [0xff, 1], value: [], partition: 0, offset: 0, timestamp: 5, headers: [.init("h", "v")]), "k=v"])
      try await broker.expectRecords(in: "t", ["k=v", .init(key: [0xff, 1], value: [])], inAnyOrder: true)
      for wrong in [
        ["k=v"], ["k=v", "k=v"], ["k=v", .init(key: [0xff, 1], value: nil)], [],
        [.init(key: [0xff, 1], value: [], offset: 1), "k=v"], [.init(key: [0xff, 1], value: [], headers: []), "k=v"],
      ] as [[ExpectedRecord]] {
        for inAnyOrder in [false, true] {
          let failure = await #expect(throws: ExpectationFailure.self) {
            try await broker.expectRecords(in: "t", wrong, inAnyOrder: inAnyOrder)
          }
          #expect(failure?.description.contains("\\xff\\x01") == true)
        }
      }
    }
  }

  @Test("of committed offsets shows both")
  func committed() async throws {
    try await withTestBroker { broker in
      try await broker.produce("t", values: ["a", "b"])
      try broker.expectCommitted(by: "g", [:])
      #expect(try await broker.drain("t", group: "g").count == 2)
      try broker.expectCommitted(by: "g", [TopicPartition("t", 0): 2])
      let failure = #expect(throws: ExpectationFailure.self) {
        try broker.expectCommitted(by: "g", [TopicPartition("t", 0): 1])
      }
      #expect(failure?.description.contains("  -  t-0  1\n  +  t-0  2") == true)
    }
  }

  @Test("of any records and any expectation is met just where they are the same, by a model", arguments: UInt64(0)..<20)
  func model(seed: UInt64) async throws {
    var generator = SplitMix(seed: seed)
    let found = (0..<Int.random(in: 0..<30, using: &generator)).map { _ in Int.random(in: 0..<4, using: &generator) }
    try await withTestBroker(seed: seed) { broker in
      try await broker.produce("t", values: found.map { "\($0)" })
      for _ in 0..<20 {
        var expected = found
        if Bool.random(using: &generator), !expected.isEmpty {
          expected.remove(at: Int.random(in: expected.indices, using: &generator))
        }
        if Bool.random(using: &generator) {
          expected.insert(
            Int.random(in: 0..<4, using: &generator), at: Int.random(in: 0...expected.count, using: &generator))
        }
        let inAnyOrder = Bool.random(using: &generator)
        let isSame = inAnyOrder ? expected.sorted() == found.sorted() : expected == found
        var wasMet = true
        do {
          try await broker.expectRecords(in: "t", expected.map { .init(value: "\($0)") }, inAnyOrder: inAnyOrder)
        } catch let failure as ExpectationFailure {
          wasMet = false
          // As many lines as it takes: each record once, each that is missing once.
          let rows = failure.description.split(separator: "\n").dropFirst(2).dropLast()
          let missing = rows.count { $0.hasPrefix("  -") }
          let unexpected = rows.count { $0.hasPrefix("  +") }
          #expect(rows.count - missing == found.count, "seed \(seed)")
          #expect(rows.count - unexpected == expected.count, "seed \(seed)")
        }
        #expect(wasMet == isSame, "seed \(seed): \(found) and \(expected)")
      }
    }
  }
}
