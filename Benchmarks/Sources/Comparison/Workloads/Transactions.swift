import CLimits
import EventLog
import EventLogTesting

/// What exactly-once costs: the same records with and without it.
extension Workloads {
  static func transactions(_ size: Size) -> [Workload] {
    [idempotence(size), readCommitted(size), transaction(size), concurrentTransactions(size)]
  }

  // MARK: Idempotence

  /// On a disk whose syncs cost nothing, since they would hide everything else.
  private static func idempotence(_ size: Size) -> Workload {
    let payload = Payload(100)
    let batches = size.count(20_000)
    func contender(_ name: String, _ isIdempotent: Bool) -> Workload.Contender {
      .init(name: name, kind: .eventLog) { _ in
        try await withTestBroker(.memory) { broker in
          try broker.admin.createTopic("t")
          var configuration = ProducerConfiguration(acks: .all)
          configuration.enableIdempotence = isIdempotent
          let producer = try broker.producer(configuration)
          let records = (0..<100).map { _ in Record(key: payload.key, value: payload.value) }
          let time = try seconds { for _ in 0..<batches { try producer.append(records, to: topicPartition) } }
          return [Double(batches * 100) / time]
        }
      }
    }
    return Workload(
      id: "idempotence", name: "append, batches of 100, acks=all without syncs, idempotent producer, 100 B",
      measures: [.rate("records a second")], targets: [.eventLog("enable.idempotence=false", 0.95)],
      contenders: [contender("EventLog", true), contender("EventLog, enable.idempotence=false", false)])
  }

  // MARK: Reading

  private static func readCommitted(_ size: Size) -> Workload {
    let payload = Payload(100)
    let batches = size.count(20_000)
    func contender(_ name: String, _ isolation: Isolation) -> Workload.Contender {
      .init(name: name, kind: .eventLog) { directory in
        let (broker, producer) = try open(directory, acks: .leader)
        let records = (0..<100).map { _ in Record(key: payload.key, value: payload.value) }
        for _ in 0..<batches { try producer.append(records, to: topicPartition) }
        let time = try await replayTime(broker, count: batches * 100, isolation)
        try broker.close()
        return [Double(batches * 100) / time]
      }
    }
    return Workload(
      id: "read-committed", name: "replay, read_committed, nothing aborted, 100 B",
      measures: [.rate("records a second")], targets: [.eventLog("read_uncommitted", 0.9)],
      contenders: [
        contender("EventLog", .readCommitted), contender("EventLog, read_uncommitted", .readUncommitted),
      ])
  }

  // MARK: Transactions

  private static let partitions = 4

  private static func transaction(_ size: Size) -> Workload {
    let payload = Payload(100)
    let count = size.count(500)
    let records = (0..<(100 / partitions)).map { _ in Record(key: payload.key, value: payload.value) }
    func append(_ producer: Producer) throws {
      for partition in 0..<partitions { try producer.append(records, to: TopicPartition("t", partition)) }
    }
    /// The same records, awaited at all partitions together, and so many syncs of a file beside them.
    func plain(_ name: String, syncs: Int) -> Workload.Contender {
      .init(name: name, kind: .eventLog) { directory in
        let (broker, producer) = try open(directory, acks: .all, partitions: partitions)
        let time = try await withMapping(directory, (count * syncs + 1) * 200) { base, descriptor in
          let value = [UInt8](repeating: 7, count: 200)
          return try await seconds {
            for number in 0..<count {
              try await withThrowingTaskGroup(of: Void.self) { group in
                for partition in 0..<partitions {
                  group.addTask { _ = try await producer.send(records, to: "t", partition: partition) }
                }
                try await group.waitForAll()
              }
              if syncs > 0 {
                limit_store_and_sync(base + number * syncs * 200, descriptor, value, 200, syncs)
              }
            }
          }
        }
        try broker.close()
        return [time / Double(count)]
      }
    }
    return Workload(
      id: "transaction", name: "a transaction of 100 records over 4 partitions, acks=all, 100 B",
      measures: [.seconds("a transaction")], targets: [.eventLog("the same records, and three syncs", 1)],
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in
          let (broker, producer) = try await openTransactional(directory, "one")
          let time = try await seconds {
            for _ in 0..<count {
              try producer.beginTransaction()
              try append(producer)
              try await producer.commitTransaction()
            }
          }
          try broker.close()
          return [time / Double(count)]
        },
        plain("EventLog, the same records without a transaction", syncs: 0),
        plain("EventLog, the same records, and three syncs more", syncs: 3),
      ])
  }

  private static func concurrentTransactions(_ size: Size) -> Workload {
    func contender(_ name: String, producers: Int, each: Int) -> Workload.Contender {
      .init(name: name, kind: .eventLog) { directory in
        let payload = Payload(100)
        let (broker, _) = try await openTransactional(directory, "0")
        let record = ProducerRecord(topic: "t", key: payload.key, value: payload.value)
        let time = try await seconds {
          try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...producers {
              group.addTask {
                let producer = try await transactional(broker, "\(number)")
                for _ in 0..<each {
                  try producer.beginTransaction()
                  _ = try await producer.send(record)
                  try await producer.commitTransaction()
                }
              }
            }
            try await group.waitForAll()
          }
        }
        try broker.close()
        return [Double(producers * each) / time]
      }
    }
    return Workload(
      id: "transactions-64", name: "64 producers, each with one small transaction after the other",
      measures: [.rate("transactions a second")],
      contenders: [
        contender("EventLog", producers: 64, each: size.count(100)),
        contender("EventLog, one producer", producers: 1, each: size.count(500)),
      ])
  }

  private static func openTransactional(_ directory: String, _ id: String) async throws -> (Broker, Producer) {
    let broker = try Broker.open(directory + "/eventlog")
    try broker.admin.createTopic("t", partitions: partitions)
    return (broker, try await transactional(broker, id))
  }

  private static func transactional(_ broker: Broker, _ id: String) async throws -> Producer {
    var configuration = ProducerConfiguration(acks: .all)
    configuration.transactionalID = id
    let producer = try broker.producer(configuration)
    try await producer.initTransactions()
    return producer
  }
}
