/// The orders that Kafka's assignors inherit from Java's strings and hash tables.
///
/// Where several assignments are equally good, Kafka's classes take the one that the iteration of a `HashMap` leads to.
/// Whoever compares with a real group, or moves one here, shall find the same.
enum JavaOrder {
  /// `String.compareTo`: by UTF-16 units.
  static func precedes(_ a: String, _ b: String) -> Bool {
    a.utf16.lexicographicallyPrecedes(b.utf16)
  }

  /// `String.hashCode`.
  static func hash(_ string: String) -> Int32 {
    string.utf16.reduce(0) { $0 &* 31 &+ Int32($1) }
  }

  /// `TopicPartition.hashCode`, from its topic's.
  static func hash(partition: Int, topicHash: Int32) -> Int32 {
    (Int32(truncatingIfNeeded: partition) &+ 31) &* 31 &+ topicHash
  }

  /// Where a `HashMap` of this capacity puts a key.
  static func bucket(_ hash: Int32, capacity: Int) -> Int {
    let bits = UInt32(bitPattern: hash)
    return Int(bits ^ (bits >> 16)) & (capacity - 1)
  }

  /// The capacity of a `HashMap` that `count` keys were put into, one after the other.
  static func capacity(count: Int) -> Int {
    var capacity = 16
    while count > capacity / 4 * 3 { capacity *= 2 }
    return capacity
  }

  /// The positions of `keys` in the order in which a `HashMap` with these keys gives them. Keys that share a bucket,
  /// which Java gives in the order of their arrival, are given in the order of `keys`.
  static func hashMapOrder(_ keys: [String]) -> [Int] {
    let capacity = capacity(count: keys.count)
    return keys.enumerated()
      .map { (bucket: bucket(hash($0.element), capacity: capacity), position: $0.offset) }
      .sorted { $0 < $1 }
      .map(\.position)
  }
}
