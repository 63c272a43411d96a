import CLimits
import EventLog

/// Appends with acks=1: what was acknowledged survives the death of the process.
extension Workloads {
  static func append(_ size: Size) -> [Workload] {
    let encoding = "encode"
    return [
      append(size, 100, perBatch: 1, batches: 500_000, [.peer("LMDB", 7), .limit(encoding, 0.5)]),
      append(size, 1024, perBatch: 1, batches: 200_000, [.peer("LMDB", 5), .limit(encoding, 0.6)]),
      append(size, 65536, perBatch: 1, batches: 5_000, []),
      append(size, 100, perBatch: 100, batches: 20_000, [.peer("LMDB", 4), .limit(encoding, 0.6)]),
      append(size, 1024, perBatch: 100, batches: 3_000, [.peer("LevelDB", 4), .limit(encoding, 0.85)]),
    ]
  }

  private static func append(
    _ size: Size, _ valueSize: Int, perBatch: Int, batches full: Int, _ targets: [Target]
  ) -> Workload {
    let payload = Payload(valueSize)
    let batches = size.count(full)
    let bytes = batches * perBatch * (valueSize + 120) + (1 << 20)
    return Workload(
      id: "append-\(perBatch == 1 ? "one" : "batch")-\(valueSize)",
      name: "append, \(perBatch == 1 ? "one record a call" : "batches of \(perBatch)"), acks=1, \(sizeName(valueSize))",
      measures: [.rate("records a second")], targets: targets,
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          let (broker, producer) = try open(directory, acks: .leader)
          let records = (0..<perBatch).map { _ in Record(key: payload.key, value: payload.value) }
          let (key, value) = (payload.key, payload.value)
          let time = try seconds {
            if perBatch == 1 {
              for _ in 0..<batches {
                try producer.append(to: topicPartition, key: key.span.bytes, value: value.span.bytes)
              }
            } else {
              for _ in 0..<batches { try producer.append(records, to: topicPartition) }
            }
          }
          try broker.close()
          return [Double(batches * perBatch) / time]
        },
        .init(name: "limit: encode, checksum, store into a mapping", kind: .limit) { directory in
          try withMapping(directory, bytes) { base, _ in
            let time = seconds { _ = limit_encode(base, payload.key, payload.value, valueSize, batches, perBatch) }
            return [Double(batches * perBatch) / time]
          }
        },
        .init(name: "limit: memcpy of the values into a mapping", kind: .limit) { directory in
          try withMapping(directory, bytes) { base, _ in
            let time = seconds { _ = limit_copy(base, payload.value, valueSize, batches * perBatch) }
            return [Double(batches * perBatch) / time]
          }
        },
      ]
        + peers(.unsynced) { peer, directory in
          let session = try peer.open(directory, .unsynced).connect()
          var record = payload.record
          return [
            Double(perBatch) * (try rate(batches, limit: size.limit) { try session.append(&record, count: perBatch) })
          ]
        })
  }
}
