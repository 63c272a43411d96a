public import EventLog
public import RecordFormat
internal import SegmentStore
internal import SegmentStoreTesting
internal import Synchronization

/// A broker for a test: opens in about a millisecond, needs no port and no container, and is gone without a trace when it is
/// closed. The same code as in production, with the clock, the disk and the groups in the test's hands.
///
/// ```swift
/// try await withTestBroker { broker in
///   try await broker.produce("orders", ["customer-42": "created"])
///   try await broker.expectRecords(in: "orders", ["customer-42=created"])
/// }
/// ```
///
/// What a power cut would take is nothing that anybody promised a test: nothing is synced to a real disk, and SQLite keeps no
/// write-ahead log. Everything that follows from syncs (acknowledgements, the high watermark, their failures) is as always.
///
/// Topic ids, the partitions of records without a key, and the ids of members and producers depend on the seed alone.
public final class TestBroker: Sendable {
  /// How the broker ends before it is started again.
  public enum Stop: Sendable, Hashable, CaseIterable {
    /// `Broker.close`
    case close
    /// `kill -9`: what was appended is there, nothing was noted down.
    case kill
    /// What was not synced is gone. Needs `powerCuts` of the initializer.
    case powerCut
    /// Of what was not synced, any part is there and any is gone: each page of a file, and each new, changed or removed name,
    /// by itself and in no order, as a disk writes what it was not told to write. The broker's seed, and how many such stops
    /// came before, say which. Needs `powerCuts` of the initializer.
    case tornPowerCut

    var cutsPower: Bool { self == .powerCut || self == .tornPowerCut }
  }

  private struct State {
    var broker: Broker
    var producer: Producer?
    var isClosed = false
    var tornPowerCuts: UInt64 = 0
  }

  /// The data directory.
  public let path: String
  /// The clock that the broker goes by, if not the system's.
  public let clock: TestClock?
  /// The seed of all that would be random.
  public let seed: UInt64
  /// Has calls to the disk fail or hang.
  public let faults: FaultInjector
  private let storage: TestStorage
  private let configuration: BrokerConfiguration
  private let environment: BrokerEnvironment
  private let warningLog: WarningLog
  private let hasPowerCuts: Bool
  private let state: Mutex<State>

  /// Opens a broker.
  ///
  /// - Parameters:
  ///   - storage: where its files are; in memory by default.
  ///   - configuration: what it goes by. Warnings are kept in `warnings`, and go to the handler if there is one.
  ///   - clock: moved by the test; the system's time where it is nil, and then nothing is deleted or compacted by itself.
  ///   - seed: decides what would be random.
  ///   - powerCuts: whether `restart(after: .powerCut)` and `.tornPowerCut` are to be possible. They cost a copy of each file
  ///     with each sync of it.
  /// - Throws: as `Broker.open`.
  public init(
    _ storage: TestStorage = .memory, configuration: BrokerConfiguration = .init(), clock: TestClock? = nil,
    seed: UInt64 = 0, powerCuts: Bool = false
  ) throws {
    self.storage = storage
    self.clock = clock
    self.seed = seed
    hasPowerCuts = powerCuts
    path = try storage.makeDirectory()
    let fileSystem = FaultyFileSystem(root: path, tracksDurability: powerCuts, syncs: false)
    faults = FaultInjector(fileSystem)
    var environment = BrokerEnvironment()
    environment.fileSystem = fileSystem
    if let clock { environment.time = .manual(clock.time) }
    environment.random = .seeded(SeededRandom(seed: seed))
    environment.metadataIsDurable = false
    self.environment = environment
    let warningLog = WarningLog(configuration.warningHandler)
    self.warningLog = warningLog
    var own = configuration
    own.warningHandler = { warningLog.add($0) }
    // Tests write records of 1970: what is to be deleted is for the test's clock to say, not for how long a test takes.
    if clock == nil { own.initialTaskDelay = max(own.initialTaskDelay, .seconds(86_400)) }
    self.configuration = own
    do {
      state = Mutex(State(broker: try Broker.open(path, own, in: environment)))
    } catch {
      if storage.isTemporary { TestStorage.remove(path) }
      throw error
    }
  }

  deinit {
    try? close()
  }

  /// The broker itself, for the code under test. Another one after `restart`.
  public var broker: Broker { state.withLock { $0.broker } }

  /// Creates, deletes, describes and changes topics and groups.
  public var admin: Admin { broker.admin }

  /// What the broker warned of, in order.
  public var warnings: [EventLogError] { warningLog.all }

