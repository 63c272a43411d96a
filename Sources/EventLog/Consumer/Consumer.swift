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
  let signal: PollSignal
  /// The commits that are on their way to the disk.
  let commits = CommitTracker()
  let interceptors: ConsumerInterceptors?
  private let isInUse = Atomic<Bool>(false)
  private let wakeups = Atomic<Int>(0)

  /// Kafka's ways to get partitions, which exclude each other.
  enum Subscription {
    case none
    case group(GroupSubscription)
    case assigned

    var ofGroup: GroupSubscription? {
      if case .group(let subscription) = self { subscription } else { nil }
    }
  }

  struct State {
    var subscription = Subscription.none
    var positions = PartitionPositions()
    var listener: (any RebalanceListener)?
    var membership = GroupMembership()
    /// The loop over `records` or `batches` that is under way.
    weak var loop: ConsumerLoop?
    /// Why this consumer can't go on: another one took its `group.instance.id`.
    var fenced: EventLogError?
    var nextAutoCommit: Int64?
    /// Whether positions may have moved since they were last committed by themselves.
    var hasUncommitted = false
    /// What calls of `commitAsync` are to be told, in their order.
    var callbacks = CommitCallbacks()
    /// The last commit that nobody is told of, and when it was allowed.
    var waitingCommit: (commit: WaitingCommit, member: String?, generation: Int32, groups: Int)?
    var isClosed = false
    /// Partitions that this consumer's signal is registered with.
    var watched: [ObjectIdentifier: PartitionLog] = [:]
  }

  init(broker: Broker, configuration: ConsumerConfiguration) throws(EventLogError) {
    try configuration.validate()
    try broker.configuration.validateSession(of: configuration)
    self.broker = broker
    self.configuration = configuration
    let timekeeper = broker.context.timekeeper
    signal = PollSignal(timekeeper, keepsTimer: !timekeeper.isManual)
    interceptors = ConsumerInterceptors(configuration.interceptors, broker.context.warn)
    let first = broker.context.time.deadline(in: configuration.autoCommitInterval.milliseconds)
    state.withLock { $0.nextAutoCommit = first }
  }

  deinit {
    // Dropped without being closed: the group goes on without it, as soon as what it committed is on the disk.
    let (membership, watched) = state.withLock { ($0.membership, $0.watched) }
    for log in watched.values { log.removeWaiter(signal) }
    if let group = configuration.group, let id = membership.memberID {
      let (groups, instance) = (broker.groups, configuration.groupInstanceID)
      commits.whenClear { groups.leave(group, id, instanceID: instance) }
    }
    interceptors?.close()
  }

  /// The group's id, if the consumer has one.
  public var group: String? { configuration.group }
  /// What the consumer is called within its group; nil outside of one.
  public var memberID: String? { state.withLock { $0.membership.memberID } }

  // MARK: Getting partitions

  /// Becomes a member of the group with these topics, in place of those before. The partitions come with the next polls,
  /// also those of topics that are made later.
  ///
  /// With an empty list it unsubscribes; the listener, which would have to be awaited, is not told of that: `unsubscribe`
  /// does tell it.
  ///
  /// - Throws: `invalidGroupID` without a group; `illegalState` after `assign` or with a pattern; `illegalArgument` for a
  ///   blank name, `invalidTopic` for one that no topic can have.
  public func subscribe(_ topics: [String], listener: (any RebalanceListener)? = nil) throws {
    for topic in topics {
      guard !topic.trimmingSpaces.isEmpty else {
        throw EventLogError(.illegalArgument, "a topic to subscribe to has a blank name")
      }
      try TopicName.validate(topic)
    }
    guard !topics.isEmpty else { return try forgetSubscription() }
    try subscribe(.topics(Set(topics)), listener)
    guard broker.configuration.autoCreateTopics, configuration.allowAutoCreateTopics else { return }
    for topic in topics where broker.topicTable.find(topic) == nil {
      do throws(EventLogError) {
        _ = try broker.createTopic(topic, partitions: -1, configs: [:])
      } catch {
        guard error.code == .topicAlreadyExists else { throw error }
      }
    }
  }

  /// Becomes a member of the group with all topics whose whole names match a regular expression, also those that are
  /// made later. Topics that begin with two underscores do not count, unless `exclude.internal.topics` is false.
  ///
  /// - Throws: `invalidRegularExpression`; else as `subscribe(_:listener:)`.
  public func subscribe(pattern: String, listener: (any RebalanceListener)? = nil) throws {
    try subscribe(
      .pattern(try TopicPattern(pattern, excludesInternalTopics: configuration.excludeInternalTopics)), listener)
  }

  private func subscribe(
    _ subscription: GroupSubscription, _ listener: (any RebalanceListener)?
  ) throws(EventLogError) {
    guard configuration.group != nil else {
      throw EventLogError(.invalidGroupID, "to subscribe, a consumer needs a group (group.id); assign needs none")
    }
    try broker.requireWritable()
    try state.withLock { state throws(EventLogError) in
      try requireOpen(state)
      switch (state.subscription, subscription) {
      case (.assigned, _):
        throw EventLogError(.illegalState, "the consumer has assigned partitions to itself; unsubscribe first")
      case (.group(.topics), .pattern), (.group(.pattern), .topics):
        throw EventLogError(.illegalState, "a list of topics and a pattern exclude each other; unsubscribe first")
      case (.group(let old), _):
        if old != subscription { state.membership.mustJoin = true }
      case (.none, _): state.membership.mustJoin = true
      }
      state.subscription = .group(subscription)
      state.listener = listener
    }
    signal.wake()
  }

  /// Takes these partitions, in place of those before, without a group's having a say. With a group and
  /// `enable.auto.commit`, the positions of before are committed. An empty list unsubscribes, as in Kafka.
  ///
  /// - Throws: `illegalState` after `subscribe`; `illegalArgument` for a blank name, `unknownTopicOrPartition`.
  public func assign(_ partitions: [TopicPartition]) throws {
    if partitions.isEmpty, state.withLock({ $0.subscription.ofGroup != nil }) { return try forgetSubscription() }
    for partition in partitions where partition.topic.trimmingSpaces.isEmpty {
      throw EventLogError(.illegalArgument, "a partition to assign has a topic with a blank name")
    }
    var found: [(TopicPartition, Partition)] = []
    for topicPartition in partitions { found.append((topicPartition, try broker.partition(topicPartition))) }
    let isFirst = try state.withLock { state throws(EventLogError) -> Bool in
      try requireOpen(state)
      if case .group = state.subscription {
        throw EventLogError(.illegalState, "the consumer has subscribed to topics; unsubscribe first")
      }
      return state.positions.isEmpty
    }
    if !isFirst { startAutoCommit() }
    state.withLock { state in
      state.subscription = partitions.isEmpty ? .none : .assigned
      let old = state.positions
      state.positions = PartitionPositions()
      for (topicPartition, partition) in found.sorted(by: { $0.0 < $1.0 })
      where state.positions[topicPartition] == nil {
        // What was read of a topic that was deleted says nothing of the one that was made in its place.
        let kept = old[topicPartition]?.kept(in: partition)
        state.positions.append(kept ?? PartitionPosition(topicPartition, partition))
      }
      watch(&state)
    }
    signal.wake()
  }

  /// Gives all partitions up, tells the listener, and leaves the group. Nothing is committed.
  public func unsubscribe() async throws {
    try await exclusively {
      try state.withLock { state throws(EventLogError) in try requireOpen(state) }
      defer { try? forgetSubscription() }
      try await catchUpBeforeLeaving()
      try await leaveGroup()
    }
  }

  private func forgetSubscription() throws(EventLogError) {
    let memberID = try state.withLock { state throws(EventLogError) -> String? in
      try requireOpen(state)
      state.subscription = .none
      state.positions = PartitionPositions()
      watch(&state)
      defer { state.membership = GroupMembership() }
      return state.membership.memberID
    }
    if let group = configuration.group, let memberID {
      broker.groups.leave(group, memberID, instanceID: configuration.groupInstanceID)
    }
  }

  /// The partitions that the consumer has now.
  public var assignment: Set<TopicPartition> { state.withLock { Set($0.positions.partitions) } }

  /// The topics that it is subscribed to; of a pattern, those that match it now.
  public var subscription: Set<String> {
    state.withLock { $0.subscription.ofGroup }?.resolve(broker.topicTable.partitionCounts()) ?? []
  }

  /// What the consumer is known by in its group: to commit within a transaction, or to see it in `describeGroup`.
  public var groupMetadata: ConsumerGroupMetadata? {
    guard let group = configuration.group else { return nil }
    return state.withLock { state in
      ConsumerGroupMetadata(
        group: group, memberID: state.membership.memberID, generation: state.membership.generation,
        instanceID: configuration.groupInstanceID)
    }
  }

  // MARK: Ending

  /// Has the poll that is under way, or the next one, throw `wakeup`.
  public func wakeup() {
    wakeups.add(1, ordering: .acquiringAndReleasing)
    signal.wake()
  }

  /// Commits the positions if `enable.auto.commit` says so, tells the listener, and leaves the group; a static member
  /// keeps its place for `session.timeout.ms`. A second call does nothing.
  ///
  /// - Parameter timeout: how long the commits may take that are still to come, or still under way.
  /// - Throws: what the commit or the listener threw; the consumer is closed all the same. That the group has gone on
  ///   without this member is warned of only, as in Kafka. `illegalArgument` for a negative timeout, `illegalState` within
  ///   the listener, `concurrentModification` while another task polls: use `wakeup` first.
  public func close(timeout: Duration = .seconds(30)) async throws {
    guard timeout >= .zero else { throw EventLogError(.illegalArgument, "the timeout of close() is negative") }
    guard !state.withLock({ $0.isClosed }) else { return }
    try refuseInCallback("close()")
    try await exclusively {
      var failure: (any Error)?
      do { try await catchUpBeforeLeaving() } catch { failure = error }
      if configuration.group != nil, configuration.enableAutoCommit, !broker.isReadOnly,
        state.withLock({ $0.fenced == nil })
      {
        do {
          try await commitPositions(timeout: timeout)
        } catch let error as EventLogError where error.code == .commitFailed {
          broker.context.warn(error)
        } catch {
          failure = failure ?? error
        }
      }
      await commitsAreWritten(within: timeout)
      runCommitCallbacks()
      do { try await leaveGroup() } catch { failure = failure ?? error }
      interceptors?.close()
      state.withLock { state in
        state.isClosed = true
        state.positions = PartitionPositions()
        watch(&state)
      }
      // Who waits in a poll of another task is told.
      signal.wake()
      if let failure { throw failure }
    }
  }

  // MARK: For the other parts

  func requireOpen(_ state: borrowing State) throws(EventLogError) {
    guard !state.isClosed else { throw EventLogError(.illegalState, "the consumer is closed") }
  }

  /// The consumer whose listener is being called, so that it may use that consumer.
  @TaskLocal private static var calling: ObjectIdentifier?

  /// Runs `body`, which calls the listener.
  func inCallback<T>(_ body: () async throws -> T) async throws -> T {
    try await Self.$calling.withValue(ObjectIdentifier(self)) { try await body() }
  }

  /// Whether this is the listener, called by this consumer.
  var isInCallback: Bool { Self.calling == ObjectIdentifier(self) }

  func refuseInCallback(_ call: String) throws(EventLogError) {
    guard !isInCallback else {
      throw EventLogError(.illegalState, "\(call) can't be called by the consumer's own listener")
    }
  }

  /// Runs `body` unless another task is in one of the consumer's calls. The listener's own calls are part of the poll
  /// that called it.
  func exclusively<T>(_ body: () async throws -> T) async throws -> T {
    if isInCallback { return try await body() }
    try beginExclusively()
    defer { endExclusively() }
    return try await body()
  }

  /// Takes the consumer, for as long as nobody calls `endExclusively`.
  func beginExclusively() throws(EventLogError) {
    guard tryExclusively() else {
      throw EventLogError(.concurrentModification, "another task is using this consumer")
    }
  }

  /// Takes the consumer, unless a task is in one of its calls.
  func tryExclusively() -> Bool { !isInUse.exchange(true, ordering: .acquiringAndReleasing) }
  func endExclusively() { isInUse.store(false, ordering: .releasing) }

  var isWokenUp: Bool { wakeups.load(ordering: .acquiring) > 0 }

  func throwIfWokenUp() throws(EventLogError) {
    guard wakeups.exchange(0, ordering: .acquiringAndReleasing) > 0 else { return }
    throw EventLogError(.wakeup, "wakeup() was called")
  }

  /// Registers the signal with the partitions that there are now.
  func watch(_ state: inout State) {
    var logs: [ObjectIdentifier: PartitionLog] = [:]
    for position in state.positions.slots {
      if case .log(let log) = position.partition { logs[ObjectIdentifier(log)] = log }
    }
    for (id, log) in state.watched where logs[id] == nil { log.removeWaiter(signal) }
    for (id, log) in logs where state.watched[id] == nil { log.addWaiter(signal) }
    state.watched = logs
  }
}

/// What a consumer is known by in its group (Kafka's `ConsumerGroupMetadata`).
public struct ConsumerGroupMetadata: Sendable, Hashable {
  /// `group.id`
  public var group: String
  /// nil for a consumer that has not joined.
  public var memberID: String?
  /// The generation, or with `group.protocol=consumer` the member's epoch; -1 before it has joined.
  public var generation: Int32
  /// `group.instance.id` of a static member (KIP-345).
  public var instanceID: String?

  /// A member of a group; without more than its name, somebody from outside, who may commit while it has no members, and, as in
  /// Kafka, within transactions also while it has some.
  public init(group: String, memberID: String? = nil, generation: Int32 = -1, instanceID: String? = nil) {
    self.group = group
    self.memberID = memberID
    self.generation = generation
    self.instanceID = instanceID
  }
}
