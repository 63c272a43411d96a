internal import MetadataStore
internal import RecordFormat
internal import SegmentStore
internal import Synchronization

/// The committed offsets: in memory for reading, in SQLite to last (`OffsetStore+Writing`).
final class OffsetStore: Sendable {
  struct Pending {
    var change: MetadataChange
    /// A commit that nobody waits for, whose offsets are told when it is written.
    var waiting: WaitingCommit?
    var completion: @Sendable (EventLogError?) -> Void
  }

  /// Offsets of transactions that are not decided: by group and partition, the producers that hold them.
  typealias Held = [String: [PartitionID: Set<Int64>]]

  enum Phase {
    case idle
    /// What is pending, which nobody waits for, is given time to become more.
    case paused
    case writing
  }

  struct State {
    var committed: [String: [PartitionID: CommittedOffset]]
    var pending: [Pending] = []
    /// Those of the pending commits whose consumers may still go on with them.
    var open: [WaitingCommit] = []
    var held: Held = [:]
    /// Called, once, when a group's offsets are held no longer.
    var whenStable: [String: [@Sendable () -> Void]] = [:]
    var generations: [String: GroupMetadata] = [:]
    /// The groups that had members once: when the last one left, or nil while there are some.
    var emptiedAt: [String: Int64?] = [:]
    var phase = Phase.idle
    /// Whether somebody waits for what is pending.
    var isAwaited = false
    /// Called, once, when nothing is being written any more.
    var whenWritten: [@Sendable () -> Void] = []
    /// How long the last transaction took, in milliseconds.
    var lastWriteTook: Int64 = 0
    /// The same, with the syncs of the logs that it needed.
    var lastRoundTook: Int64 = 0
    var isShutDown = false
  }

  let state: Mutex<State>
  /// Held while rows are changed and, then, what is in memory of them: who deletes or forgets rows does so before a commit or
  /// after it, and not in its middle.
  let rows = Mutex<Void>(())
  let metadata: MetadataStore
  let topics: TopicTable
  let timekeeper: Timekeeper
  let time: TimeSource
  let isReadOnly: Bool
  let writer = WorkerPool(threads: 1)

  init(
    metadata: MetadataStore, topics: TopicTable, committed: [String: [PartitionID: CommittedOffset]],
    groups: [GroupMetadata], context: StoreContext, isReadOnly: Bool
  ) {
    self.metadata = metadata
    self.topics = topics
    time = context.time
    timekeeper = context.timekeeper
    self.isReadOnly = isReadOnly
    // Who was a member when the process ended is none any more.
    let now = time.wallMilliseconds()
    let emptiedAt = groups.map { ($0.id, Optional($0.emptiedAt ?? now)) }
    state = Mutex(State(committed: committed, emptiedAt: Dictionary(emptiedAt) { first, _ in first }))
  }

  // MARK: Reading

  func committed(_ group: String) -> [TopicPartition: OffsetAndMetadata] {
    let stored = state.withLock { $0.committed[group] ?? [:] }
    var result: [TopicPartition: OffsetAndMetadata] = [:]
    for (partition, offset) in stored {
      guard let name = topics.find(partition.topic)?.name else { continue }
      result[TopicPartition(name, partition.partition)] = OffsetAndMetadata(
        offset.offset, leaderEpoch: offset.leaderEpoch, metadata: offset.metadata)
    }
    return result
  }

  func committed(_ group: String, _ topicPartition: TopicPartition) -> OffsetAndMetadata? {
    guard let topic = topics.find(topicPartition.topic) else { return nil }
    let id = PartitionID(topic.id, topicPartition.partition)
    return state.withLock { $0.committed[group]?[id] }.map {
      OffsetAndMetadata($0.offset, leaderEpoch: $0.leaderEpoch, metadata: $0.metadata)
    }
  }

  func groups() -> [String] { state.withLock { Array($0.committed.keys) } }

  // MARK: Committing

  /// Has the offsets written; `completion` is called when they are on the disk, on the thread that wrote them.
  ///
  /// - Parameter waiter: who waits for that.
  func commit(
    _ group: String, _ offsets: [TopicPartition: OffsetAndMetadata], awaitedBy waiter: Waiter,
    completion: @escaping @Sendable (EventLogError?) -> Void
  ) throws(EventLogError) {
    let stored = try stored(offsets)
    var change = MetadataChange()
    change.offsets = [(group, stored)]
    state.withLock { $0.overrule(group, stored.keys) }
    try write(change, awaitedBy: waiter, completion: completion)
  }

