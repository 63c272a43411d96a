import CLimits
import EventLog

/// Reads everything from the start and sums every byte of every value.
extension Workloads {
  static func replay(_ size: Size) -> [Workload] {
    [
      replay(size, 100, batches: 20_000, [.peer("LMDB", 2.2), .limit("a bare", 0.75)]),
      replay(size, 1024, batches: 3_000, [.peer("LevelDB", 1.1), .limit("a bare", 0.9)]),
    ]
  }

  private static func replay(_ size: Size, _ valueSize: Int, batches full: Int, _ targets: [Target]) -> Workload {
    let payload = Payload(valueSize)
    let batches = size.count(full)
    let count = batches * 100
    let bytes = count * (valueSize + 30) + batches * 61 + (1 << 20)
    return Workload(
      id: "replay-\(valueSize)", name: "replay from the start, touching every byte, \(sizeName(valueSize))",
      measures: [.rate("records a second")], targets: targets,
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          let (broker, producer) = try open(directory, acks: .leader)
          let records = (0..<100).map { _ in Record(key: payload.key, value: payload.value) }
          for _ in 0..<batches { try producer.append(records, to: topicPartition) }
          let time = try await replayTime(broker, count: count)
          try broker.close()
          return [Double(count) / time]
        },
        .init(name: "limit: a bare decode loop", kind: .limit) { directory in
          try withMapping(directory, bytes) { base, _ in
            let size = limit_encode(base, payload.key, payload.value, valueSize, batches, 100)
            return [Double(count) / seconds { precondition(limit_decode(base, size) != 0) }]
          }
        },
      ]
        + peers(.unsynced) { peer, directory in
          let store = try peer.open(directory, .unsynced)
          let session = try store.connect()
          var record = payload.record
          let rounds = peer.isServer ? batches / 10 : batches / 2
          for _ in 0..<max(1, rounds) { try session.append(&record, count: 100) }
          var found = (count: 0, sum: UInt64(0))
          let time = try seconds { found = try session.replay() }
          guard found.count == max(1, rounds) * 100 else {
            throw PeerError(description: "\(peer.name): \(found.count) records of \(max(1, rounds) * 100) were read")
          }
          return [Double(found.count) / time]
        })
  }

  /// How long it takes to read so many records of partition 0 and to touch every byte of their values.
  static func replayTime(_ broker: Broker, count: Int, _ isolation: Isolation = .readUncommitted) async throws -> Double
  {
    var configuration = ConsumerConfiguration()
    configuration.maxPollRecords = 100_000
    configuration.isolation = isolation
    let consumer = try broker.consumer(configuration)
    try consumer.assign([topicPartition])
    try consumer.seekToBeginning()
    var seen = 0
    var sum: UInt64 = 0
    let time = try await seconds {
      while seen < count {
        for batch in try await consumer.poll(timeout: .zero).batches {
          batch.forEachRecord { record in
            if let value = record.value { sum &+= touch(value) }
          }
          seen += batch.count
        }
      }
    }
    precondition(sum != 0)
    try await consumer.close()
    return time
  }
}
