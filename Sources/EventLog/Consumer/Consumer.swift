internal import MetadataStore
public import RecordFormat
internal import SegmentStore
internal import Synchronization

/// Reads records: of partitions that it assigns to itself, or, as a member of a group, of those that the group gives it.
///
/// ```swift
/// let consumer = try broker.consumer(group: "billing", topics: ["orders"])
/// for try await record in consumer.records { … }
/// ```
///
/// Use a consumer from one task at a time; a second `poll` while one is under way throws `concurrentModification`.
/// `wakeup` may be called from anywhere. Close it when you are done, so that the group goes on without it at once.
public final class Consumer: Sendable {
  public let configuration: ConsumerConfiguration
  let broker: Broker
  let state = Mutex(State())
  let signal = PollSignal()
  private let isInUse = Atomic<Bool>(false)
  private let wakeups = Atomic<Int>(0)

  /// Kafka's three ways to get partitions, which exclude each other.
  enum Subscription {
    case none
    case topics(Set<String>)
    case assigned
  }

  struct State {
    var subscription = Subscription.none
    var positions: [TopicPartition: PartitionPosition] = [:]
    /// The partitions in the order in which they are looked at: who delivered goes to the end.
    var order: [TopicPartition] = []
    var listener: (any RebalanceListener)?
    var membership = GroupMembership()
    var nextAutoCommit: Int64?
    var isClosed = false
    /// Partitions that this consumer's signal is registered with.
    var watched: [PartitionLog] = []
  }

  init(broker: Broker, configuration: ConsumerConfiguration) throws(EventLogError) {
    try configuration.validate()
    self.broker = broker
    self.configuration = configuration
  }

  deinit {
    // Dropped without being closed: the group goes on without it.
    let (membership, watched) = state.withLock { ($0.membership, $0.watched) }
    for log in watched { log.removeWaiter(signal) }
    if let group = configuration.group, let id = membership.memberID { broker.groups.leave(group, id) }
  }

  /// The group's id, if the consumer has one.
  public var group: String? { configuration.group }
  /// What the consumer is called within its group; nil outside of one.
  public var memberID: String? { state.withLock { $0.membership.memberID } }

  // MARK: Getting partitions

  /// Becomes a member of the group with these topics, in place of those before; with none, it leaves. The partitions come
  /// with the next polls.
  ///
  /// - Throws: `invalidGroupID` without a group; `illegalState` after `assign`; `invalidTopic`.
  public func subscribe(_ topics: [String], listener: (any RebalanceListener)? = nil) throws {
    guard !topics.isEmpty else { return try unsubscribe() }
    guard configuration.group != nil else {
      throw EventLogError(.invalidGroupID, "to subscribe, a consumer needs a group (group.id); assign needs none")
    }
    try broker.requireWritable()
    for topic in topics { try TopicName.validate(topic) }
    try state.withLock { state throws(EventLogError) in
      try requireOpen(state)
      if case .assigned = state.subscription {
        throw EventLogError(.illegalState, "the consumer has assigned partitions to itself; unsubscribe first")
      }
      state.subscription = .topics(Set(topics))
      state.listener = listener
      state.membership.mustJoin = true
    }
    signal.wake()
  }

  /// Takes these partitions, in place of those before, without a group's having a say.
  ///
  /// - Throws: `illegalState` after `subscribe`; `unknownTopicOrPartition`.
  public func assign(_ partitions: [TopicPartition]) throws {
    var found: [(TopicPartition, Partition)] = []
    for topicPartition in partitions { found.append((topicPartition, try broker.partition(topicPartition))) }
    try state.withLock { state throws(EventLogError) in
      try requireOpen(state)
      if case .topics = state.subscription {
        throw EventLogError(.illegalState, "the consumer has subscribed to topics; unsubscribe first")
      }
      state.subscription = partitions.isEmpty ? .none : .assigned
      let old = state.positions
      state.positions = [:]
      for (topicPartition, partition) in found {
        state.positions[topicPartition] = old[topicPartition] ?? PartitionPosition(partition)
      }
      state.order = found.map(\.0)
      watch(&state)
    }
    signal.wake()
  }

  /// Gives all partitions up, and leaves the group. Nothing is committed.
  public func unsubscribe() throws {
    let memberID = try state.withLock { state throws(EventLogError) -> String? in
      try requireOpen(state)
      state.subscription = .none
      state.positions = [:]
      state.order = []
      watch(&state)
      defer { state.membership = GroupMembership() }
      return state.membership.memberID
    }
    if let group = configuration.group, let memberID { broker.groups.leave(group, memberID) }
  }

  /// The partitions that the consumer has now.
  public var assignment: Set<TopicPartition> { state.withLock { Set($0.positions.keys) } }

  /// The topics that it is subscribed to.
  public var subscription: Set<String> {
    state.withLock { if case .topics(let topics) = $0.subscription { topics } else { [] } }
  }

  // MARK: Ending

  /// Has the poll that is under way, or the next one, throw `wakeup`.
  public func wakeup() {
    wakeups.add(1, ordering: .acquiringAndReleasing)
    signal.wake()
  }

  /// Commits the positions if `enable.auto.commit` says so, tells the listener, and leaves the group. A second call does
  /// nothing.
  public func close() async throws {
    guard !state.withLock({ $0.isClosed }) else { return }
    try await exclusively {
      var failure: (any Error)?
      if configuration.group != nil, case .topics = state.withLock({ $0.subscription }) {
        do {
          if configuration.enableAutoCommit { try await commitPositions() }
          let (listener, owned) = state.withLock { ($0.listener, $0.positions.keys.sorted()) }
          if let listener, !owned.isEmpty { try await listener.partitionsRevoked(owned, from: self) }
        } catch {
          failure = error
        }
      } else if configuration.group != nil, configuration.enableAutoCommit {
        do { try await commitPositions() } catch { failure = error }
      }
      let memberID = state.withLock { state -> String? in
        state.isClosed = true
        state.positions = [:]
        state.order = []
        watch(&state)
        return state.membership.memberID
      }
      if let group = configuration.group, let memberID { broker.groups.leave(group, memberID) }
      if let failure { throw failure }
    }
  }

  // MARK: For the other parts

  func requireOpen(_ state: borrowing State) throws(EventLogError) {
    guard !state.isClosed else { throw EventLogError(.illegalState, "the consumer is closed") }
  }

  /// Runs `body` unless another task is in one of the consumer's calls.
  func exclusively<T>(_ body: () async throws -> T) async throws -> T {
    guard !isInUse.exchange(true, ordering: .acquiringAndReleasing) else {
      throw EventLogError(.concurrentModification, "another task is using this consumer")
    }
    defer { isInUse.store(false, ordering: .releasing) }
    return try await body()
  }

  func throwIfWokenUp() throws(EventLogError) {
    guard wakeups.exchange(0, ordering: .acquiringAndReleasing) > 0 else { return }
    throw EventLogError(.wakeup, "wakeup() was called")
  }

  /// Registers the signal with the partitions that there are now.
  func watch(_ state: inout State) {
    var logs: [PartitionLog] = []
    for position in state.positions.values { if case .log(let log) = position.partition { logs.append(log) } }
    for log in state.watched where !logs.contains(where: { $0 === log }) { log.removeWaiter(signal) }
    for log in logs where !state.watched.contains(where: { $0 === log }) { log.addWaiter(signal) }
    state.watched = logs
  }
}
