import EventLog
import EventLogTesting
import RecordFormat
import SegmentStore

/// One broker, all that can be asked of it, and stops of every kind, some of them in the middle of what was asked.
final class BrokerHistory {
  let broker: TestBroker
  var random: SplitMix
  var model = BrokerModel()
  var notes: [String] = []
  var isFaulty = false
  private var number = 0
  private var transactionNumber = 0
  private var plain: [(producer: Producer, acks: Acks)] = []
  private var transactional: [String: Producer] = [:]
  private var open: [String: Int] = [:]
  /// How long the oldest open transaction may have been open.
  private var elapsed = Duration.zero
  /// How many of the broker's warnings were looked at.
  var readWarnings = 0

  init(seed: UInt64) throws {
    random = SplitMix(seed: (seed &+ 1) &* 0xa076_1d64_78bd_642f)
    var configuration = BrokerConfiguration()
    configuration.topicDefaults = ["segment.bytes": "3000"]
    configuration.checkpointInterval = Self.checkpointInterval
    broker = try TestBroker(configuration: configuration, clock: TestClock(), seed: seed, powerCuts: true)
  }

  /// A manual clock stops once for it, however far it is moved.
  private static let checkpointInterval = Duration.seconds(1)

  func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }

  func begin() async throws {
    let configs: [(String, Int, [String: String])] = [
      ("logs", 2, ["retention.bytes": "8000"]),
      ("table", 2, ["cleanup.policy": "compact", "delete.retention.ms": "1000", "min.cleanable.dirty.ratio": "0.1"]),
      ("plain", 2, ["segment.bytes": "1000000"]),
    ]
    for (name, count, configs) in configs {
      try broker.admin.createTopic(name, partitions: count, configs: configs)
      model.topics[name] = [count]
    }
    try await makeProducers()
  }

  func makeProducers() async throws {
    plain = [
      (try broker.producer(), .all), (try broker.producer(ProducerConfiguration(acks: .leader)), .leader),
    ]
    for id in ["t0", "t1"] { transactional[id] = try await broker.transactionalProducer(id) }
    open = [:]
    elapsed = .zero
  }

  // MARK: Steps

  private func attempt(_ note: String, _ body: () async throws -> Void) async throws {
    notes.append(note)
    do {
      try await body()
    } catch let error as Mismatch {
      throw error
    } catch {
      guard isFaulty else { throw Mismatch("\(note): \(error)") }
      notes.append("  -> \(error)".prefix(160).description)
    }
  }

  func step() async throws {
    switch below(100) {
    case ..<24: try await send()
    case ..<29: try await burst()
    case ..<36: try await sendByName()
    case ..<50: try await sendInTransaction()
    case ..<58: try await end()
    case ..<63: try await commitOffset()
    case ..<66: try await deleteRecords()
    case ..<70: try await clean()
    case ..<72: try await advance(by: .seconds([1, 20, 70, 400][below(4)]))
    case ..<76: try await checkpoint()
    case ..<79: try await attempt("read") { try model.see(try await views(), isOver: false) }
    case ..<83: try await changeTopics()
    case ..<88: try await failAndStop()
    case ..<90: try await stopWhileOpening()
    default: try await stop()
    }
  }

  func partition() -> TopicPartition? {
    guard let topic = model.topics.keys.sorted().randomElement(using: &random), let counts = model.topics[topic],
      counts.count == 1, let count = counts.first, count > 0
    else { return nil }
    return TopicPartition(topic, below(count))
  }

  func record(to partition: TopicPartition, in transaction: Int? = nil) -> (Int, Record) {
    number += 1
    let key = partition.topic == "plain" ? nil : "k\(below(6))"
    var value: String? = "\(number)" + String(repeating: "x", count: below(8) == 0 ? 900 : below(120))
    if partition.topic == "plain", below(10) == 0 { value = "\(number)" + String(repeating: "y", count: below(9000)) }
    if partition.topic == BrokerModel.compacted, below(5) == 0 { value = nil }
    model.sent[number] = .init(partition: partition, key: key, value: value, transaction: transaction)
    return (
      number,
      Record(
        key: key.map { Array($0.utf8) }, value: value.map { Array($0.utf8) },
        headers: [RecordHeader("n", Array("\(number)".utf8))])
    )
  }

  func send(by number: Int? = nil) async throws {
    guard let partition = partition() else { return }
    let (producer, acks) = plain[number ?? below(2)]
    let records = (0..<(below(3) == 0 ? 4 : 1)).map { _ in record(to: partition) }
    try await attempt("send \(records.map(\.0)) to \(partition), acks \(acks)") {
      let sent = try await producer.send(records.map(\.1), to: partition.topic, partition: partition.partition)
      for (record, metadata) in zip(records, sent) {
        try model.acknowledge(record.0, at: metadata.offset, isDurable: acks == .all)
      }
    }
  }

  /// Several at once, which share syncs.
  func burst() async throws {
    let producer = plain[0].producer
    let records = (0..<5).compactMap { _ in partition().map { ($0, record(to: $0)) } }
    try await attempt("send \(records.map(\.1.0)) to \(records.map(\.0)) at once") {
      let results = await withTaskGroup(of: (Int, Result<RecordMetadata, any Error>).self) { group in
        for (partition, (number, record)) in records {
          group.addTask {
            do {
              return (
                number,
                .success(
                  try await producer.send(
                    ProducerRecord(topic: partition.topic, partition: partition.partition, record: record)))
              )
            } catch { return (number, .failure(error)) }
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      for (number, result) in results {
        if case .success(let sent) = result { try model.acknowledge(number, at: sent.offset, isDurable: true) }
      }
      for (_, result) in results { _ = try result.get() }
    }
  }

  func named() throws -> Producer {
    var configuration = ProducerConfiguration()
    configuration.name = "n"
    return try broker.producer(configuration)
  }

  func sendByName() async throws {
    let partition = TopicPartition(below(2) == 0 ? "plain" : "logs", 0)
    let records = (0...below(3)).map { _ in record(to: partition) }
    let sequence = model.streams[partition, default: []].count
    try await attempt("send \(records.map(\.0)) to \(partition) by name from \(sequence) on") {
      let producer = try named()
      guard try !isFaulty || Int(producer.nextSequence(of: partition)) == sequence else { return }
      model.streams[partition, default: []] += records.map(\.0)
      let sent = try producer.append(records.map(\.1), to: partition, sequence: Int32(sequence))
      for (index, record) in records.enumerated() {
        try model.acknowledge(record.0, at: sent.baseOffset + Int64(index), isDurable: true)
      }
    }
  }

  func sendInTransaction() async throws {
    let name = "t\(below(2))"
    guard let producer = transactional[name], let partition = partition() else { return }
    try await attempt("transaction of \(name): \(open[name] ?? transactionNumber + 1)") {
      if open[name] == nil {
        try producer.beginTransaction()
        transactionNumber += 1
        open[name] = transactionNumber
        model.transactions[transactionNumber] = .init(group: "of \(name)")
      }
      guard let id = open[name] else { return }
      if model.transactions[id]?.offset == nil, below(2) == 0 {
        let partition = TopicPartition("plain", below(2))
        let offset = Int64(below(Int(try broker.admin.listOffset(partition, .latest)?.offset ?? 0) + 1))
        try producer.sendOffsets([partition: OffsetAndMetadata(offset)], to: ConsumerGroupMetadata(group: "of \(name)"))
        model.transactions[id]?.offset = (partition, offset)
      }
      let records = (0...below(3)).map { _ in record(to: partition, in: id) }
      notes.append("  \(records.map(\.0)) to \(partition)")
      let sent = try await producer.send(records.map(\.1), to: partition.topic, partition: partition.partition)
      for (record, metadata) in zip(records, sent) {
        try model.acknowledge(record.0, at: metadata.offset, isDurable: false)
      }
    }
  }

  func end() async throws {
    guard let name = open.keys.sorted().randomElement(using: &random), let id = open.removeValue(forKey: name),
      let producer = transactional[name]
    else { return }
    if below(3) == 0 {
      model.transactions[id]?.fate = .aborted
      return try await attempt("abort \(id)") { try await producer.abortTransaction() }
    }
    if let transaction = model.transactions[id], let offset = transaction.offset {
      let before = model.offsets[transaction.group]?[offset.partition] ?? [-1]
      model.transactions[id]?.before = before
      model.offsets[transaction.group, default: [:]][offset.partition] = before.union([offset.value])
    }
    model.transactions[id]?.fate = .unknown
    try await attempt("commit \(id)") {
      try await producer.commitTransaction()
      model.commit(id)
    }
  }

  func commitOffset() async throws {
    let partition = TopicPartition(["plain", "logs"][below(2)], below(2))
    try await attempt("commit an offset of \(partition)") {
      let offset = Int64(below(Int(try broker.admin.listOffset(partition, .latest)?.offset ?? 0) + 1))
      model.offsets["g", default: [:]][partition, default: [-1]].insert(offset)
      var configuration = ConsumerConfiguration()
      configuration.group = "g"
      let consumer = try broker.consumer(configuration)
      try consumer.assign([partition])
      try await consumer.commit([partition: OffsetAndMetadata(offset)])
      model.offsets["g", default: [:]][partition] = [offset]
      notes.append("  \(offset)")
    }
  }

  func deleteRecords() async throws {
    let partition = TopicPartition(["plain", "logs"][below(2)], below(2))
    try await attempt("delete records of \(partition)") {
      let start = try broker.admin.listOffset(partition, .earliest)?.offset ?? 0
      let end = try broker.admin.listOffset(partition, .latest)?.offset ?? 0
      let offset = Int64.random(in: start...end, using: &random)
      notes.append("  before \(offset)")
      let known = model.partitions[partition, default: .init()].start
      model.partitions[partition, default: .init()].start = known.lowerBound...max(known.upperBound, offset)
      try broker.admin.deleteRecords(partition, before: offset)
      model.partitions[partition]?.start = max(known.lowerBound, offset)...max(known.upperBound, offset)
    }
  }

  /// Retention may take what it likes of "logs": where the log begins then, it says.
  private func applyRetention(_ body: () async throws -> Void) async throws {
    for partition in model.partitions.keys where partition.topic == "logs" {
      let least = model.partitions[partition]?.start.lowerBound ?? 0
      model.partitions[partition]?.start = least...(.max)
    }
    try await body()
    for partition in model.partitions.keys where partition.topic == "logs" {
      let start = try broker.admin.listOffset(partition, .earliest)?.offset ?? 0
      let least = model.partitions[partition]?.start.lowerBound ?? 0
      guard start >= least else { throw Mismatch("\(partition) begins at \(start), before \(least)") }
      model.partitions[partition]?.start = least...start
    }
  }

  func clean() async throws {
    if below(2) == 0 {
      try await attempt("retention") { try await applyRetention { _ = try broker.admin.applyRetention() } }
    } else {
      let partition = TopicPartition(BrokerModel.compacted, below(2))
      try await attempt("compact \(partition)") { _ = try broker.admin.compact(partition) }
    }
  }

  /// Records that nobody has waited for to be on the disk, and then the recovery points are written down.
  func checkpoint() async throws {
    for _ in 0...below(4) { try await send(by: 1) }
    try await advance(by: Self.checkpointInterval)
    if !isFaulty, below(2) == 0 { try await stop() }
  }

  private func advance(by duration: Duration) async throws {
    try await attempt("advance by \(duration)") { try await applyRetention { try await broker.advance(by: duration) } }
    // A transaction may have come to its timeout, and what is open then can only be aborted.
    elapsed += duration
    guard elapsed > .seconds(59) else { return }
    elapsed = .zero
    for (name, id) in open.sorted(by: { $0.key < $1.key }) {
      model.transactions[id]?.fate = .aborted
      open[name] = nil
      try? await transactional[name]?.abortTransaction()
    }
    if !isFaulty { for id in ["t0", "t1"] { transactional[id] = try await broker.transactionalProducer(id) } }
  }

  func changeTopics() async throws {
    let known = model.topics["extra"] ?? [0]
    guard known.count == 1, let count = known.first else { return }
    switch below(3) {
    case 0 where count == 0:
      try await attempt("create extra") {
        model.topics["extra"] = [0, 2]
        try broker.admin.createTopic("extra", partitions: 2)
        model.topics["extra"] = [2]
      }
    case 1 where count > 0:
      try await attempt("delete extra") {
        model.topics["extra"] = [0, count]
        try broker.admin.deleteTopic("extra")
        model.topics["extra"] = [0]
        model.forget("extra")
      }
    default:
      let topic = ["logs", "table", "plain", "extra"][below(4)]
      guard let known = model.topics[topic], known.count == 1, let count = known.first, count > 0, count < 5 else {
        return
      }
      try await attempt("add a partition to \(topic)") {
        model.topics[topic] = [count, count + 1]
        try broker.admin.createPartitions(topic, to: count + 1)
        model.topics[topic] = [count + 1]
      }
    }
  }
}
