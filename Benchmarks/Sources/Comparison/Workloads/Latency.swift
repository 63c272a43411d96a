import CLimits
import CPeers
import EventLog
import Foundation

/// From `send` to the consumer that waits for it: 5,000 records a second, one at a time.
extension Workloads {
  static func latency(_ size: Size) -> [Workload] {
    let count = size.count(10_000)
    return [
      Workload(
        id: "latency", name: "from send to a waiting consumer, 5,000 a second, acks=1, 100 B",
        measures: percentileMeasures,
        rounds: 5,
        targets: [
          .peer("LMDB", 1), .bestPeer(2, measure: 1), .limit("a futex", 1 / 1.15),
          .bestPeer(2, measure: 1).of(spinning), .atMost(1e-6).of(spinning),
        ],
        contenders: [
          .init(name: "EventLog", kind: .eventLog) { directory in
            try await eventLogLatency(directory, count, .thread(spinning: .zero))
          },
          .init(name: spinning, kind: .eventLog) { directory in
            try await eventLogLatency(directory, count, .thread(spinning: .milliseconds(1)))
          },
          .init(name: "EventLog, a task that polls", kind: .eventLog) { directory in
            try await eventLogLatency(directory, count, .task)
          },
          .init(name: "limit: a futex hand-off", kind: .limit) { directory in
            try peerLatency(Peer(functions: peer_handoff), directory, count)
          },
        ] + peers(.unsynced) { peer, directory in try peerLatency(peer, directory, count) })
    ]
  }

  private static let spinning = "EventLog, spinning up to 1 ms"
  private static let interval: UInt64 = 200_000

  private enum Waiting { case task, thread(spinning: Duration) }

  private static func eventLogLatency(_ directory: String, _ count: Int, _ waiting: Waiting) async throws -> [Double] {
    let (broker, producer) = try open(directory, acks: .leader)
    let consumer = try broker.consumer()
    try consumer.assign([topicPartition])
    try consumer.seekToBeginning()
    let sender = Thread {
      var value = [UInt8](repeating: 0, count: 100)
      var next = limit_now() + 20_000_000
      for _ in 0..<count {
        limit_sleep_until(next)
        next += interval
        withUnsafeBytes(of: limit_now()) { value.replaceSubrange(0..<8, with: $0) }
        // Without a partition that it has to choose; the delivery is told before this returns.
        try? producer.send(
          ProducerRecord(topic: "t", partition: 0, key: [UInt8]("customer-0000042".utf8), value: value)
        ) { _ in }
      }
    }
    sender.start()
    var taken: [UInt64] = []
    taken.reserveCapacity(count)
    func note(_ records: ConsumerRecords) {
      for batch in records.batches {
        batch.forEachRecord { record in
          guard let value = record.value else { return }
          taken.append(limit_now() - value.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self))
        }
      }
    }
    while taken.count < count {
      switch waiting {
      case .task: note(try await consumer.poll(timeout: .seconds(10)))
      case .thread(let spinning): note(try consumer.read(timeout: .seconds(10), spinning: spinning))
      }
    }
    try await consumer.close()
    try broker.close()
    return percentiles(taken)
  }

  private static func peerLatency(_ peer: Peer, _ directory: String, _ count: Int) throws -> [Double] {
    let store = try peer.open(directory, .unsynced)
    var taken = [UInt64](repeating: 0, count: count)
    var functions = peer.functions
    guard peer_latency(&functions, store.store, count, interval, 100, &taken) == 0 else {
      throw PeerError(description: "\(peer.name): no latency could be measured")
    }
    return percentiles(taken)
  }

  static let percentileMeasures: [Measure] = [.seconds("p50"), .seconds("p99"), .seconds("p99.9"), .seconds("most")]

  static func percentiles(_ taken: [UInt64]) -> [Double] {
    let sorted = taken.sorted()
    return [0.5, 0.99, 0.999, 1].map { Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * $0))]) / 1e9 }
  }
}
