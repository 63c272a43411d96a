import EventLog
import Foundation

/// Many partitions: to make them, to open them, and to append to one after the other.
extension Workloads {
  static func partitions(_ size: Size) -> [Workload] {
    [1_000, 10_000].map { full in
      let count = max(20, full / size.scale)
      return Workload(
        id: "partitions-\(full)",
        name: "\(full) partitions: open, and append to each in turn, fifty times, acks=1, 100 B",
        measures: [
          .seconds("open"), .bytes("memory each"), .rate("appends a second"), .seconds("close"), .seconds("create"),
        ], rounds: full == 1_000 ? 1 : 3,
        targets: [.peer("SQLite", 1), .peer("RocksDB", 1), .peer("RocksDB", 2, measure: 2)],
        contenders: [
          .init(name: "EventLog", kind: .eventLog) { directory in try partitions("EventLog", directory, count) }
        ]
          // RocksDB needs minutes to make a thousand column families, and with each more than for the one before.
          + peers(.unsynced, where: { $0.hasPartitions && (full == 1_000 || $0.name != "RocksDB") }) {
            peer, directory in
            try partitions(peer.name, directory, count)
          })
    } + [reopening(size)]
  }

  /// What an opening after a kill costs should go by what was written before it.
  private static func reopening(_ size: Size) -> Workload {
    let count = max(20, 10_000 / size.scale)
    let written = [max(10, 100 / size.scale), count]
    return Workload(
      id: "reopen-partitions",
      name: "reopen after kill -9, \(count) partitions, of which \(written[0]), and all, were written to",
      measures: written.map { .seconds("open, \($0) written") }, rounds: 1, targets: [],
      contenders: [
        .init(name: "EventLog", kind: .eventLog) { directory in try reopen("EventLog", directory, count, written) }
      ]
        + peers(.unsynced, where: { $0.hasPartitions && $0.name != "RocksDB" }) { peer, directory in
          try reopen(peer.name, directory, count, written)
        })
  }

  private static func reopen(_ name: String, _ directory: String, _ count: Int, _ written: [Int]) throws -> [Double]? {
    guard try Child.start(["partitions", name, directory, "\(count)", "create"], kills: false) != nil else {
      return nil
    }
    return try written.map { written in
      let hasWritten = try Child.start(["write", name, directory, "\(count)", "\(written)"], kills: true) != nil
      let looked = try Child.start(["partitions", name, directory, "\(count)", "look"], kills: false)
      guard hasWritten, let first = looked?.split(separator: " ").first, let time = Double(first) else {
        throw PeerError(description: "\(name): \(count) partitions could not be opened again")
      }
      return time
    }
  }

  private static func partitions(_ name: String, _ directory: String, _ count: Int) throws -> [Double]? {
    func run(_ how: String) throws -> [Double]? {
      try Child.start(["partitions", name, directory, "\(count)", how], kills: false)?.split(separator: " ")
        .compactMap { Double($0) }
    }
    guard let created = try run("create"), created.count == 4, let opened = try run("open"), opened.count == 4 else {
      print("  \(name): \(count) partitions: failed")
      return nil
    }
    return opened + [created[0]]
  }
}
