internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Sends records. One producer serves any number of tasks and threads.
///
/// ```swift
/// let producer = try broker.producer()
/// let metadata = try await producer.send("orders", key: "customer-42", value: "created")
/// ```
///
/// Records of one partition are appended in the order of the calls. With `acks=all`, the default, a call returns when the
/// record is on the disk; many that wait at the same time share one sync.
public final class Producer: Sendable {
  /// What is called with the outcome of a record: once, in the order of sending within a partition; before `send` returns where
  /// the outcome is known by then, else on a thread of the library. So it is to be short: whoever waits behind it for the same
  /// partition's records is told when it has returned.
  public typealias DeliveryCallback = @Sendable (Result<RecordMetadata, any Error>) -> Void

  public let configuration: ProducerConfiguration
  let broker: Broker
  let budget: MemoryBudget
  /// `max.request.size`, or `buffer.memory` where that is less.
  private let largestRecord: Int
  let options: AppendOptions
  let accumulator: RecordAccumulator
  /// Of a producer with a `transactional.id`.
  let transaction: ProducerTransaction?
  /// Of a producer with a name.
  let lease: ProducerLease?
  /// Whether a send is over only when the disk has the record. Within transactions the commit sees to that.
  let awaitsDisk: Bool
  let interceptors: ProducerInterceptors?
  private let topics: TopicTable
  private let routes: Mutex<Routes>
  /// Of the last call that named its partition; with the version of the topics when it was looked up.
  private let latest = AtHand<PartitionLog>()
  private let isClosed = Atomic<Bool>(false)

  /// A topic at hand, with what its partitioning needs.
  final class Route: Sendable {
    let topic: Topic
    let version: Int
    let sticky: StickyPartition

    init(topic: Topic, version: Int, sticky: StickyPartition) {
      self.topic = topic
      self.version = version
      self.sticky = sticky
    }
  }

  private struct Routes {
    var last: Route?
    var byName: [String: Route] = [:]
  }

  init(broker: Broker, configuration: ProducerConfiguration) throws(EventLogError) {
    try configuration.validate()
    self.broker = broker
    topics = broker.topicTable
    self.configuration = configuration
    var options = AppendOptions(
      isDurable: configuration.acks == .all, compression: configuration.compression,
      compressionLevel: configuration.compressionLevel)
    if let name = configuration.name {
      let (id, lease) = try broker.namedProducers.take(name)
      options.producer = ProducerStamp(id: id, epoch: 0)
      self.lease = lease
    } else {
      lease = nil
      if configuration.isIdempotent, configuration.transactionalID == nil {
        options.producer = ProducerStamp(id: try broker.producerIDs.next(), epoch: 0)
      }
    }
    largestRecord = min(configuration.maxRequestSize, configuration.bufferMemory)
    options.largestRecord = largestRecord
    let chosen = options
    self.options = chosen
    transaction = configuration.transactionalID.map { id in
      ProducerTransaction(
        broker.transactions, id, timeout: configuration.transactionTimeout.milliseconds, options: chosen)
    }
    awaitsDisk = configuration.acks == .all && configuration.transactionalID == nil
    budget = MemoryBudget(
      bytes: configuration.bufferMemory, maxBlock: configuration.maxBlock.milliseconds, context: broker.context)
    accumulator = RecordAccumulator(
      context: broker.context, batchSize: min(configuration.batchSize, configuration.maxRequestSize),
      linger: configuration.linger.milliseconds)
    routes = Mutex(Routes())
    interceptors = ProducerInterceptors(configuration.interceptors, broker.context.warn)
    accumulator.setAppend { [transaction, lease] records, log throws(EventLogError) in
      try Self.append(to: log, chosen, transaction, lease) { options throws(EventLogError) in
        try log.append(records: records, options)
      }
    }
  }

  // MARK: Appending

  /// Has `body` append to a log: at once, or through the gate of the transaction or of the name.
  @inline(always)
  func append(
    to log: PartitionLog, _ body: (AppendOptions) throws(EventLogError) -> AppendResult
  ) throws(EventLogError) -> AppendResult {
    try Self.append(to: log, options, transaction, lease, body)
  }