  /// The same, for a consumer that goes on and is not told: it is written together with what it commits next.
  ///
  /// - Parameters:
  ///   - order: the partitions, in the order in which the consumer has them.
  ///   - waiting: what the consumer committed last in this way.
  /// - Returns: what the consumer may put its next offsets into: the same, where it still waits to be written.
  func commitInBackground(
    _ group: String, _ offsets: [TopicPartition: OffsetAndMetadata], order: [PartitionID],
    after waiting: WaitingCommit?,
    _ tracker: CommitTracker
  ) throws(EventLogError) -> WaitingCommit {
    let stored = try stored(offsets)
    let isJoined = state.withLock { state in
      state.overrule(group, stored.keys)
      return waiting?.put(stored, isLast: state.pending.last?.waiting === waiting) ?? false
    }
    if isJoined, let waiting { return waiting }
    let ordered = order.compactMap { id in stored[id].map { CommittedPosition(id, $0) } }
    let new = WaitingCommit(group, ordered.count == stored.count ? ordered : stored.map { ($0.key, $0.value) })
    tracker.begin()
    do throws(EventLogError) {
      try write(MetadataChange(), awaitedBy: .nobody, waiting: new) { _ in tracker.end() }
    } catch {
      tracker.end()
      throw error
    }
    return new
  }

  /// The offsets as they are stored.
  ///
  /// - Throws: `readOnly`, `unknownTopicOrPartition`, and `illegalArgument` for a negative offset.
  private func stored(
    _ offsets: [TopicPartition: OffsetAndMetadata]
  ) throws(EventLogError) -> [PartitionID: CommittedOffset] {
    guard !isReadOnly else { throw EventLogError(.readOnly, "the broker was opened read-only: it can't commit") }
    let now = time.wallMilliseconds()
    var stored = [PartitionID: CommittedOffset](minimumCapacity: offsets.count)
    for (topicPartition, offset) in offsets {
      guard let topic = topics.find(topicPartition.topic) else {
        throw EventLogError(.unknownTopicOrPartition, "there is no such topic").at(topicPartition)
      }
      _ = try topic.partition(topicPartition.partition)
      guard offset.offset >= 0 else {
        throw EventLogError(.illegalArgument, "a committed offset can't be negative", offset: offset.offset)
          .at(topicPartition)
      }
      stored[PartitionID(topic.id, topicPartition.partition)] = CommittedOffset(
        offset: offset.offset, leaderEpoch: offset.leaderEpoch, metadata: offset.metadata, committedAt: now)
    }
    return stored
  }

  // MARK: Within transactions

  /// Keeps offsets for a transaction. Until it ends nobody who asks for stable offsets gets those of before.
  ///
  /// - Returns: the offsets as they are to be stored.
  func hold(
    _ offsets: [TopicPartition: OffsetAndMetadata], _ group: String, producerID: Int64
  ) throws(EventLogError) -> [PartitionID: CommittedOffset] {
    let stored = try stored(offsets)
    state.withLock { state in
      // A commit that comes after this one overrules it.
      state.closeWaiting(group, stored)
      for id in stored.keys { state.held[group, default: [:]][id, default: []].insert(producerID) }
    }
    return stored
  }

  /// Those of a transaction's offsets that no later commit has overruled.
  func held(
    _ offsets: [String: [PartitionID: CommittedOffset]], producerID: Int64
  ) -> [(group: String, offsets: [PartitionID: CommittedOffset])] {
    state.withLock { state in
      offsets.map { group, offsets in
        (group, offsets.filter { state.held[group]?[$0.key]?.contains(producerID) ?? false })
      }.filter { !$0.1.isEmpty }
    }
  }

  /// Lets go of what a transaction held that has ended.
  func release(_ offsets: [String: [PartitionID: CommittedOffset]], producerID: Int64) {
    guard !offsets.isEmpty else { return }
    let calls = state.withLock { state -> [@Sendable () -> Void] in
      var calls: [@Sendable () -> Void] = []
      for (group, offsets) in offsets {
        for id in offsets.keys {
          state.held[group]?[id]?.remove(producerID)
          if state.held[group]?[id]?.isEmpty ?? false { state.held[group]?[id] = nil }
        }
        if state.held[group]?.isEmpty ?? false { state.held[group] = nil }
        calls += state.whenStable.removeValue(forKey: group) ?? []
      }
      return calls
    }
    for call in calls { call() }
  }

