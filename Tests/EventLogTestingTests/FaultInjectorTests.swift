import EventLog
import EventLogTesting
import Testing

@Suite("A fault injector")
struct FaultInjectorTests {
  private func code(_ body: () async throws -> Void) async -> EventLogError.Code? {
    do {
      try await body()
      return nil
    } catch { return (error as? EventLogError)?.code }
  }

  @Test("fails the chosen sync: that partition refuses writes until it is opened again, the others go on")
  func sync() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 2)
      let producer = try broker.producer()
      try await producer.send("t", partition: 0, value: "a")
      broker.faults.fail(.sync, nth: 2, matching: "t-0/")
      try await producer.send("t", partition: 0, value: "b")
      #expect(await code { try await producer.send("t", partition: 0, value: "lost") } == .storageError)
      #expect(await code { try await producer.send("t", partition: 0, value: "more") } == .storageError)
      try await producer.send("t", partition: 1, value: "c")
      broker.faults.heal()
      #expect(await code { try await producer.send("t", partition: 0, value: "more") } == .storageError)
      try broker.restart(after: .kill)
      try await broker.produce("t", values: ["d"], partition: 0)
      let values = try await broker.drain("t").map(\.valueString)
      #expect(values.first == "a" && values.contains("d") && values.contains("c"))
    }
  }

  @Test("fails from a call on, for as long as it is told to")
  func times() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      broker.faults.fail(.makeDirectory, times: 2, with: .diskFull)
      for _ in 0..<2 { #expect(await code { try broker.admin.createTopic("u") } == .diskFull) }
      try broker.admin.createTopic("u")
      broker.faults.fail(.makeDirectory, times: nil)
      for name in ["v", "w", "x"] { #expect(await code { try broker.admin.createTopic(name) } == .inputOutput) }
      broker.faults.heal()
      try broker.admin.createTopic("v")
      #expect(try broker.admin.listTopics() == ["t", "u", "v"])
    }
  }

  @Test("fills the disk: the append that finds no room changes nothing, and can be made again")
  func diskFull() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t")
      let producer = try broker.producer()
      broker.faults.fillDisk(after: 20_000)
      var sent = 0
      while await code({ try await producer.send("t", value: String(repeating: "x", count: 1000)) }) == nil {
        sent += 1
      }
      #expect((15..<20).contains(sent))
      #expect(await code { try await producer.send("t", value: String(repeating: "x", count: 1000)) } == .diskFull)
      broker.faults.heal()
      try await producer.send("t", value: "room again")
      #expect(try await broker.drain("t").count == sent + 1)
    }
  }

  @Test("holds a sync: the record is not acknowledged and not seen until the gate opens")
  func slowSync() async throws {
    try await withTestBroker(clock: TestClock()) { broker in
      try broker.admin.createTopic("t")
      let gate = broker.faults.hold(.sync)
      async let sent = broker.producer().send("t", value: "slow")
      try await gate.reached()
      try await broker.expectRecords(in: "t", [])
      // What is held is not waited for.
      try await broker.advance(by: .milliseconds(200))
      gate.open()
      #expect(try await sent.offset == 0)
      try await broker.expectRecords(in: "t", ["slow"])
    }
  }

  @Test("opens its gates when the broker is closed")
  func closing() async throws {
    let broker = try TestBroker()
    try broker.admin.createTopic("t")
    let gate = broker.faults.hold(.sync)
    let delivery = try broker.producer().enqueue(ProducerRecord(topic: "t", value: "x"))
    try await gate.reached()
    try broker.close()
    #expect(try await delivery.metadata.offset == 0)
  }

  @Test("damages a stored batch: whoever reaches it is told where, whoever seeks past it goes on")
  func corruption() async throws {
    try await withTestBroker { broker in
      for value in ["a", "b", "c"] { try await broker.produce("t", values: [value]) }
      try broker.corrupt("t", offset: 1)
      let error = await #expect(throws: EventLogError.self) { try await broker.drain("t") }
      #expect(error?.code == .corruptMessage)
      #expect(error?.offset == 1)
      let consumer = try broker.consumer()
      try consumer.assign([TopicPartition("t", 0)])
      try consumer.seek(TopicPartition("t", 0), to: 2)
      try broker.expect(try await consumer.poll(timeout: .zero), toBe: ["c"])
      #expect(await code { try broker.corrupt("t", offset: 3) } == .offsetOutOfRange)
      #expect(await code { try broker.corrupt("t", offset: 0, byte: 1000) } == .illegalArgument)
    }
  }

  @Test("fails reads where there are any: while a broker opens after a crash")
  func reads() async throws {
    try await withTestBroker { broker in
      try broker.admin.createTopic("t", partitions: 2)
      try await broker.produce("t", values: ["a"], partition: 0)
      try await broker.produce("t", values: ["b"], partition: 1)
      try broker.restart(after: .kill)
      #expect(broker.faults.count(of: .read) > 0)
      try await broker.expectRecords(in: "t", ["a", "b"])
    }
  }
}