  @inline(always)
  private static func append(
    to log: PartitionLog, _ options: AppendOptions, _ transaction: ProducerTransaction?, _ lease: ProducerLease?,
    _ body: (AppendOptions) throws(EventLogError) -> AppendResult
  ) throws(EventLogError) -> AppendResult {
    if let transaction { return try transaction.append(to: log, body) }
    if let lease { return try lease.append { () throws(EventLogError) in try body(options) } }
    return try body(options)
  }

  /// Runs what comes before an append. What fails there keeps a transaction from being committed, too.
  @inline(always)
  func noting<R>(_ body: () throws(EventLogError) -> R) throws(EventLogError) -> R {
    do throws(EventLogError) {
      return try body()
    } catch {
      transaction?.note(error)
      throw error
    }
  }

  // MARK: Where a record goes

  func requireOpen() throws(EventLogError) {
    guard !isClosed.load(ordering: .acquiring) else {
      throw EventLogError(.illegalState, "the producer is closed")
    }
  }

  func route(_ topic: String) throws(EventLogError) -> Route {
    try requireOpen()
    // While it is being closed, what is told of the last records may send again, and so on.
    try broker.requireOpen()
    let version = topics.version
    let known = routes.withLock { routes -> Route? in
      if let last = routes.last, last.version == version, last.topic.name == topic { return last }
      guard let route = routes.byName[topic], route.version == version else { return nil }
      routes.last = route
      return route
    }
    if let known { return known }
    let found = try findOrCreate(topic)
    return routes.withLock { routes in
      let route = Route(
        topic: found, version: version,
        sticky: routes.byName[topic]?.sticky
          ?? StickyPartition(
            batchSize: configuration.batchSize, broker.context.random.generator(for: "sticky partitions of \(topic)")))
      routes.byName[topic] = route
      routes.last = route
      return route
    }
  }

  /// The log of a partition that the caller names.
  func log(_ topicPartition: TopicPartition) throws(EventLogError) -> PartitionLog {
    try requireOpen()
    return try route(topicPartition.topic).topic.log(topicPartition.partition)
  }

  /// Calls `body` with the log of a partition that the caller names. Where it is the one of the last call, and no other thread
  /// is at that, it is at hand without a lock.
  @inline(always)
  func withLog<R>(
    _ topicPartition: TopicPartition, _ body: (PartitionLog) throws(EventLogError) -> R
  ) throws(EventLogError) -> R {
    let version = topics.version
    let result = try latest.withObjectIfFree(version: version) { log throws(EventLogError) -> R? in
      guard log.topicPartition == topicPartition, !isClosed.load(ordering: .acquiring) else { return nil }
      return try body(log)
    }
    if let result { return result }
    return try body(lookUp(topicPartition, version))
  }

  @inline(never)
  private func lookUp(_ topicPartition: TopicPartition, _ version: Int) throws(EventLogError) -> PartitionLog {
    let log = try noting { () throws(EventLogError) in try self.log(topicPartition) }
    latest.put(log, version: version)
    return log
  }

  private func findOrCreate(_ name: String) throws(EventLogError) -> Topic {
    if broker.configuration.autoCreateTopics, broker.topicTable.find(name) == nil {
      do throws(EventLogError) {
        return try broker.createTopic(name, partitions: -1, configs: [:])
      } catch {
        // Another producer may have been faster.
        guard error.code == .topicAlreadyExists else { throw error }
      }
    }
    return try broker.topic(name)
  }

  /// The log for a record: the partition that it names, else the partitioner's choice.
  func log(_ route: Route, partition: Int?, _ record: Record) throws(EventLogError) -> PartitionLog {
    if let partition { return try route.topic.log(partition) }
    return try route.topic.log(try choose(route, record))
  }

