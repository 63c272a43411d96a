public import EventLog
internal import Logging
public import ServiceLifecycle
internal import Synchronization
internal import Tracing

/// A consumer whose records a closure handles, one after the other, until its process ends.
///
/// ```swift
/// let billing = try ConsumerService(broker, group: "billing", topics: ["orders"]) { record in
///   try await bill(record.valueString)
/// }
/// try await billing.run()
/// ```
///
/// At graceful shutdown it polls no more, finishes the record in hand, commits what was handled, and leaves the group. So it
/// does where the task is cancelled, or the closure throws: a record that it threw for is not committed, and comes again.
public final class ConsumerService: Service {
  /// How the consumer gets partitions.
  public enum Subscription: Sendable {
    /// As a member of the group, those of these topics.
    case topics([String])
    /// As a member of the group, those of all topics whose names match a regular expression.
    case pattern(String)
    /// These, without a group's having a say.
    case partitions([TopicPartition])
  }

  /// Who commits what was handled.
  public enum Commits: Sendable, Hashable {
    /// What the configuration says: with `enable.auto.commit`, every `auto.commit.interval.ms` and in the end; without, nobody
    /// but the closure.
    case asConfigured
    /// The service, after the records of each poll (`max.poll.records`), and in the end. Each is on the disk before the next
    /// poll, so that a crash repeats the records of one poll at most.
    case eachPoll
  }

  /// What could not be handled or read.
  public struct Failure: Sendable {
    /// What the closure or `poll` threw.
    public var error: any Error
    /// The partition whose record the closure threw for; nil where `poll` threw.
    public var topicPartition: TopicPartition?
    /// The record's offset, or its batch's first one.
    public var offset: Int64?
    /// The consumer, to seek or to commit.
    public var consumer: Consumer
  }

  /// What becomes of a failure.
  public enum Action: Sendable, Hashable {
    /// The service ends, and `run` throws the error.
    case stop
    /// The record, or the batch, counts as handled. After an error of `poll`: as `retry`.
    case skip
    /// The record, or the batch, is handed over again at once; after an error of `poll`, it polls again, at the position that
    /// may have been set meanwhile.
    case retry
  }

  /// How the service goes about it.
  public struct Options: Sendable {
    /// Who commits what was handled: what the configuration says.
    public var commits: Commits = .asConfigured
    /// Told what the group gives and takes.
    public var listener: (any RebalanceListener)?
    /// What becomes of an error that is not fatal and no cancellation: `stop`. It may wait before it answers.
    public var onFailure: @Sendable (Failure) async -> Action = { _ in .stop }

    public init() {}
  }

  enum Handler {
    case record(@Sendable (ConsumerRecord) async throws -> Void)
    case batch(@Sendable (ConsumerBatch) async throws -> Void)
  }

  /// The consumer, for what only it can tell or do, such as `pause`.
  public let consumer: Consumer
  let broker: Broker
  let options: Options
  let telemetry: Telemetry
  let handler: Handler
  let clientID: String
  let metrics: ConsumerMetrics
  let logger: Logger
  /// Of each partition of the poll whose records are being handled, the next offset to handle.
  let unhandled = Mutex<[TopicPartition: Int64]>([:])
  private let isStopping = Atomic(false)
  private let hasRun = Atomic(false)

  /// A member of a group that begins at the log start where the group has committed nothing, as `Broker.consumer(group:topics:)`.
  ///
  /// - Throws: as `init(_:_:configuration:options:telemetry:forEachRecord:)`.
  public convenience init(
    _ broker: Broker, group: String, topics: [String], options: Options = .init(), telemetry: Telemetry = .init(),
    forEachRecord handler: @escaping @Sendable (ConsumerRecord) async throws -> Void
  ) throws {
    var configuration = ConsumerConfiguration()
    configuration.group = group
    configuration.autoOffsetReset = .earliest
    try self.init(
      broker, .topics(topics), configuration: configuration, options: options, telemetry: telemetry,
      forEachRecord: handler)
  }

  /// Handles records one by one. With a tracer, a span of kind consumer covers each, and links to the span that sent it.
  ///
  /// - Throws: as `Broker.consumer`, `Consumer.subscribe` and `Consumer.assign`.
  public convenience init(
    _ broker: Broker, _ subscription: Subscription, configuration: ConsumerConfiguration, options: Options = .init(),
    telemetry: Telemetry = .init(), forEachRecord handler: @escaping @Sendable (ConsumerRecord) async throws -> Void
  ) throws {
    try self.init(broker, subscription, configuration, options, telemetry, .record(handler))
  }

  /// Handles batches, which is faster: a batch counts as handled when the closure returns. With a tracer, a span of kind
  /// consumer covers each, and links to the spans that sent its records.
  ///
  /// - Throws: as `Broker.consumer`, `Consumer.subscribe` and `Consumer.assign`.
  public convenience init(
    _ broker: Broker, _ subscription: Subscription, configuration: ConsumerConfiguration, options: Options = .init(),
    telemetry: Telemetry = .init(), forEachBatch handler: @escaping @Sendable (ConsumerBatch) async throws -> Void
  ) throws {
    try self.init(broker, subscription, configuration, options, telemetry, .batch(handler))
  }

