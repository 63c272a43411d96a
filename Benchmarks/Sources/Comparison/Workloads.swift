import CLimits
import EventLog
import Foundation

/// The work: keys of 16 bytes, values of 100 bytes or 1 KiB.
enum Workloads {
  static func all(scale: Int) -> [Workload] {
    [
      append(valueSize: 100, perBatch: 100, batches: 20_000 / scale),
      append(valueSize: 1024, perBatch: 100, batches: 3_000 / scale),
      append(valueSize: 100, perBatch: 1, batches: 500_000 / scale),
      append(valueSize: 1024, perBatch: 1, batches: 200_000 / scale),
      replay(valueSize: 100, batches: 20_000 / scale),
      durable(count: 5_000 / scale), durableMany(count: 64 * 1500 / scale), latency(count: 2_000 / scale),
      fixture(count: 1_000 / scale), rebalance(count: max(1, 10 / scale)), firstDelivery(count: 500 / scale),
      compaction(records: 2_000_000 / scale),
    ]
  }

  static let key = [UInt8]("customer-0000042".utf8)

  static func value(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) } }

  // MARK: Append

  static func append(valueSize: Int, perBatch: Int, batches: Int) -> Workload {
    let value = value(valueSize)
    let count = batches * perBatch
    let bytes = count * (valueSize + 120) + (1 << 20)
    return Workload(
      name:
        "append, \(perBatch == 1 ? "one record a call" : "batches of \(perBatch)"), acks=1, values of \(valueSize) B",
      contenders: [
        .init(name: "EventLog") { directory in
          let (broker, producer) = try open(directory, acks: .leader)
          let partition = TopicPartition("t", 0)
          let records = (0..<perBatch).map { _ in Record(key: key, value: value) }
          let time = try seconds {
            if perBatch == 1 {
              for _ in 0..<batches {
                try producer.append(to: partition, key: key.span.bytes, value: value.span.bytes)
              }
            } else {
              for _ in 0..<batches { try producer.append(records, to: partition) }
            }
          }
          try broker.close()
          return (count, time)
        },
        .init(name: "limit: encode, checksum, store into a mapping") { directory in
          try withMapping(directory, bytes) { base in
            (count, seconds { _ = limit_encode(base, key, value, valueSize, batches, perBatch) })
          }
        },
        .init(name: "limit: memcpy of the values into a mapping") { directory in
          try withMapping(directory, bytes) { base in (count, seconds { _ = limit_copy(base, value, valueSize, count) })
          }
        },
        .init(name: "SQLite (WAL, synchronous=OFF)") { directory in
          let queue = try SQLiteQueue(directory + "/q.db", synchronous: "OFF")
          let rounds = max(1, batches / (perBatch == 1 ? 10 : 4))
          return (
            rounds * perBatch,
            try seconds { for _ in 0..<rounds { try queue.insert(key, value, count: perBatch) } }
          )
        },
      ])
  }

  // MARK: Replay

  static func replay(valueSize: Int, batches: Int) -> Workload {
    let value = value(valueSize)
    let count = batches * 100
    let bytes = count * (valueSize + 30) + batches * 61 + (1 << 20)
    return Workload(
      name: "replay, touching every byte of every value, batches of 100, values of \(valueSize) B",
      contenders: [
        .init(name: "EventLog, the consumer's batches") { directory in
          let (broker, producer) = try open(directory, acks: .leader)
          let records = (0..<100).map { _ in Record(key: key, value: value) }
          for _ in 0..<batches { try producer.append(records, to: TopicPartition("t", 0)) }
          var configuration = ConsumerConfiguration()
          configuration.maxPollRecords = 100_000
          let consumer = try broker.consumer(configuration)
          try consumer.assign([TopicPartition("t", 0)])
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
          try broker.close()
          return (count, time)
        },
        .init(name: "limit: a bare decode loop") { directory in
          try withMapping(directory, bytes) { base in
            let size = limit_encode(base, key, value, valueSize, batches, 100)
            return (count, seconds { precondition(limit_decode(base, size) != 0) })
          }
        },
        .init(name: "SQLite (select by rowid)") { directory in
          let queue = try SQLiteQueue(directory + "/q.db", synchronous: "OFF")
          let rounds = max(1, batches / 4)
          for _ in 0..<rounds { try queue.insert(key, value, count: 100) }
          var sum: UInt64 = 0
          let time = try seconds { sum = try queue.sum() }
          precondition(sum != 0)
          return (rounds * 100, time)
        },
      ])
  }

  /// Sums the bytes by eights, as the bare loop does.
  @inline(__always)
  static func touch(_ bytes: RawSpan) -> UInt64 {
    var sum: UInt64 = 0
    var index = 0
    while index &+ 8 <= bytes.byteCount {
      sum &+= bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      index &+= 8
    }
    while index < bytes.byteCount {
      sum &+= UInt64(bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt8.self))
      index &+= 1
    }
    return sum
  }

  // MARK: Durable

  static func durable(count: Int) -> Workload {
    let value = value(100)
    return Workload(
      name: "durable append, acks=all, one producer, one record a call",
      contenders: [
        .init(name: "EventLog") { directory in
          let (broker, producer) = try open(directory, acks: .all)
          let time = try seconds {
            for _ in 0..<count {
              try producer.append(to: TopicPartition("t", 0), key: key.span.bytes, value: value.span.bytes)
            }
          }
          try broker.close()
          return (count, time)
        },
        .init(name: "limit: store and fdatasync") { directory in
          let size = count * 200 + 4096
          var descriptor: Int32 = 0
          guard let base = limit_map_new_file(directory + "/m", size, &descriptor) else { throw POSIXError(.EIO) }
          defer { limit_unmap(base, size, descriptor) }
          return (count, seconds { limit_store_and_sync(base, descriptor, value, 100, count) })
        },
        .init(name: "SQLite (WAL, synchronous=FULL)") { directory in
          let queue = try SQLiteQueue(directory + "/q.db", synchronous: "FULL")
          return (count, try seconds { for _ in 0..<count { try queue.insert(key, value, count: 1) } })
        },
      ])
  }

  static func durableMany(count: Int) -> Workload {
    let value = value(100)
    return Workload(
      name: "durable append, acks=all, 64 producers each waiting for its record",
      contenders: [
        .init(name: "EventLog, 64 producers") { directory in
          let (broker, producer) = try open(directory, acks: .all)
          let record = ProducerRecord(topic: "t", partition: 0, key: key, value: value)
          let time = try await seconds {
            try await withThrowingTaskGroup(of: Void.self) { group in
              for _ in 0..<64 {
                group.addTask { for _ in 0..<(count / 64) { _ = try await producer.send(record) } }
              }
              try await group.waitForAll()
            }
          }
          try broker.close()
          return (count / 64 * 64, time)
        },
        .init(name: "EventLog, one producer") { directory in
          let (broker, producer) = try open(directory, acks: .all)
          let record = ProducerRecord(topic: "t", partition: 0, key: key, value: value)
          let fewer = max(1, count / 64)
          let time = try await seconds { for _ in 0..<fewer { _ = try await producer.send(record) } }
          try broker.close()
          return (fewer, time)
        },
      ])
  }

  // MARK: Latency

  static func latency(count: Int) -> Workload {
    let value = value(100)
    return Workload(
      name: "from append to the waiting consumer and back, one record at a time, acks=1",
      contenders: [
        .init(name: "EventLog, round trips through two partitions") { directory in
          let (broker, producer) = try open(directory, acks: .leader, partitions: 2)
          let there = try broker.consumer()
          try there.assign([TopicPartition("t", 0)])
          let back = try broker.consumer()
          try back.assign([TopicPartition("t", 1)])
          try there.seekToBeginning()
          try back.seekToBeginning()
          let echo = Task {
            for _ in 0..<count {
              while try await there.poll(timeout: .seconds(10)).isEmpty {}
              try producer.append(to: TopicPartition("t", 1), value: value.span.bytes)
            }
          }
          let time = try await seconds {
            for _ in 0..<count {
              try producer.append(to: TopicPartition("t", 0), value: value.span.bytes)
              while try await back.poll(timeout: .seconds(10)).isEmpty {}
            }
          }
          try await echo.value
          try broker.close()
          return (count * 2, time)
        }
      ])
  }

  // MARK: Helpers

  static func open(_ directory: String, acks: Acks, partitions: Int = 1) throws -> (Broker, Producer) {
    let broker = try Broker.open(directory + "/eventlog")
    try broker.admin.createTopic("t", partitions: partitions)
    return (broker, try broker.producer(ProducerConfiguration(acks: acks)))
  }

  static func withMapping<R>(_ directory: String, _ size: Int, _ body: (UnsafeMutableRawPointer) throws -> R) throws
    -> R
  {
    var descriptor: Int32 = 0
    guard let base = limit_map_new_file(directory + "/m", size, &descriptor) else { throw POSIXError(.EIO) }
    defer { limit_unmap(base, size, descriptor) }
    return try body(base)
  }
}
