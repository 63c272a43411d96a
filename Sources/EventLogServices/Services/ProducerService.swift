public import EventLog
internal import Logging
public import ServiceLifecycle
internal import Tracing

/// A producer that counts and traces what it sends, and that flushes and closes when its process ends.
///
/// ```swift
/// let orders = try ProducerService(broker)
/// try await orders.send("orders", key: "customer-42", value: "created")
/// ```
///
/// It can send as soon as it is made, also where nobody runs it; who does not run it closes `producer` instead.
public final class ProducerService: Service {
  /// The producer, for what the service has no method of its own for; what is sent with it is neither counted nor traced.
  public let producer: Producer
  let telemetry: Telemetry
  let clientID: String
  let metrics: ProducerMetrics
  private let logger: Logger

  /// - Throws: as `Broker.producer`.
  public convenience init(
    _ broker: Broker, _ configuration: ProducerConfiguration = .init(), telemetry: Telemetry = .init()
  ) throws {
    self.init(try broker.producer(configuration), telemetry: telemetry)
  }

  /// Takes a producer over, and closes it in the end.
  public init(_ producer: Producer, telemetry: Telemetry = .init()) {
    self.producer = producer
    self.telemetry = telemetry
    clientID = telemetry.clientID("producer")
    metrics = ProducerMetrics(telemetry.factory, clientID: clientID)
    logger = telemetry.logger.with(["eventlog.client.id": "\(clientID)"])
  }

  /// Runs until graceful shutdown, or until the task is cancelled; then waits until what was sent counts as written, and
  /// closes the producer. What is sent from then on gets `illegalState`.
  ///
  /// - Throws: `CancellationError` where the task was cancelled, once the producer is closed.
  public func run() async throws {
    logger.info("The producer runs")
    let wasCancelled = await untilShutdown()
    let stopwatch = Stopwatch(telemetry.clock)
    do {
      try await uncancelled { [producer] in try await producer.close() }
    } catch {
      logger.error("The producer could not be flushed", metadata: .of(error))
      throw error
    }
    metrics.flushTime.increment(by: stopwatch.elapsed.nanoseconds)
    logger.info("The producer is flushed and closed")
    if wasCancelled { throw CancellationError() }
  }
}

extension Duration {
  var inSeconds: Double { self / .seconds(1) }
}
