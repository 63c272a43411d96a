import ArgumentParser
import EventLog

struct TransactionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "transactions", abstract: "List, describe and abort transactions, and find those that hang.",
    discussion: """
      Everything but abort only looks, also while another process owns the directory: what is open is found in the logs, \
      and a transaction that has written nothing yet is not seen. Whoever takes a directory as its owner (abort does, \
      and produce, and consume --group) aborts at once what a dead owner left open.
      """,
    subcommands: [
      List.self, Describe.self, DescribeProducers.self, AbortTransactionCommand.self, FindHangingCommand.self,
    ])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the transactional ids and their states.")
    @OptionGroup var store: StoreOptions
    @Option(help: "Only this state, such as Ongoing; may be given again.") var state: [TransactionState] = []
    @Option(parsing: .unconditionalSingleValue, help: "Only of this producer id; may be given again.") var producerID:
      [Int64] = []
    @Option(
      parsing: .unconditional,
      help: "Only transactions that have been open for longer than this, in milliseconds; all if it is negative.")
    var durationFilter: Int64?
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      let duration = durationFilter.flatMap { $0 < 0 ? nil : Duration.milliseconds($0) }
      let listings = try broker.admin.listTransactions(
        states: state.isEmpty ? nil : Set(state), producerIDs: producerID.isEmpty ? nil : Set(producerID),
        openLongerThan: duration)
      if json {
        for listing in listings { try Terminal.line(JSON(listing).text) }
        return
      }
      try Terminal.table(
        ["TransactionalId", "ProducerId", "TransactionState"],
        listings.map { [$0.transactionalID, String($0.producerID), $0.state.rawValue] })
    }
  }

  struct Describe: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show transactional ids and what they have open.")
    @OptionGroup var store: StoreOptions
    @Option(parsing: .unconditionalSingleValue, help: "The transactional id; may be given again.") var transactionalID:
      [String]
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      let results = try broker.admin.describeTransactions(each: transactionalID)
      let now = WallClock.now()
      var outcome = Outcome()
      let descriptions = Set(transactionalID).sorted().compactMap { outcome.value(results[$0]) }
      if json {
        for description in descriptions { try Terminal.line(JSON(description, now: now).text) }
      } else if !descriptions.isEmpty {
        try Terminal.table(
          [
            "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState", "TransactionTimeoutMs",
            "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions",
          ],
          descriptions.map { description in
            [
              description.transactionalID, String(description.producerID), String(description.producerEpoch),
              description.state.rawValue, String(description.timeout.milliseconds),
              description.startTime.map(String.init) ?? "None",
              description.startTime.map { String(WallClock.milliseconds(from: $0, to: now)) } ?? "None",
              description.partitions.sorted().map(\.description).joined(separator: ","),
            ]
          })
      }
      try outcome.finish()
    }
  }

  struct DescribeProducers: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "describe-producers", abstract: "Show the producers with an id that have written to a partition.")
    @OptionGroup var store: StoreOptions
    @Option(name: .shortAndLong, help: "The topic.") var topic: String
    @Option(name: .shortAndLong, parsing: .unconditional, help: "The partition.") var partition: Int
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let broker = try store.openReadOnly()
      defer { try? broker.close() }
      let producers = try broker.admin.describeProducers(TopicPartition(topic, partition)).sorted {
        $0.producerID < $1.producerID
      }
      if json {
        for producer in producers { try Terminal.line(JSON(producer).text) }
        return
      }
      try Terminal.table(
        [
          "ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence", "LastTimestamp",
          "CurrentTransactionStartOffset",
        ],
        producers.map { producer in
          [
            String(producer.producerID), String(producer.producerEpoch), String(producer.coordinatorEpoch ?? -1),
            String(producer.lastSequence), String(producer.lastTimestamp),
            producer.currentTransactionStartOffset.map(String.init) ?? "None",
          ]
        })
    }
  }
}

extension TransactionState: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument) }

  public static var allValueStrings: [String] { allCases.map(\.rawValue) }
}

extension JSON {
  fileprivate init(_ listing: TransactionListing) {
    self = .object([
      ("transactionalId", .string(listing.transactionalID)), ("producerId", .number(listing.producerID)),
      ("transactionState", .string(listing.state.rawValue)),
    ])
  }

  fileprivate init(_ description: TransactionDescription, now: Int64) {
    self = .object([
      ("transactionalId", .string(description.transactionalID)), ("producerId", .number(description.producerID)),
      ("producerEpoch", .number(Int64(description.producerEpoch))),
      ("transactionState", .string(description.state.rawValue)),
      ("transactionTimeoutMs", .number(description.timeout.milliseconds)),
      ("currentTransactionStartTimeMs", description.startTime.map(JSON.number) ?? .null),
      (
        "transactionDurationMs",
        description.startTime.map { .number(WallClock.milliseconds(from: $0, to: now)) } ?? .null
      ),
      (
        "topicPartitions",
        .array(
          description.partitions.sorted().map {
            .object([("topic", .string($0.topic)), ("partition", .number($0.partition))])
          })
      ),
    ])
  }

  fileprivate init(_ producer: ProducerDescription) {
    self = .object([
      ("producerId", .number(producer.producerID)), ("producerEpoch", .number(Int64(producer.producerEpoch))),
      ("latestCoordinatorEpoch", .number(Int64(producer.coordinatorEpoch ?? -1))),
      ("lastSequence", .number(Int64(producer.lastSequence))), ("lastTimestamp", .number(producer.lastTimestamp)),
      ("currentTransactionStartOffset", producer.currentTransactionStartOffset.map(JSON.number) ?? .null),
    ])
  }
}
