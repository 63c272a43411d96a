internal import MetadataStore
internal import RecordFormat

/// The partitions that a consumer has: found by name, and in the order in which polls look at them.
///
/// Each has a slot that it keeps until the consumer has other partitions, so that a poll changes it in place and compares no
/// names.
struct PartitionPositions {
  private var slotOf: [TopicPartition: Int] = [:]
  var slots: [PartitionPosition] = []
  /// The slots in the order in which they are looked at: who delivered goes to the end.
  private(set) var order: [Int] = []
  /// Whether there may be positions that are not known: what each poll looks at before it looks for any.
  var mayHaveUnknown = false
  /// What the partitions of the slots are stored by, and the version of the topics when that was looked up.
  private var ids: (version: Int, ids: [PartitionID])?

  var partitions: Dictionary<TopicPartition, Int>.Keys { slotOf.keys }
  var isEmpty: Bool { slots.isEmpty }

  subscript(_ topicPartition: TopicPartition) -> PartitionPosition? { slotOf[topicPartition].map { slots[$0] } }

  /// Changes a position; does nothing for a partition that is not here.
  mutating func update<E: Error>(
    _ topicPartition: TopicPartition, _ change: (inout PartitionPosition) throws(E) -> Void
  ) throws(E) {
    guard let slot = slotOf[topicPartition] else { return }
    defer { if slots[slot].offset == nil { mayHaveUnknown = true } }
    try change(&slots[slot])
  }

  /// Adds a partition that is not here yet, to be looked at last.
  mutating func append(_ position: PartitionPosition) {
    ids = nil
    if position.offset == nil { mayHaveUnknown = true }
    slotOf[position.topicPartition] = slots.count
    order.append(slots.count)
    slots.append(position)
  }

  mutating func remove(_ gone: Set<TopicPartition>) {
    let left = order.map { slots[$0] }.filter { !gone.contains($0.topicPartition) }
    self = PartitionPositions()
    for position in left { append(position) }
  }

  /// What the partitions are stored by, in the order of the slots; empty where one of them is gone.
  mutating func ids(_ topics: TopicTable) -> [PartitionID] {
    let version = topics.version
    if let known = ids, known.version == version { return known.ids }
    var found: [PartitionID] = []
    for slot in slots.indices {
      guard let id = slots[slot].id(topics) else { return [] }
      found.append(id)
    }
    ids = (version, found)
    return found
  }

  /// Puts the positions into a commit of these partitions, as of `version` of the topics. False where it is of others, or where
  /// a position is not known; part of them may be in it then.
  func put(into commit: inout [CommittedPosition], at now: Int64, version: Int) -> Bool {
    guard let ids, ids.version == version, commit.count == slots.count else { return false }
    for slot in slots.indices {
      guard let offset = slots[slot].offset, commit[slot].partition == ids.ids[slot] else { return false }
      commit[slot].offset.offset = offset
      commit[slot].offset.leaderEpoch = slots[slot].leaderEpoch
      commit[slot].offset.committedAt = now
      if !commit[slot].offset.metadata.isEmpty { commit[slot].offset.metadata = "" }
    }
    return true
  }

  /// The positions, as they are committed; nil where one is not known, or there is none.
  mutating func all(at now: Int64, _ topics: TopicTable) -> [CommittedPosition]? {
    let ids = ids(topics)
    guard !ids.isEmpty else { return nil }
    var positions: [CommittedPosition] = []
    positions.reserveCapacity(ids.count)
    for (id, slot) in zip(ids, slots) {
      guard let offset = slot.offset else { return nil }
      positions.append((id, CommittedOffset(offset: offset, leaderEpoch: slot.leaderEpoch, committedAt: now)))
    }
    return positions
  }

  mutating func moveToEnd(_ moved: [Int]) {
    guard order.count > 1 else { return }
    // Mostly these are the first ones.
    if order.starts(with: moved) {
      order.removeFirst(moved.count)
    } else {
      let set = Set(moved)
      order.removeAll(where: set.contains)
    }
    order += moved
  }

  mutating func moveToFront(_ moved: [TopicPartition]) {
    let front = moved.compactMap { slotOf[$0] }
    let set = Set(front)
    order.removeAll(where: set.contains)
    order = front + order
  }
}
