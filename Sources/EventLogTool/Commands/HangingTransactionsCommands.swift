import ArgumentParser
import EventLog

/// `eventlog transactions abort`
struct AbortTransactionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "abort", abstract: "Abort a transaction: of a transactional id, or one that hangs on a partition.",
    discussion: """
      With --transactional-id, the transaction that is open is aborted on all of its partitions, and its producer fenced; \
      where none is open, it is only fenced. With --topic and --partition, a marker ends the transaction that begins at \
      --start-offset, or that --producer-id has open there: one that find-hanging has found.

      It takes the directory as its owner. That alone aborts what a dead owner left open under the transactional ids of \
      this directory; while the owner lives, its own transactions can be ended by it only, and the exit status is 2.
      """)

  @OptionGroup var store: StoreOptions
  @Option(parsing: .unconditional, help: "The transactional id.") var transactionalID: String?
  @Option(name: .shortAndLong, help: "The topic.") var topic: String?
  @Option(name: .shortAndLong, parsing: .unconditional, help: "The partition.") var partition: Int?
  @Option(parsing: .unconditional, help: "The offset at which the transaction begins.") var startOffset: Int64?
  @Option(parsing: .unconditional, help: "The id of the producer that has it open.") var producerID: Int64?
  @Option(parsing: .unconditional, help: "With --producer-id: its epoch; what it is now if not said.")
  var producerEpoch: Int16?
  @Option(
    parsing: .unconditional, help: "With --producer-id: what the marker says; what the last one said if not said.")
  var coordinatorEpoch: Int32?

  func validate() throws {
    let isByPartition =
      topic != nil || partition != nil || startOffset != nil || producerID != nil || producerEpoch != nil
      || coordinatorEpoch != nil
    if transactionalID != nil {
      if isByPartition { throw ValidationError("--transactional-id goes with none of the other options") }
      return
    }
    guard topic != nil, partition != nil, (startOffset != nil) != (producerID != nil) else {
      throw ValidationError(
        "give --transactional-id, or --topic and --partition with --start-offset or --producer-id")
    }
    if startOffset != nil, producerEpoch != nil || coordinatorEpoch != nil {
      throw ValidationError("--producer-epoch and --coordinator-epoch go with --producer-id")
    }
  }

  func run() throws {
    if let transactionalID {
      let broker = try store.openExisting()
      defer { try? broker.close() }
      try broker.admin.abortTransaction(transactionalID)
      return try broker.close()
    }
    guard let topic, let partition else { return }
    let place = TopicPartition(topic, partition)
    // Looked at before it is opened as its owner, which alone may end what is meant.
    let producer = try find(on: place)
    let broker = try store.openExisting()
    defer { try? broker.close() }
    let isStillOpen = try broker.admin.describeProducers(place).contains {
      $0.producerID == producer.producerID
        && $0.currentTransactionStartOffset == producer.currentTransactionStartOffset
    }
    if isStillOpen {
      // A producer that got no marker yet has no coordinator's epoch; Kafka's tool takes 0 then, also for what is below.
      try broker.admin.abortTransaction(
        on: place, producerID: producer.producerID, epoch: producerEpoch,
        coordinatorEpoch: coordinatorEpoch.map { max($0, 0) })
    }
    try broker.close()
  }

  private func find(on place: TopicPartition) throws -> ProducerDescription {
    let broker = try store.openReadOnly()
    defer { try? broker.close() }
    let open = try broker.admin.describeProducers(place).filter { $0.currentTransactionStartOffset != nil }
    if let startOffset {
      guard let found = open.first(where: { $0.currentTransactionStartOffset == startOffset }) else {
        throw EventLogError(
          .invalidTransactionState, "no transaction that is open there starts at offset \(startOffset)",
          topic: place.topic, partition: place.partition)
      }
      return found
    }
    guard let found = open.first(where: { $0.producerID == producerID }) else {
      throw EventLogError(
        .invalidTransactionState, "producer \(producerID ?? -1) has no transaction open there", topic: place.topic,
        partition: place.partition)
    }
    return found
  }
}

/// `eventlog transactions find-hanging`
struct FindHangingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "find-hanging",
    abstract: "Show transactions that partitions have open and that no transactional id can end.",
    discussion: """
      Readers with read_committed get no further than where such a transaction begins: abort with --topic, --partition \
      and --start-offset ends it. Logs that were imported may have some.
      """)

  @OptionGroup var store: StoreOptions
  @Option(
    parsing: .unconditional,
    help: "Only those whose producer has written nothing for longer than this, in minutes.")
  var maxTransactionTimeout: Int64 = 15
  @Option(name: .shortAndLong, help: "Only this topic.") var topic: String?
  @Option(name: .shortAndLong, parsing: .unconditional, help: "With --topic: only this partition.") var partition: Int?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if partition != nil, topic == nil { throw ValidationError("--partition goes with --topic") }
    if maxTransactionTimeout < 0 { throw ValidationError("--max-transaction-timeout can't be negative") }
  }

  func run() throws {
    let broker = try store.openReadOnly()
    defer { try? broker.close() }
    if let topic {
      let count = try broker.admin.describeTopic(topic).partitions.count
      if let partition, !(0..<count).contains(partition) {
        throw EventLogError(
          .unknownTopicOrPartition, "the topic has \(count) partitions, counted from 0", topic: topic,
          partition: partition)
      }
    }
    let now = WallClock.now()
    let product = maxTransactionTimeout.multipliedReportingOverflow(by: 60_000)
    let limit = product.overflow ? Int64.max : product.partialValue
    let hanging = try broker.admin.findHangingTransactions().filter { transaction in
      if let topic, transaction.topicPartition.topic != topic { return false }
      if let partition, transaction.topicPartition.partition != partition { return false }
      return WallClock.milliseconds(from: transaction.lastTimestamp, to: now) > limit
    }.sorted { ($0.topicPartition, $0.startOffset) < ($1.topicPartition, $1.startOffset) }
    if json {
      for transaction in hanging {
        try Terminal.line(JSON(transaction, now: now).text)
      }
      return
    }
    try Terminal.table(
      [
        "Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset", "LastTimestamp",
        "Duration(min)",
      ],
      hanging.map { transaction in
        [
          transaction.topicPartition.topic, String(transaction.topicPartition.partition),
          String(transaction.producerID), String(transaction.producerEpoch), String(transaction.coordinatorEpoch),
          String(transaction.startOffset), String(transaction.lastTimestamp),
          String(WallClock.milliseconds(from: transaction.lastTimestamp, to: now) / 60_000),
        ]
      })
  }
}

extension JSON {
  fileprivate init(_ transaction: HangingTransaction, now: Int64) {
    self = .object([
      ("topic", .string(transaction.topicPartition.topic)),
      ("partition", .number(transaction.topicPartition.partition)), ("producerId", .number(transaction.producerID)),
      ("producerEpoch", .number(Int64(transaction.producerEpoch))),
      ("coordinatorEpoch", .number(Int64(transaction.coordinatorEpoch))),
      ("startOffset", .number(transaction.startOffset)), ("lastTimestamp", .number(transaction.lastTimestamp)),
      ("durationMs", .number(WallClock.milliseconds(from: transaction.lastTimestamp, to: now))),
    ])
  }
}