  /// What a group has committed for a partition; `whenStable` is called later where a transaction is about to change that.
  ///
  /// - Throws: `unstableOffsetCommit` then.
  func stableOffset(
    _ group: String, _ topicPartition: TopicPartition, whenStable: @escaping @Sendable () -> Void
  ) throws(EventLogError) -> OffsetAndMetadata? {
    guard let topic = topics.find(topicPartition.topic) else { return nil }
    let id = PartitionID(topic.id, topicPartition.partition)
    let (offset, isHeld) = state.withLock { state -> (CommittedOffset?, Bool) in
      let isHeld = state.held[group]?[id] != nil
      if isHeld { state.whenStable[group, default: []].append(whenStable) }
      return (state.committed[group]?[id], isHeld)
    }
    guard !isHeld else { throw Self.unstable(group, topicPartition) }
    return offset.map { OffsetAndMetadata($0.offset, leaderEpoch: $0.leaderEpoch, metadata: $0.metadata) }
  }

  /// - Throws: `unstableOffsetCommit` where a transaction is about to change what a group has committed for one of these.
  func requireStable(_ group: String, _ partitions: Set<TopicPartition>) throws(EventLogError) {
    guard let held = state.withLock({ $0.held[group] }) else { return }
    for partition in partitions {
      guard let topic = topics.find(partition.topic), held[PartitionID(topic.id, partition.partition)] != nil else {
        continue
      }
      throw Self.unstable(group, partition)
    }
  }

  private static func unstable(_ group: String, _ topicPartition: TopicPartition) -> EventLogError {
    EventLogError(.unstableOffsetCommit, "a transaction that has not ended holds an offset of group \(group)")
      .at(topicPartition)
  }

  // MARK: Deleting

  func delete(_ group: String, _ partitions: [TopicPartition]) throws(EventLogError) {
    let ids = partitions.compactMap { partition in
      topics.find(partition.topic).map { PartitionID($0.id, partition.partition) }
    }
    try rows.withLock { _ throws(EventLogError) in
      try metadata.deleteOffsets(of: group, ids)
      state.withLock { state in for id in ids { state.committed[group]?[id] = nil } }
    }
  }

  func deleteGroup(_ group: String) throws(EventLogError) {
    try rows.withLock { _ throws(EventLogError) in try removeGroup(group) }
  }

  private func removeGroup(_ group: String) throws(EventLogError) {
    try metadata.deleteGroup(group)
    state.withLock { state in
      state.committed[group] = nil
      state.emptiedAt[group] = nil
    }
  }

  /// Forgets what groups committed that have been empty for longer than `retention` (milliseconds), and what was
  /// committed longer ago than that for topics that no member of a group wants, or by somebody who never was a member.
  ///
  /// - Parameter subscribed: the topics that a group's members want.
  /// - Returns: the groups of which nothing is left.
  func expire(
    after retention: Int64, subscribed: (String) -> Set<String>
  ) throws(EventLogError) -> [String] {
    let now = time.wallMilliseconds()
    let (committed, emptiedAt) = state.withLock { ($0.committed, $0.emptiedAt) }
    var gone: [String] = []
    for (group, offsets) in committed {
      var expired: [PartitionID]
      switch emptiedAt[group] {
      case .some(.some(let time)):
        expired = now - time >= retention ? Array(offsets.keys) : []
      case .some(.none), nil:
        let wanted = subscribed(group)
        expired = offsets.filter { id, offset in
          now - offset.committedAt >= retention && !wanted.contains(topics.find(id.topic)?.name ?? "")
        }.map(\.key)
      }
      guard !expired.isEmpty else { continue }
      let isGone = try rows.withLock { _ throws(EventLogError) -> Bool in
        let isAll = state.withLock { state in
          // What was committed anew meanwhile stays.
          expired.removeAll { state.committed[group]?[$0] != offsets[$0] }
          for id in expired { state.committed[group]?[id] = nil }
          return state.committed[group]?.isEmpty ?? true
        }
        try metadata.deleteOffsets(of: group, expired)
        guard isAll, emptiedAt[group] != .some(.none) else { return false }
        try removeGroup(group)
        return true
      }
      if isGone { gone.append(group) }
    }
    return gone
  }

  /// Forgets what groups committed for a topic that goes.
  func forget(_ topic: TopicID) {
    state.withLock { state in
      for group in state.committed.keys {
        state.committed[group] = state.committed[group]?.filter { $0.key.topic != topic }
      }
    }
  }
}

extension OffsetStore.State {
  /// What is committed later wins, also over a transaction that ends after this.
  mutating func overrule(_ group: String, _ partitions: some Sequence<PartitionID>) {
    guard !held.isEmpty, held[group] != nil else { return }
    for id in partitions { held[group]?[id] = nil }
  }

  /// Has the commits go on no longer that these offsets, of the same group, come behind.
  mutating func closeWaiting(_ group: String, _ offsets: [PartitionID: CommittedOffset]) {
    guard !open.isEmpty else { return }
    open.removeAll { waiting in
      guard waiting.group == group, waiting.concerns(offsets) else { return false }
      waiting.close()
      return true
    }
  }
}
