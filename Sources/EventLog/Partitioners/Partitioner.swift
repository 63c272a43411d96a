internal import SegmentStore
internal import Synchronization

/// Chooses the partition of records that do not name one (`partitioner.class`).
public protocol Partitioner: Sendable {
  /// The partition, from 0 to below `partitionCount`, for a record of `topic`. Another number makes `send` throw
  /// `illegalArgument`. May be called by several threads at once.
  func partition(topic: String, key: [UInt8]?, value: [UInt8]?, partitionCount: Int) -> Int
}

/// Kafka's own choice for records with a key: murmur2 of the key's bytes, the same in every language.
public enum BuiltInPartitioner {
  /// The partition for a key, of a topic with `partitionCount` partitions, which has to be at least 1.
  public static func partition(forKey key: [UInt8], partitionCount: Int) -> Int {
    Murmur2.partition(key.span.bytes, of: partitionCount)
  }
}

/// One partition after the other, whatever the key (Kafka's `RoundRobinPartitioner`).
public final class RoundRobinPartitioner: Partitioner {
  private let counters = Mutex<[String: Int]>([:])

  public init() {}

  public func partition(topic: String, key: [UInt8]?, value: [UInt8]?, partitionCount: Int) -> Int {
    counters.withLock { counters in
      let next = counters[topic, default: 0]
      counters[topic] = next &+ 1
      return (next & Int.max) % partitionCount
    }
  }
}

/// Kafka's choice for records without a key: one random partition until `batch.size` bytes went there, then another
/// (KIP-480, KIP-794). So batches are full, and partitions equally so.
final class StickyPartition: Sendable {
  private struct State {
    var partition = -1
    var bytes = 0
    var count = 0
    var generator: RandomGenerator
  }

  private let state: Mutex<State>
  private let batchSize: Int

  init(batchSize: Int, _ generator: RandomGenerator) {
    self.batchSize = max(batchSize, 1)
    state = Mutex(State(generator: generator))
  }

  /// The partition for `bytes` more.
  func partition(of count: Int, adding bytes: Int) -> Int {
    state.withLock { state in
      if state.partition < 0 || state.bytes >= batchSize || state.count != count {
        state.partition = Int.random(in: 0..<count, using: &state.generator)
        state.bytes = 0
        state.count = count
      }
      state.bytes &+= bytes
      return state.partition
    }
  }
}