  /// A producer. See `Broker.producer`.
  public func producer(_ configuration: ProducerConfiguration = .init()) throws -> Producer {
    try broker.producer(configuration)
  }

  /// A consumer that has neither subscribed nor assigned yet. See `Broker.consumer`.
  public func consumer(_ configuration: ConsumerConfiguration = .init()) throws -> Consumer {
    try broker.consumer(configuration)
  }

  /// A member of a group that begins at the log start where the group has committed nothing. See `Broker.consumer`.
  public func consumer(group: String, topics: [String]) throws -> Consumer {
    try broker.consumer(group: group, topics: topics)
  }

  /// A member of a group. See `Broker.consumer`.
  public func consumer(group: String, topics: [String], _ configuration: ConsumerConfiguration) throws -> Consumer {
    try broker.consumer(group: group, topics: topics, configuration)
  }

  // MARK: Ending

  /// Heals all faults, closes the broker, and removes its directory if it is a temporary one. A second call does nothing.
  ///
  /// - Throws: as `Broker.close`, unless the test had injected a fault.
  public func close() throws {
    let isFirst = state.withLock { state -> Bool in
      defer { state.isClosed = true }
      return !state.isClosed
    }
    guard isFirst else { return }
    defer { if storage.isTemporary { TestStorage.remove(path) } }
    faults.heal()
    do { try broker.close() } catch  where faults.wasUsed {}
  }

  /// Ends the broker and opens its directory again. Producers and consumers of before are closed with it.
  ///
  /// - Parameter prepare: called in between, to plan faults for the opening: a stop heals those of before.
  /// - Throws: `illegalState` for a power cut where the initializer was not told of it, and once the broker is closed; else
  ///   as `Broker.close` and `Broker.open`.
  public func restart(after stop: Stop = .close, prepare: (FaultInjector) -> Void = { _ in }) throws {
    guard !stop.cutsPower || hasPowerCuts else {
      throw EventLogError(.illegalState, "for power cuts, say powerCuts: true when the test broker is made")
    }
    guard !state.withLock({ $0.isClosed }) else { throw EventLogError(.illegalState, "the test broker is closed") }
    let old = broker
    switch stop {
    case .close:
      try old.close()
    case .kill:
      faults.heal()
      old.abandon()
    case .powerCut:
      faults.fileSystem.cutPower()
      old.abandon()
      try faults.fileSystem.restorePower()
    case .tornPowerCut:
      faults.fileSystem.cutPower()
      old.abandon()
      let number = state.withLock { state -> UInt64 in
        state.tornPowerCuts += 1
        return state.tornPowerCuts
      }
      try faults.fileSystem.restorePower(tornBy: seed &+ number &* 0x9fb2_1c65_1e98_df25)
    }
    prepare(faults)
    let new = try Broker.open(path, configuration, in: environment)
    state.withLock { state in
      state.broker = new
      state.producer = nil
    }
  }

  // MARK: For the other parts

  /// The producer of the helpers, which is one and the same, so that it goes on with its sticky partitions.
  func sharedProducer() throws -> Producer {
    if let known = state.withLock({ $0.producer }) { return known }
    let made = try broker.producer()
    return state.withLock { state in
      let producer = state.producer ?? made
      state.producer = producer
      return producer
    }
  }
}

/// Keeps what the broker warned of.
private final class WarningLog: Sendable {
  private let list = Mutex<[EventLogError]>([])
  private let next: (@Sendable (EventLogError) -> Void)?

  init(_ next: (@Sendable (EventLogError) -> Void)?) {
    self.next = next
  }

  func add(_ warning: EventLogError) {
    list.withLock { $0.append(warning) }
    next?(warning)
  }

  var all: [EventLogError] { list.withLock { $0 } }
}

/// Runs `body` with a broker of its own, and closes it however that ends. See `TestBroker`.
@discardableResult
public func withTestBroker<Result>(
  _ storage: TestStorage = .memory, configuration: BrokerConfiguration = .init(), clock: TestClock? = nil,
  seed: UInt64 = 0, powerCuts: Bool = false, isolation: isolated (any Actor)? = #isolation,
  _ body: (TestBroker) async throws -> Result
) async throws -> Result {
  let broker = try TestBroker(
    storage, configuration: configuration, clock: clock, seed: seed, powerCuts: powerCuts)
  do {
    let result = try await body(broker)
    try broker.close()
    return result
  } catch {
    try? broker.close()
    throw error
  }
}
