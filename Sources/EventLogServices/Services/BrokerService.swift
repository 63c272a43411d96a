internal import Dispatch
public import EventLog
internal import Logging
public import ServiceLifecycle

/// Closes a broker when its process ends, and reports its logs' and groups' metrics until then.
///
/// A `ServiceGroup` ends its services from the last to the first: name the broker first, then producers, then consumers, then
/// what uses them, so that each ends before what it depends on.
///
/// ```swift
/// ServiceGroup(services: [BrokerService(broker), producer, billing], gracefulShutdownSignals: [.sigterm], logger: logger)
/// ```
public struct BrokerService: Service {
  public let broker: Broker
  private let telemetry: Telemetry

  public init(_ broker: Broker, telemetry: Telemetry = .init()) {
    self.broker = broker
    self.telemetry = telemetry
  }

  /// Runs until graceful shutdown, or until the task is cancelled, and closes the broker then.
  ///
  /// - Throws: as `Broker.close`; else `CancellationError` where the task was cancelled.
  public func run() async throws {
    let metrics = BrokerMetrics(broker, telemetry)
    let logger = telemetry.logger.with(["eventlog.path": "\(broker.path)"])
    logger.info("The broker runs")
    let wasCancelled = await withTaskGroup(of: Void.self) { group in
      group.addTask { await telemetry.reportRegularly(metrics.report) }
      defer { group.cancelAll() }
      return await untilShutdown()
    }
    metrics.end()
    do {
      try await close()
    } catch {
      logger.error("The broker could not be closed in order; the next opening checks it", metadata: .of(error))
      throw error
    }
    logger.info("The broker is closed")
    if wasCancelled { throw CancellationError() }
  }

  /// It waits for the disk, and so has no place on the threads of Swift's tasks.
  private func close() async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      DispatchQueue.global().async {
        continuation.resume(with: Result { try broker.close() })
      }
    }
  }
}

/// True where it was the task's cancellation that ended the waiting.
func untilShutdown() async -> Bool {
  do {
    try await gracefulShutdown()
    return false
  } catch {
    return true
  }
}

/// Runs what has to be done also when the task is cancelled.
func uncancelled<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
  try await Task { try await body() }.value
}
