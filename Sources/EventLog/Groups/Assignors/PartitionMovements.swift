/// The moves that a sticky assignment has made so far, so that it undoes one before it makes its opposite: of two
/// partitions of a topic that would trade places, the one that moved goes back.
struct PartitionMovements {
  private struct Route: Hashable {
    var from: Int
    var to: Int
  }

  /// Partitions of a topic that moved along one route; a `HashSet` in Kafka, whose order is seen in `first`.
  private struct Moved {
    var elements: [(partition: Int, hash: Int32)] = []
    /// A `HashSet` does not shrink.
    var capacity = 16

    mutating func insert(_ partition: Int, hash: Int32) {
      elements.append((partition, hash))
      capacity = max(capacity, JavaOrder.capacity(count: elements.count))
    }

    var first: Int? {
      // The first of the lowest bucket: `min` gives the first of equals.
      elements.min { bucket($0) < bucket($1) }?.partition
    }

    private func bucket(_ element: (partition: Int, hash: Int32)) -> Int {
      JavaOrder.bucket(element.hash, capacity: capacity)
    }
  }

  private var routes: [Int: Route] = [:]
  private var moved: [[Route: Moved]]
  private let topicHashes: [Int32]
  private let input: AssignorInput

  init(_ input: AssignorInput) {
    self.input = input
    moved = [[Route: Moved]](repeating: [:], count: input.topics.count)
    topicHashes = input.topics.map(JavaOrder.hash)
  }

  /// The partition to be moved in place of `partition`, whose owner is `from`, to `to`.
  func substitute(for partition: Int, from: Int, to: Int) -> Int {
    let topic = input.topicOf[partition]
    let origin = routes[partition]?.from ?? from
    return moved[topic][Route(from: to, to: origin)]?.first ?? partition
  }

  /// Notes a move. One that brings a partition back to where it was at first leaves no trace.
  mutating func note(_ partition: Int, from: Int, to: Int) {
    let topic = input.topicOf[partition]
    var route = Route(from: from, to: to)
    if let earlier = routes.removeValue(forKey: partition) {
      moved[topic][earlier]?.elements.removeAll { $0.partition == partition }
      if moved[topic][earlier]?.elements.isEmpty ?? true { moved[topic][earlier] = nil }
      guard earlier.from != to else { return }
      route.from = earlier.from
    }
    routes[partition] = route
    let hash = JavaOrder.hash(partition: partition - input.bases[topic], topicHash: topicHashes[topic])
    moved[topic][route, default: Moved()].insert(partition, hash: hash)
  }
}
