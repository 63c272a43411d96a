public import Logging
public import Metrics
public import Tracing
internal import Synchronization

/// Where a service logs, counts and traces to, and how often it looks at its lag.
///
/// Nothing that is logged, counted or traced holds a record's value; keys are in spans only where `includesKeys` says so.
public struct Telemetry: Sendable {
  /// Where it logs to. The metadata's keys are `eventlog.topic`, `eventlog.partition`, `eventlog.offset`, `eventlog.group`,
  /// `eventlog.client.id`, `error.type` and `error.message`.
  public var logger: Logger
  /// What makes the metrics; nil is the one that is current when the service is made.
  public var metricsFactory: (any MetricsFactory)?
  /// What makes the spans; nil is the one that is current when a record is sent, or when the consumer begins to run.
  public var tracer: (any Tracer)?
  /// How often gauges, such as a consumer's lag, are looked at: 10 s.
  public var reportInterval: Duration = .seconds(10)
  /// The clock that this goes by, and latencies too.
  public var clock: any Clock<Duration> = ContinuousClock()
  /// What the service is called in logs, metrics and spans (`client.id`); nil makes one up, such as `consumer-billing-1`.
  public var clientID: String?
  /// Whether spans tell keys that are texts (`messaging.kafka.message.key`): false, since a key may be personal.
  public var includesKeys = false

  public init(logger: Logger = Logger(label: "eventlog")) {
    self.logger = logger
  }

  var factory: any MetricsFactory { metricsFactory ?? MetricsSystem.factory }

  /// The tracer; nil where spans would go nowhere, so that nothing is spent on them.
  var activeTracer: (any Tracer)? {
    let tracer = tracer ?? InstrumentationSystem.tracer
    return tracer is NoOpTracer ? nil : tracer
  }

  private static let numbers = Atomic<Int>(0)

  func clientID(_ kind: String) -> String {
    clientID ?? "\(kind)-\(Self.numbers.add(1, ordering: .relaxed).newValue)"
  }
}

/// Measures by any clock.
struct Stopwatch: Sendable {
  private let read: @Sendable () -> Duration

  init(_ clock: any Clock<Duration>) {
    read = Self.start(clock)
  }

  private static func start<C: Clock>(_ clock: C) -> @Sendable () -> Duration where C.Duration == Duration {
    let start = clock.now
    return { start.duration(to: clock.now) }
  }

  /// The time since it was made.
  var elapsed: Duration { read() }
}

extension Telemetry {
  /// Calls `report` at each interval, until the task is cancelled.
  func reportRegularly(_ report: () -> Void) async {
    guard reportInterval > .zero else { return }
    while (try? await clock.sleep(for: reportInterval)) != nil, !Task.isCancelled { report() }
  }
}
