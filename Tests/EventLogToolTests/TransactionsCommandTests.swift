import EventLog
import Foundation
import Testing

extension Broker {
  /// A producer with a `transactional.id` that is ready to begin.
  fileprivate func transactionalProducer(_ id: String) throws -> Producer {
    var configuration = ProducerConfiguration()
    configuration.transactionalID = id
    let producer = try producer(configuration)
    try producer.initTransactions()
    return producer
  }
}

extension Producer {
  fileprivate func transaction(_ values: String..., timestamp: Int64? = nil, end: (Producer) throws -> Void) throws {
    try beginTransaction()
    for value in values {
      try append(ProducerRecord(topic: "t", partition: 0, value: value, timestamp: timestamp))
    }
    try end(self)
  }
}

/// A store whose topic `t` has "1" committed, "2" aborted, "3" committed, and "4" open, by a broker that lives; without
/// the committed ones if that is asked for.
private struct StoreAtWork {
  let store: Store
  let broker: Broker
  let producer: Producer

  init(openSince timestamp: Int64? = nil, commits: Bool = true) throws {
    store = try Store()
    broker = try Broker.open(store.path)
    producer = try broker.transactionalProducer("order-service")
    if commits { try producer.transaction("1") { try $0.commitTransaction() } }
    try producer.transaction("2") { try $0.abortTransaction() }
    if commits { try producer.transaction("3") { try $0.commitTransaction() } }
    try producer.transaction("4", timestamp: timestamp) { _ in }
  }

  func tool(_ arguments: String...) throws -> Tool.Result { try run(arguments) }

  func transactions(_ command: String, _ options: String...) throws -> Tool.Result {
    try run(["transactions", command] + options)
  }

  private func run(_ arguments: [String]) throws -> Tool.Result {
    try Tool.result(Tool.start(arguments + ["--dir", store.path]))
  }
}

@Suite("eventlog transactions")
struct TransactionsCommandTests {
  @Test("consume in a group leaves no lag behind the last transaction's marker")
  func lag() throws {
    let store = try Store()
    let broker = try Broker.open(store.path)
    let producer = try broker.transactionalProducer("order-service")
    try producer.transaction("1", "2") { try $0.commitTransaction() }
    try producer.transaction("3") { try $0.abortTransaction() }
    try broker.close()
    for options in [["--max", "1"], ["--isolation-level", "read_committed"]] {
      let read = try Tool.result(
        Tool.start(["consume", "--dir", store.path, "--topic", "t", "--group", "g"] + options))
      #expect(read.status == 0)
      #expect(read.lines == [options[0] == "--max" ? "1" : "2"])
    }
    let lag = try Tool.run("groups", "lag", "--dir", store.path, "--json").text
    #expect(lag.contains("\"committedOffset\":5,\"logEndOffset\":5,\"lag\":0"))
  }

