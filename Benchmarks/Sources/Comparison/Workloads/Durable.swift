import CLimits
import CPeers
import EventLog

/// Appends with acks=all: what was acknowledged survives a power cut.
extension Workloads {
  static func durable(_ size: Size) -> [Workload] {
    [
      durable(size, perBatch: 1, [.peer("WiredTiger", 1), .limit("store", 0.95)]),
      durable(size, perBatch: 100, [.peer("LevelDB", 1.5), .limit("store", 0.85)]),
      durableFromMany(size),
    ]
  }

  private static let valueSize = 100

  private static func durable(_ size: Size, perBatch: Int, _ targets: [Target]) -> Workload {
    let payload = Payload(valueSize)
    let batches = size.count(5_000)
    return Workload(
      id: perBatch == 1 ? "durable-one" : "durable-batch",
      name: "append, \(perBatch == 1 ? "one record a call" : "batches of \(perBatch)"), acks=all, one producer, 100 B",
      measures: [.rate("records a second")], targets: targets,
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          let (broker, producer) = try open(directory, acks: .all)
          let records = (0..<perBatch).map { _ in Record(key: payload.key, value: payload.value) }
          let (key, value) = (payload.key, payload.value)
          let rate = try rate(batches, limit: size.limit) {
            if perBatch == 1 {
              try producer.append(to: topicPartition, key: key.span.bytes, value: value.span.bytes)
            } else {
              try producer.append(records, to: topicPartition)
            }
          }
          try broker.close()
          return [rate * Double(perBatch)]
        },
        .init(name: "limit: store and fdatasync", kind: .limit) { directory in
          [try syncRate(directory, bytes: perBatch * (valueSize + 24) + 61, batches, size) * Double(perBatch)]
        },
      ]
        + peers(.synced) { peer, directory in
          let session = try peer.open(directory, .synced).connect()
          var record = payload.record
          return [
            Double(perBatch) * (try rate(batches, limit: size.limit) { try session.append(&record, count: perBatch) })
          ]
        })
  }

  private static func durableFromMany(_ size: Size) -> Workload {
    let payload = Payload(valueSize)
    let producers = 64
    let each = size.count(1_000)
    return Workload(
      id: "durable-64", name: "append, acks=all, 64 producers each waiting for its record, 100 B",
      measures: [.rate("records a second")],
      targets: [.eventLog("one producer", 20), .peer("Redis", 3), .peer("LevelDB", 3), .limit("64 times", 0.3)],
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          [try await durableRate(directory, producers: producers, each: each)]
        },
        .init(name: "EventLog, one producer", kind: .eventLog) { directory in
          [try await durableRate(directory, producers: 1, each: 4 * each)]
        },
        .init(name: "limit: 64 times the rate of store and fdatasync", kind: .limit) { directory in
          [try syncRate(directory, bytes: valueSize + 85, size.count(5_000), size) * Double(producers)]
        },
      ]
        + peers(.synced) { peer, directory in
          let store = try peer.open(directory, .synced)
          var record = payload.record
          // Those whose writers don't share a sync would take minutes; they get less to do.
          let each = max(1, ["LMDB", "SQLite"].contains(peer.name) ? each / 20 : each / 4)
          var functions = peer.functions
          var failed: Int32 = 0
          let time = seconds {
            failed = peer_append_from_threads(&functions, store.store, Int32(producers), each, &record)
          }
          guard failed == 0 else { throw PeerError(description: "\(peer.name): append failed") }
          return [Double(producers * each) / time]
        })
  }

  /// Records a second of so many tasks, each of which waits until the disk has its record before it sends the next.
  static func durableRate(_ directory: String, producers: Int, each: Int) async throws -> Double {
    let payload = Payload(valueSize)
    let (broker, producer) = try open(directory, acks: .all)
    let record = ProducerRecord(topic: "t", partition: 0, key: payload.key, value: payload.value)
    let time = try await seconds {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<producers {
          group.addTask { for _ in 0..<each { _ = try await producer.send(record) } }
        }
        try await group.waitForAll()
      }
    }
    try broker.close()
    return Double(producers * each) / time
  }

  /// How often a second this disk stores so many bytes and syncs.
  static func syncRate(_ directory: String, bytes: Int, _ count: Int, _ size: Size) throws -> Double {
    let chunk = 8
    return try withMapping(directory, count * bytes + chunk * bytes) { base, descriptor in
      let value = [UInt8](repeating: 7, count: bytes)
      var next = base
      return rate(max(1, count / chunk), limit: size.limit, checkEvery: 1) {
        limit_store_and_sync(next, descriptor, value, bytes, chunk)
        next += chunk * bytes
      } * Double(chunk)
    }
  }
}
