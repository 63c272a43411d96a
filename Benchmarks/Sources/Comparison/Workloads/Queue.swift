import CLimits
import EventLog

/// A queue's cycle: send, receive, commit; one message after the other, or a hundred together.
extension Workloads {
  static func queue(_ size: Size) -> [Workload] {
    [
      queue(
        size, perCycle: 1, .synced, id: "queue-one", "queue cycle: send, receive, commit, on the disk, one message",
        [.peer("WiredTiger", 1.3), .limit("two", 1)]),
      queue(
        size, perCycle: 100, .synced, id: "queue-100", "queue cycle: send, receive, commit, on the disk, per 100",
        [.peer("LevelDB", 1.7), .limit("two", 0.95)]),
      queue(
        size, perCycle: 1, .unsynced, id: "queue-unsynced",
        "queue cycle: send, receive, commit, not synced, one message", [.peer("LMDB", 5)]),
    ]
  }

  private static func queue(
    _ size: Size, perCycle: Int, _ durability: Durability, id: String, _ name: String, _ targets: [Target]
  ) -> Workload {
    let payload = Payload(100)
    let cycles = size.count(durability == .synced ? 3_000 : 100_000)
    // What a cycle makes durable: its messages, and then where the reader is.
    let limit = Workload.Contender(name: "limit: two of store and fdatasync", kind: .limit) { directory in
      let half = size.halved
      let messages = try syncRate(directory, bytes: perCycle * 124 + 61, cycles, half)
      let offset = try syncRate(directory, bytes: 185, cycles, half)
      return [Double(perCycle) / (1 / messages + 1 / offset)]
    }
    return Workload(
      id: id, name: name, measures: [.rate("messages a second")], targets: targets,
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          let (broker, producer) = try open(directory, acks: durability == .synced ? .all : .leader)
          var configuration = ConsumerConfiguration()
          configuration.group = "g"
          configuration.enableAutoCommit = false
          configuration.autoOffsetReset = .earliest
          let consumer = try broker.consumer(configuration)
          try consumer.assign([topicPartition])
          let records = (0..<perCycle).map { _ in Record(key: payload.key, value: payload.value) }
          let (key, value) = (payload.key, payload.value)
          var done = 0
          let clock = ContinuousClock()
          let start = clock.now
          while done < cycles, clock.now - start < .seconds(size.limit) {
            for _ in 0..<16 {
              if perCycle == 1 {
                try producer.append(to: topicPartition, key: key.span.bytes, value: value.span.bytes)
              } else {
                try producer.append(records, to: topicPartition)
              }
              var received = 0
              while received < perCycle {
                for batch in try await consumer.poll().batches {
                  batch.forEachRecord { record in if record.value != nil { received += 1 } }
                }
              }
              if durability == .synced { try await consumer.commit() } else { try consumer.commitAsync() }
              done += 1
            }
          }
          let time = (clock.now - start).inSeconds
          try await consumer.close()
          try broker.close()
          return [Double(done * perCycle) / time]
        }
      ]
        + (durability == .synced ? [limit] : [])
        + peers(durability) { peer, directory in
          let store = try peer.open(directory, durability)
          let session = try store.connect()
          var record = payload.record
          let rate = try rate(cycles, limit: size.limit) {
            try session.append(&record, count: perCycle)
            var received = 0
            while received < perCycle { received += try session.receive(perCycle - received) }
            try session.commit()
          }
          return [rate * Double(perCycle)]
        })
  }
}
