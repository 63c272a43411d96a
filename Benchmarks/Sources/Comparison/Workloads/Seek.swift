import CPeers
import EventLog

/// Reads that begin somewhere in the middle, and reads between writes.
extension Workloads {
  static func seek(_ size: Size) -> [Workload] { [seekOffset(size), seekTimestamp(size), mixed(size)] }

  private static let perBatch = 100

  private static func seekOffset(_ size: Size) -> Workload {
    let payload = Payload(100)
    let count = size.count(20_000) * perBatch
    let peers = embedded { peer, directory in
      let (session, _) = try filled(peer, directory, payload, count: count)
      var random = Places(count - perBatch)
      return [
        try rate(size.count(100_000), limit: size.limit) { try session.read(from: UInt64(random.next()), perBatch) }
      ]
    }
    return seek(
      size, id: "seek-offset", "replay from a random offset in the middle: seek, and read 100 records of 100 B",
      payload, count: count, peers: peers
    ) { _, place in Int64(place) }
  }

  private static func seekTimestamp(_ size: Size) -> Workload {
    seek(
      size, id: "seek-timestamp", "replay from a random timestamp: find its offset, and read 100 records of 100 B",
      Payload(100), count: size.count(20_000) * perBatch, peers: []
    ) { consumer, place in
      try consumer.offsetsForTimes([topicPartition: firstTimestamp + Int64(place)])[topicPartition]??.offset
    }
  }

  /// - Parameter find: the offset to begin at, of a record that is chosen at random.
  private static func seek(
    _ size: Size, id: String, _ name: String, _ payload: Payload, count: Int, peers: [Workload.Contender],
    find: @escaping (Consumer, Int) throws -> Int64?
  ) -> Workload {
    Workload(
      id: id, name: name, measures: [.rate("seeks a second")],
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          let (broker, _, consumer) = try filled(directory, payload, count: count)
          var random = Places(count - perBatch)
          let result = try rate(size.count(100_000), limit: size.limit) {
            guard let offset = try find(consumer, random.next()) else { return }
            try consumer.seek(topicPartition, to: offset)
            try read(consumer, perBatch)
          }
          try broker.close()
          return [result]
        }
      ] + peers)
  }

  private static func mixed(_ size: Size) -> Workload {
    let payload = Payload(100)
    let count = size.count(5_000) * perBatch
    return Workload(
      id: "mixed",
      name: "mixed: append 10 records, receive them, and read 10 from a random place, acks=1, 100 B",
      measures: [.rate("rounds a second")],
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          let (broker, producer, other) = try filled(directory, payload, count: count)
          let receiver = try broker.consumer()
          try receiver.assign([topicPartition])
          try receiver.seek(topicPartition, to: Int64(count))
          let records = (0..<10).map { _ in Record(key: payload.key, value: payload.value) }
          var random = Places(count - 10)
          let result = try rate(size.count(100_000), limit: size.limit) {
            try producer.append(records, to: topicPartition)
            try read(receiver, 10)
            try other.seek(topicPartition, to: Int64(random.next()))
            try read(other, 10)
          }
          try broker.close()
          return [result]
        }
      ]
        + embedded { peer, directory in
          let (session, store) = try filled(peer, directory, payload, count: count)
          var random = Places(count - 10)
          var record = payload.record
          var received = 0
          while received < count { received += try session.receive(count - received) }
          let result = try rate(size.count(100_000), limit: size.limit) {
            try session.append(&record, count: 10)
            var received = 0
            while received < 10 { received += try session.receive(10 - received) }
            try session.read(from: UInt64(random.next()), 10)
          }
          return withExtendedLifetime(store) { [result] }
        })
  }

  // MARK: What they share

  private static let firstTimestamp: Int64 = 1_700_000_000_000

  /// Numbers below a limit, the same in each run.
  private struct Places {
    private var state: UInt64 = 88_172_645_463_325_252
    private let limit: UInt64

    init(_ limit: Int) { self.limit = UInt64(max(1, limit)) }

    mutating func next() -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % limit)
    }
  }

  /// A log of so many records, a millisecond apart, in batches of a hundred.
  private static func filled(
    _ directory: String, _ payload: Payload, count: Int
  ) throws -> (Broker, Producer, Consumer) {
    let (broker, producer) = try open(directory, acks: .leader)
    for batch in 0..<(count / perBatch) {
      let first = firstTimestamp + Int64(batch * perBatch)
      let records = (0..<perBatch).map {
        Record(key: payload.key, value: payload.value, timestamp: first + Int64($0))
      }
      try producer.append(records, to: topicPartition)
    }
    var configuration = ConsumerConfiguration()
    configuration.maxPollRecords = perBatch
    configuration.maxPartitionFetchBytes = 4096
    let consumer = try broker.consumer(configuration)
    try consumer.assign([topicPartition])
    return (broker, producer, consumer)
  }

  private static func filled(
    _ peer: Peer, _ directory: String, _ payload: Payload, count: Int
  ) throws -> (PeerSession, PeerStore) {
    let store = try peer.open(directory, .unsynced)
    let session = try store.connect()
    var record = payload.record
    for _ in 0..<(count / perBatch) { try session.append(&record, count: perBatch) }
    return (session, store)
  }

  /// The peers that can begin to read anywhere.
  private static func embedded(_ run: @escaping (Peer, String) async throws -> [Double]?) -> [Workload.Contender] {
    peers(.unsynced, where: { $0.functions.read != nil }, run)
  }

  /// Reads so many records, and touches every byte of their values.
  private static func read(_ consumer: Consumer, _ count: Int) throws {
    var left = count
    var sum: UInt64 = 0
    while left > 0 {
      for batch in try consumer.read().batches {
        batch.forEachRecord { record in
          if left > 0, let value = record.value { sum &+= touch(value) }
          left -= 1
        }
      }
    }
    precondition(sum != 0)
  }
}
