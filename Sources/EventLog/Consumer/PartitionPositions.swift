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

  var partitions: Dictionary<TopicPartition, Int>.Keys { slotOf.keys }
  var isEmpty: Bool { slots.isEmpty }

  subscript(_ topicPartition: TopicPartition) -> PartitionPosition? { slotOf[topicPartition].map { slots[$0] } }

  /// Changes a position; does nothing for a partition that is not here.
  mutating func update<E: Error>(
    _ topicPartition: TopicPartition, _ change: (inout PartitionPosition) throws(E) -> Void
  ) throws(E) {
    guard let slot = slotOf[topicPartition] else { return }
    try change(&slots[slot])
  }

  /// Adds a partition that is not here yet, to be looked at last.
  mutating func append(_ position: PartitionPosition) {
    slotOf[position.topicPartition] = slots.count
    order.append(slots.count)
    slots.append(position)
  }

  mutating func remove(_ gone: Set<TopicPartition>) {
    let left = order.map { slots[$0] }.filter { !gone.contains($0.topicPartition) }
    self = PartitionPositions()
    for position in left { append(position) }
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