  private init(
    _ broker: Broker, _ subscription: Subscription, _ configuration: ConsumerConfiguration, _ options: Options,
    _ telemetry: Telemetry, _ handler: Handler
  ) throws {
    self.broker = broker
    self.options = options
    self.telemetry = telemetry
    self.handler = handler
    consumer = try broker.consumer(configuration)
    clientID = telemetry.clientID(configuration.group.map { "consumer-\($0)" } ?? "consumer")
    metrics = ConsumerMetrics(telemetry, clientID: clientID, group: configuration.group)
    var metadata: Logger.Metadata = ["eventlog.client.id": "\(clientID)"]
    if let group = configuration.group { metadata["eventlog.group"] = "\(group)" }
    logger = telemetry.logger.with(metadata)
    let listener = RebalanceObserver(options.listener, metrics, logger)
    switch subscription {
    case .topics(let topics): try consumer.subscribe(topics, listener: listener)
    case .pattern(let pattern): try consumer.subscribe(pattern: pattern, listener: listener)
    case .partitions(let partitions): try consumer.assign(partitions)
    }
  }

  /// Runs until graceful shutdown, until the task is cancelled, or until something failed for good; once only.
  ///
  /// - Throws: what the closure or `poll` threw; what the last commit threw; `CancellationError`; `illegalState` when it is
  ///   called again. The group has been left by then.
  public func run() async throws {
    guard !hasRun.exchange(true, ordering: .acquiringAndReleasing) else {
      throw EventLogError(.illegalState, "a consumer service runs once; make another one")
    }
    logger.info("The consumer runs")
    let outcome = await withGracefulShutdownHandler {
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.telemetry.reportRegularly(self.report) }
        defer { group.cancelAll() }
        return await self.consume()
      }
    } onGracefulShutdown: {
      self.stop()
    }
    metrics.end()
    do {
      try outcome.get()
      logger.info("The consumer is closed")
    } catch is CancellationError {
      logger.info("The consumer was cancelled, and is closed")
      throw CancellationError()
    } catch {
      logger.error("The consumer ends because of an error", metadata: .of(error))
      throw error
    }
  }

  var mayGoOn: Bool { !isStopping.load(ordering: .acquiring) && !Task.isCancelled }

  private func stop() {
    isStopping.store(true, ordering: .releasing)
    consumer.wakeup()
  }

  /// Tells the lag, counted from what was handled and not from what was polled.
  func report() {
    let unhandled = unhandled.withLock { $0 }
    let assignment = consumer.assignment
    var positions: [TopicPartition: Int64] = [:]
    for partition in assignment {
      if let position = unhandled[partition] ?? (try? consumer.position(partition)) { positions[partition] = position }
    }
    var lags: [TopicPartition: PartitionLag] = [:]
    do {
      for (partition, result) in try broker.admin.describeLag(
        each: positions, isolation: consumer.configuration.isolation)
      {
        switch result {
        case .success(let lag): lags[partition] = lag
        case .failure(let error): logger.debug("The lag could not be told", metadata: .of(error))
        }
      }
    } catch {
      logger.debug("The lag could not be told", metadata: .of(error))
    }
    metrics.report(lags, assigned: assignment.count)
  }
}

/// Counts and logs what the group does, after the user's own listener, whose errors go on to `poll`.
private final class RebalanceObserver: RebalanceListener {
  private let next: (any RebalanceListener)?
  private let metrics: ConsumerMetrics
  private let logger: Logger

  init(_ next: (any RebalanceListener)?, _ metrics: ConsumerMetrics, _ logger: Logger) {
    self.next = next
    self.metrics = metrics
    self.logger = logger
  }

  func partitionsRevoked(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
    logger.info("Partitions are revoked", metadata: metadata(partitions))
    try await next?.partitionsRevoked(partitions, from: consumer)
  }

  func partitionsAssigned(_ partitions: [TopicPartition], to consumer: Consumer) async throws {
    metrics.rebalanceTotal.increment()
    logger.info("Partitions are assigned", metadata: metadata(partitions))
    try await next?.partitionsAssigned(partitions, to: consumer)
  }

  func partitionsLost(_ partitions: [TopicPartition], from consumer: Consumer) async throws {
    metrics.partitionsLostTotal.increment(by: partitions.count)
    logger.warning(
      "Partitions are lost: the group went on without this consumer, and others may handle the same records",
      metadata: metadata(partitions))
    try await next?.partitionsLost(partitions, from: consumer)
  }

  private func metadata(_ partitions: [TopicPartition]) -> Logger.Metadata {
    ["eventlog.partitions": .array(partitions.map { "\($0)" })]
  }
}