  private func choose(_ route: Route, _ record: Record) throws(EventLogError) -> Int {
    let count = route.topic.partitionCount
    if let partitioner = configuration.partitioner {
      let choice = partitioner.partition(
        topic: route.topic.name, key: record.key, value: record.value, partitionCount: count)
      guard choice >= 0, choice < count else {
        throw EventLogError(
          .illegalArgument, "the partitioner chose partition \(choice) of \(count)", topic: route.topic.name)
      }
      return choice
    }
    if let key = record.key, !configuration.ignoresKeys { return Murmur2.partition(key.span.bytes, of: count) }
    return count == 1 ? 0 : route.sticky.partition(of: count, adding: Self.size(record))
  }

  /// About as many bytes as the record takes, with what its batch adds.
  static func size(_ record: Record) -> Int {
    size(key: record.key?.count ?? 0, value: record.value?.count ?? 0, record.headers)
  }

  @inline(always)
  static func size(key: Int, value: Int, _ headers: [RecordHeader]) -> Int {
    let size = RecordBatchHeader.size + 21 + key + value
    return headers.isEmpty ? size : size + Self.size(headers)
  }

  /// Apart, since most records have none.
  @inline(never)
  private static func size(_ headers: [RecordHeader]) -> Int {
    headers.reduce(0) { $0 + 10 + $1.key.utf8.count + ($1.value?.count ?? 0) }
  }

  func checkSize(_ size: Int, _ topicPartition: TopicPartition) throws(EventLogError) {
    guard size <= largestRecord else {
      let name = size > configuration.maxRequestSize ? "max.request.size" : "buffer.memory"
      throw EventLogError(
        .messageTooLarge, "the record has \(size) bytes with its batch; \(name) allows \(largestRecord)"
      ).at(topicPartition)
    }
  }

  func metadata(_ record: Record, _ result: AppendResult, index: Int, _ topicPartition: TopicPartition)
    -> RecordMetadata
  {
    Self.metadata(record, result, index: index, topicPartition, configuration.acks)
  }

  static func metadata(
    _ record: Record, _ result: AppendResult, index: Int, _ topicPartition: TopicPartition, _ acks: Acks
  ) -> RecordMetadata {
    RecordMetadata(
      topicPartition: topicPartition, offset: acks == .none ? -1 : result.baseOffset + Int64(index),
      timestamp: result.logAppendTime ?? record.timestamp ?? result.now, serializedKeySize: record.key?.count ?? -1,
      serializedValueSize: record.value?.count ?? -1)
  }

  // MARK: Ending

  /// Appends what lingers and waits until everything that was sent before this call counts as written, or has failed,
  /// and its senders have been told.
  public func flush() async throws {
    try requireOpen()
    try await finish()
  }

  /// As `flush`; then nothing more can be sent. A transaction that is open is aborted. A second call does nothing.
  public func close() async throws {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    if let transaction, transaction.isOpen {
      accumulator.abort(EventLogError(.illegalState, "the producer was closed within a transaction, which is aborted"))
      transaction.end(commits: false) { _ in }
    }
    defer { interceptors?.close() }
    try await finish()
  }

  /// Closes without waiting: what lingers is given up, and its callbacks get `illegalState`. What was appended stays.
  public func abort() {
    isClosed.store(true, ordering: .releasing)
    accumulator.abort(EventLogError(.illegalState, "the producer was closed before the record was appended"))
    interceptors?.close()
  }

  private func finish() async throws {
    await accumulator.flush()
    if configuration.acks == .all {
      let logs = routes.withLock { Array($0.byName.values) }.flatMap { route in
        route.topic.logsInUse.map(\.log)
      }
      let told = OneShot<Void>()
      // A failure is told to those who sent; here it only ends the waiting.
      let countdown = Countdown(logs.count) { _ in told.complete(.success(())) }
      // What is on the disk already may not have been told to everybody yet: this waits behind them.
      for log in logs { log.whenDurable(upTo: log.logEndOffset) { countdown.count($0) } }
      try? await told.value()
    }
    try Task.checkCancellation()
  }
}