  @Test("lists the transactional ids beside a running owner, with filters by state, producer and duration")
  func list() throws {
    let work = try StoreAtWork(commits: false)
    defer { try? work.broker.close() }
    let id = try work.broker.admin.describeTransaction("order-service").producerID
    let all = try work.transactions("list")
    #expect(all.status == 0)
    #expect(
      all.lines.map { $0.split(separator: " ").map(String.init) } == [
        ["TransactionalId", "ProducerId", "TransactionState"], ["order-service", String(id), "Ongoing"],
      ])
    let json = "{\"transactionalId\":\"order-service\",\"producerId\":\(id),\"transactionState\":\"Ongoing\"}"
    #expect(try work.transactions("list", "--json").lines == [json])
    #expect(try work.transactions("list", "--json", "--state", "Ongoing", "--state", "Empty").lines == [json])
    #expect(try work.transactions("list", "--json", "--state", "Empty").lines == [])
    #expect(try work.transactions("list", "--json", "--producer-id", "\(id)").lines == [json])
    #expect(try work.transactions("list", "--json", "--producer-id", "\(id + 1)").lines == [])
    #expect(try work.transactions("list", "--json", "--duration-filter", "3600000").lines == [])
    #expect(try work.transactions("list", "--json", "--duration-filter", "-1").lines == [json])
    #expect(try work.transactions("list", "--state", "Sleeping").status == 64)
  }

  @Test("describes what is open, and says of ids that there are none of them")
  func describe() throws {
    let work = try StoreAtWork(commits: false)
    defer { try? work.broker.close() }
    let there = try work.broker.admin.describeTransaction("order-service")
    let described = try work.transactions(
      "describe", "--transactional-id", "order-service", "--transactional-id", "nobody")
    #expect(described.status == 1)
    #expect(described.errors.count == 1)
    #expect(described.error.contains("TRANSACTIONAL_ID_NOT_FOUND"))
    #expect(described.error.contains("\"nobody\""))
    let cells = described.lines.map { $0.split(separator: " ").map(String.init) }
    try #require(cells.count == 2)
    #expect(
      cells[0] == [
        "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState", "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions",
      ])
    #expect(
      Array(cells[1].prefix(5))
        == ["order-service", String(there.producerID), String(there.producerEpoch), "Ongoing", "60000"])
    #expect(cells[1].last == "t-0")
    let json = try work.transactions("describe", "--json", "--transactional-id", "order-service")
    #expect(json.status == 0)
    #expect(json.text.contains("\"topicPartitions\":[{\"topic\":\"t\",\"partition\":0}]"))
    #expect(json.text.contains("\"transactionTimeoutMs\":60000"))

    try work.producer.abortTransaction()
    let ended = try work.transactions("describe", "--transactional-id", "order-service").lines
    #expect(ended.last?.contains("None") == true, "nothing is open")
    let endedJSON = try work.transactions("describe", "--json", "--transactional-id", "order-service").text
    #expect(endedJSON.contains("\"currentTransactionStartTimeMs\":null,\"transactionDurationMs\":null"))
  }

  @Test("says of a transaction that came after a committed one that it is open, beside a running owner")
  func openAfterCommitted() throws {
    let work = try StoreAtWork()
    defer { try? work.broker.close() }
    #expect(try work.broker.admin.listTransactions().map(\.state) == [.ongoing])
    // The decision that came before is in SQLite still: the owner lets it go only some time later.
    let ongoing = try work.transactions("list", "--json", "--state", "Ongoing").lines
    #expect(ongoing.count == 1)
  }

  @Test("describes the producers of a partition")
  func producers() throws {
    let work = try StoreAtWork()
    defer { try? work.broker.close() }
    let there = try #require(try work.broker.admin.describeProducers(TopicPartition("t", 0)).first)
    let described = try work.transactions("describe-producers", "--topic", "t", "--partition", "0", "--json")
    #expect(
      described.lines == [
        "{\"producerId\":\(there.producerID),\"producerEpoch\":\(there.producerEpoch),\"latestCoordinatorEpoch\":"
          + "\(there.coordinatorEpoch ?? -1),\"lastSequence\":\(there.lastSequence),\"lastTimestamp\":"
          + "\(there.lastTimestamp),\"currentTransactionStartOffset\":6}"
      ])
    #expect(try work.transactions("describe-producers", "--topic", "t", "--partition", "1").status == 1)
  }

  @Test("aborts what a transactional id has open, and fences its producer; beside a running owner it does not")
  func abort() throws {
    let work = try StoreAtWork()
    let before = try work.broker.admin.describeTransaction("order-service")
    #expect(try work.transactions("abort", "--transactional-id", "order-service").status == 2)
    let byOffset = try work.transactions("abort", "--topic", "t", "--partition", "0", "--start-offset", "6")
    #expect(byOffset.status == 2)
    try work.broker.close()
    #expect(try work.transactions("abort", "--transactional-id", "order-service").errors == [])
    let unknown = try work.transactions("abort", "--transactional-id", "nobody")
    #expect(unknown.status == 1)
    #expect(unknown.error.contains("TRANSACTIONAL_ID_NOT_FOUND"))
    let broker = try Broker.openReadOnly(work.store.path)
    defer { try? broker.close() }
    #expect(try broker.admin.describeTransaction("order-service").producerEpoch > before.producerEpoch)
    #expect(try work.store.consume("--isolation", "read_committed").lines == ["1", "3"])
  }

  @Test(
    "wants to know which transaction to abort",
    arguments: [
      [], ["--topic", "t"], ["--topic", "t", "--partition", "0"],
      ["--topic", "t", "--partition", "0", "--start-offset", "1", "--producer-id", "1"],
      ["--transactional-id", "a", "--topic", "t"],
      ["--topic", "t", "--partition", "0", "--start-offset", "1", "--producer-epoch", "1"],
    ])
  func abortOfNothing(options: [String]) throws {
    let store = try Store()
    #expect(try Tool.result(Tool.start(["transactions", "abort", "--dir", store.path] + options)).status == 64)
  }

  /// A store of another broker into which the partition with an open transaction was imported.
  private func imported(_ work: StoreAtWork) throws -> (path: String, directory: TemporaryDirectory) {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/store"
    let imported = try Tool.run("import", "--dir", path, work.store.path + "/t-0")
    guard imported.status == 0 else { throw Store.Failure(description: imported.error) }
    return (path, directory)
  }

  @Test(
    "finds transactions that hang in an imported log, by their age, and aborts them by their start or producer",
    arguments: ["--start-offset", "--producer-id"])
  func hanging(option: String) throws {
    let hourAgo = Int64(Date().timeIntervalSince1970 * 1000) - 3_600_000
    let work = try StoreAtWork(openSince: hourAgo)
    let producer = try #require(try work.broker.admin.describeProducers(TopicPartition("t", 0)).first)
    let (path, directory) = try imported(work)
    defer { withExtendedLifetime(directory) {} }
    try work.broker.close()
    func find(_ options: String...) throws -> Tool.Result {
      try Tool.result(Tool.start(["transactions", "find-hanging", "--dir", path] + options))
    }
    let found = try find()
    #expect(found.status == 0)
    let cells = found.lines.map { $0.split(separator: " ").map(String.init) }
    #expect(
      cells == [
        [
          "Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset", "LastTimestamp",
          "Duration(min)",
        ],
        [
          "t", "0", String(producer.producerID), String(producer.producerEpoch),
          String(producer.coordinatorEpoch ?? -1), "6", String(hourAgo), "60",
        ],
      ])
    #expect(try find("--json").lines.first?.contains("\"startOffset\":6") == true)
    #expect(try find("--json", "--max-transaction-timeout", "59").lines.count == 1)
    #expect(try find("--json", "--max-transaction-timeout", "61").lines == [])
    #expect(try find("--json", "--max-transaction-timeout", "9223372036854775807").lines == [])
    #expect(try find("--json", "--topic", "t", "--partition", "0").lines.count == 1)
    #expect(try find("--topic", "t", "--partition", "1").error.contains("UNKNOWN_TOPIC_OR_PARTITION"))
    #expect(try find("--topic", "x").error.contains("UNKNOWN_TOPIC_OR_PARTITION"))
    #expect(try find("--partition", "0").status == 64)

    func abort(_ option: String, _ value: Int64, _ more: String...) throws -> Tool.Result {
      try Tool.result(
        Tool.start(
          ["transactions", "abort", "--dir", path, "--topic", "t", "--partition", "0", option, "\(value)"] + more))
    }
    let wrong = try abort(option, 77)
    #expect(wrong.status == 1)
    #expect(wrong.error.contains("INVALID_TXN_STATE"))
    if option == "--producer-id" {
      let old = try abort(option, producer.producerID, "--producer-epoch", "-1")
      #expect(old.status == 1)
      #expect(old.error.contains("INVALID_PRODUCER_EPOCH"))
    }
    let aborted = try abort(option, option == "--start-offset" ? 6 : producer.producerID)
    #expect(aborted.status == 0)
    #expect(aborted.errors == [])
    #expect(try find("--json").lines == [])
    let read = try Tool.run("consume", "--dir", path, "--topic", "t", "--isolation", "read_committed")
    #expect(read.lines == ["1", "3"])
    #expect(try abort("--start-offset", 6).status == 1, "it is gone")
  }

  @Test("knows none as hanging that its own transactional id can end")
  func notHanging() throws {
    let work = try StoreAtWork(openSince: 0)
    defer { try? work.broker.close() }
    #expect(try work.transactions("find-hanging", "--json", "--max-transaction-timeout", "0").lines == [])
  }

  @Test(
    "consume prints what was committed up to the first open transaction, or everything",
    arguments: ["--isolation", "--isolation-level"])
  func isolation(option: String) throws {
    let work = try StoreAtWork()
    #expect(try work.store.consume().lines == ["1", "2", "3", "4"], "as Kafka's console consumer does")
    #expect(try work.store.consume(option, "read_uncommitted").lines == ["1", "2", "3", "4"])
    #expect(try work.store.consume(option, "read_committed").lines == ["1", "3"])
    #expect(try work.store.consume(option, "read_committed", "--max", "1").lines == ["1"])
    #expect(try work.store.consume(option, "committed").status == 64)
    try work.producer.commitTransaction()
    #expect(try work.store.consume(option, "read_committed").lines == ["1", "3", "4"])
    try work.producer.transaction("5") { _ in }
    try work.broker.close()
    let group = try work.store.consume(option, "read_committed", "--group", "g")
    #expect(group.status == 0)
    #expect(group.lines == ["1", "3", "4"])
    #expect(try work.store.consume("--group", "h").lines == ["1", "2", "3", "4", "5"])
  }

  @Test("dump shows markers, sequence numbers, transaction indexes and snapshots by the words of kafka-dump-log")
  func dump() throws {
    let work = try StoreAtWork()
    let id = try work.broker.admin.describeTransaction("order-service").producerID
    try work.producer.abortTransaction()
    try work.broker.close()
    let base = work.store.path + "/t-0/00000000000000000000"
    let log = try Tool.run("dump", "--records", base + ".log").lines
    #expect(log.contains { $0.contains("endTxnMarker: COMMIT coordinatorEpoch: 0") && $0.hasPrefix("baseOffset: 1 ") })
    #expect(log.contains { $0.contains("endTxnMarker: ABORT coordinatorEpoch: 0") && $0.hasPrefix("| offset: 3 ") })
    #expect(log.contains { $0.contains(" sequence: 3 ") && $0.hasSuffix("payload: 4") })
    #expect(
      try Tool.run("dump", "--json", base + ".log").text.contains("\"controlType\":\"ABORT\",\"coordinatorEpoch\":0"))
    let index = try Tool.run("dump", base + ".txnindex").lines
    #expect(
      index.dropFirst().map { $0.prefix { $0 != "L" } } == [
        "version: 0 producerId: \(id) firstOffset: 2 lastOffset: 3 lastStableOffset: 4",
        "version: 0 producerId: \(id) firstOffset: 6 lastOffset: 7 lastStableOffset: 8",
      ])
    let path = work.store.path + "/t-0/00000000000000000008.snapshot"
    let snapshot = try Tool.run("dump", path)
    #expect(snapshot.status == 0)
    #expect(snapshot.lines.last?.hasPrefix("producerId: \(id) producerEpoch: 0 coordinatorEpoch: 0") == true)
    #expect(snapshot.lines.last?.contains("currentTxnFirstOffset: None lastTimestamp: ") == true)
    #expect(snapshot.text.contains(" firstSequence: 3 lastSequence: 3 lastOffset: 6 offsetDelta: 0\n"))
    #expect(try Tool.run("dump", "--json", path).text.contains("\"currentTxnFirstOffset\":null"))
    try work.store.damage("t-0/00000000000000000008.snapshot", at: 12)
    let damaged = try Tool.run("dump", path)
    #expect(damaged.status == 1)
    #expect(damaged.error.contains("CORRUPT_MESSAGE"))
    #expect(damaged.error.contains(path))
    let verified = try Tool.run("verify", work.store.path)
    #expect(verified.status == 0)
    #expect(verified.lines.first?.hasPrefix("note: \(path): ") == true)
    #expect(verified.lines.last?.hasSuffix("all sound") == true)
    let json = try Tool.run("verify", "--json", work.store.path)
    #expect(json.lines.first?.contains("\"note\":") == true)
    #expect(json.lines.last?.contains("\"faults\":0,\"notes\":1") == true)
  }
}
