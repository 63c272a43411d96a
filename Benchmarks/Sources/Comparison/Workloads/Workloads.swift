import CLimits
import CPeers
import EventLog
import Foundation

/// All the work, in the order of the tables. A family of workloads has a file; a new one adds a line here.
enum Workloads {
  static func all(_ size: Size) -> [Workload] {
    append(size) + durable(size) + replay(size) + seek(size) + latency(size) + queue(size) + opening(size)
      + partitions(size)
      + compression(size) + transactions(size) + compaction(size) + groups(size) + [fixture(size)] + growth(size)
  }

  // MARK: What the families share

  static let topicPartition = TopicPartition("t", 0)

  static func open(_ directory: String, acks: Acks, partitions: Int = 1) throws -> (Broker, Producer) {
    let broker = try Broker.open(directory + "/eventlog")
    try broker.admin.createTopic("t", partitions: partitions)
    return (broker, try broker.producer(ProducerConfiguration(acks: acks)))
  }

  static func withMapping<R>(
    _ directory: String, _ size: Int, _ body: (UnsafeMutableRawPointer, Int32) throws -> R
  ) throws -> R {
    var descriptor: Int32 = 0
    guard let base = limit_map_new_file(directory + "/m", size, &descriptor) else { throw POSIXError(.EIO) }
    defer { limit_unmap(base, size, descriptor) }
    return try body(base, descriptor)
  }

  /// The same for a body that waits.
  static func withMapping<R>(
    _ directory: String, _ size: Int, _ body: (UnsafeMutableRawPointer, Int32) async throws -> R
  ) async throws -> R {
    var descriptor: Int32 = 0
    guard let base = limit_map_new_file(directory + "/m", size, &descriptor) else { throw POSIXError(.EIO) }
    defer { limit_unmap(base, size, descriptor) }
    return try await body(base, descriptor)
  }

  /// A contender for each peer that offers this durability.
  static func peers(
    _ durability: Durability, where isIncluded: (Peer) -> Bool = { _ in true },
    _ run: @escaping (Peer, String) async throws -> [Double]?
  ) -> [Workload.Contender] {
    Peer.all.filter { $0.has(durability) && isIncluded($0) }.map { peer in
      .init(name: peer.name, kind: .peer) { directory in try await run(peer, directory) }
    }
  }

  /// Sums the bytes by eights, as the bare loop does.
  @inline(__always)
  static func touch(_ bytes: RawSpan) -> UInt64 {
    var sum: UInt64 = 0
    var index = 0
    while index &+ 8 <= bytes.byteCount {
      sum &+= bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      index &+= 8
    }
    while index < bytes.byteCount {
      sum &+= UInt64(bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt8.self))
      index &+= 1
    }
    return sum
  }

  static func sizeName(_ bytes: Int) -> String { bytes < 1024 ? "\(bytes) B" : "\(bytes / 1024) KiB" }
}
